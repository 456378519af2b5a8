import { scaleBand, scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { rank, type Tier, TIERS } from '#ticketing';
import type { ClientReport } from '#ticketing-app';

/** In the units of a page 680 wide; classes are those of the template's style sheet. */
const WIDTH = 680;

type Bucket = ClientReport['course'][number];

/** Numbers with at most one decimal: documents are small, and the same wherever they are rendered. */
const tenth = (value: number): number => Math.round(value * 10) / 10;

function svg(height: number, title: string, content: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">${content.join('')}</svg>`;
}

/** Tickets opened and resolved as bars, and below them those open at the end of each hour or day as a line. */
export function courseChart(course: ClientReport['course']): string {
  const [left, right] = [30, WIDTH - 6];
  const bars = { top: 6, bottom: 112 };
  const below = { top: 134, bottom: 192 };
  const x = scaleBand<number>(course.keys(), [left, right]).paddingInner(0.3).paddingOuter(0.15);
  const half = x.bandwidth() / 2;
  const place = (index: number) => x(index) ?? 0;
  const upright = ({ top, bottom }: typeof bars, of: (bucket: Bucket) => number) =>
    scaleLinear([0, Math.max(1, ...course.map(of))], [bottom, top]).nice(3);
  const grid = (y: ReturnType<typeof upright>) =>
    y
      .ticks(3)
      .filter(Number.isInteger)
      .map(
        (tick) =>
          `<line class="grid" x1="${left}" x2="${right}" y1="${tenth(y(tick))}" y2="${tenth(y(tick))}"/>` +
          `<text class="axis" text-anchor="end" x="${left - 6}" y="${tenth(y(tick) + 3)}">${tick}</text>`,
      );
  const moved = upright(bars, ({ opened, resolved }) => Math.max(opened, resolved));
  const bar = (name: string, begin: number, value: number) =>
    value === 0
      ? ''
      : `<rect class="${name}" x="${tenth(begin)}" y="${tenth(moved(value))}" width="${tenth(half)}" height="${tenth(moved(0) - moved(value))}"/>`;
  const open = upright(below, ({ backlog }) => backlog);
  const path = line<Bucket>(
    (_, index) => tenth(place(index) + half),
    ({ backlog }) => tenth(open(backlog)),
  )([...course]);
  // As many labels as there is room for.
  const every = Math.ceil(course.length / 16);
  const names = course.map(({ key }, index) =>
    index % every === 0
      ? `<text class="axis" text-anchor="middle" x="${tenth(place(index) + half)}" y="${bars.bottom + 12}">${shortName(key)}</text>`
      : '',
  );
  return svg(200, 'Tickets opened, resolved and open', [
    ...grid(moved),
    ...course.map(({ opened, resolved }, index) => bar('opened', place(index), opened) + bar('resolved', place(index) + half, resolved)),
    ...names,
    ...grid(open),
    `<path class="backlog" d="${path}"/>`,
  ]);
}

/** `14` of `2026-11-14`, `09` of `2026-11-14T09:00+01:00`. */
function shortName(key: string): string {
  return key.length > 10 ? key.slice(11, 13) : String(Number(key.slice(8)));
}

/** Moves between tiers: upward ones as arches above them, returns below them, with a width in proportion to their number. */
export function flowChart({ links }: Pick<ClientReport['flow'], 'links'>): string {
  const tiers = TIERS.filter((tier) => links.some(({ from, to }) => from === tier || to === tier));
  const moves = new Map<string, { readonly from: Tier; readonly to: Tier; count: number }>();
  for (const { from, to, moves: count } of links) {
    if (!isTier(from) || !isTier(to)) continue;
    const known = moves.get(`${from} ${to}`);
    if (known === undefined) moves.set(`${from} ${to}`, { from, to, count });
    else known.count += count;
  }
  const steps = ({ from, to }: { readonly from: Tier; readonly to: Tier }) => tiers.indexOf(to) - tiers.indexOf(from);
  const longest = (side: 1 | -1) => Math.max(0, ...Array.from(moves.values(), (move) => side * steps(move)));
  const box = { width: 96, height: 52 };
  const archOf = (distance: number) => 22 + 20 * distance;
  const [above, beneath] = [longest(1), longest(-1)].map((distance) => (distance === 0 ? 6 : archOf(distance) + 12)) as [number, number];
  const top = above;
  const bottom = top + box.height;
  const x = scaleBand<string>(tiers, [0, WIDTH]);
  const centre = (tier: string) => (x(tier) ?? 0) + x.bandwidth() / 2;
  const wide = scaleLinear([1, Math.max(2, ...Array.from(moves.values(), ({ count }) => count))], [1.5, 14]);
  const arches = Array.from(moves.values(), ({ from, to, count }) => {
    const isUp = rank(to) > rank(from);
    const [side, edge] = isUp ? [-1, top] : [1, bottom];
    // Side by side at a tier with moves in and out.
    const [begin, end] = isUp ? [centre(from) + 16, centre(to) - 16] : [centre(from) - 16, centre(to) + 16];
    // A curve covers three quarters of the distance to its control points.
    const height = archOf(Math.abs(steps({ from, to })));
    const drawn = tenth(edge + (side * height * 4) / 3);
    const path = `M${tenth(begin)},${edge}C${tenth(begin)},${drawn} ${tenth(end)},${drawn} ${tenth(end)},${edge}`;
    return (
      `<path class="${isUp ? 'up' : 'back'}" stroke-width="${tenth(wide(count))}" d="${path}"/>` +
      `<text class="count" text-anchor="middle" x="${tenth((begin + end) / 2)}" y="${tenth(edge + side * height + 3.5)}">${count}</text>`
    );
  });
  const sum = (fits: (link: (typeof links)[number]) => boolean) => links.filter(fits).reduce((total, link) => total + link.moves, 0);
  const boxes = tiers.map((tier) => {
    const came = sum(({ move, to }) => move === 'entry' && to === tier);
    const solved = sum(({ from, to }) => to === 'resolved' && from === tier);
    const text = (name: string, y: number, words: string) =>
      `<text class="${name}" text-anchor="middle" x="${tenth(centre(tier))}" y="${top + y}">${words}</text>`;
    return (
      `<rect class="tier" rx="5" x="${tenth(centre(tier) - box.width / 2)}" y="${top}" width="${box.width}" height="${box.height}"/>` +
      text('name', 19, tier) +
      text('axis', 33, `${came} came in`) +
      text('axis', 45, `${solved} resolved`)
    );
  });
  return svg(bottom + beneath, 'Moves between the tiers', [...arches, ...boxes]);
}

function isTier(node: string): node is Tier {
  return (TIERS as readonly string[]).includes(node);
}
