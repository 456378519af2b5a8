import { scaleBand, scaleLinear } from 'd3-scale';
import { line, linkVertical } from 'd3-shape';
import { rank, type Tier, TIERS } from '#ticketing';
import type { ClientReport } from '#ticketing-app';

/** Drawn in the units of a page that is 680 wide; classes are of the template's style sheet. */
const WIDTH = 680;

/** Numbers with one decimal at most: documents are small, and the same wherever they are made. */
const at = (value: number): string => String(Math.round(value * 10) / 10);

function svg(height: number, title: string, content: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">${content.join('')}</svg>`;
}

/** Tickets opened and resolved as bars, and those open at the end of each hour or day as a line. */
export function courseChart(course: ClientReport['course']): string {
  const height = 190;
  const edge = { top: 8, right: 6, bottom: 22, left: 30 };
  const most = Math.max(1, ...course.flatMap(({ opened, resolved, backlog }) => [opened, resolved, backlog]));
  const x = scaleBand<number>(course.keys(), [edge.left, WIDTH - edge.right])
    .paddingInner(0.3)
    .paddingOuter(0.15);
  const y = scaleLinear([0, most], [height - edge.bottom, edge.top]).nice(4);
  const half = x.bandwidth() / 2;
  const place = (index: number) => x(index) ?? 0;
  const grid = y
    .ticks(4)
    .filter(Number.isInteger)
    .map(
      (tick) =>
        `<line class="grid" x1="${edge.left}" x2="${WIDTH - edge.right}" y1="${at(y(tick))}" y2="${at(y(tick))}"/>` +
        `<text class="axis" text-anchor="end" x="${edge.left - 6}" y="${at(y(tick) + 3)}">${tick}</text>`,
    );
  const bar = (name: string, left: number, value: number) =>
    value === 0 ? '' : `<rect class="${name}" x="${at(left)}" y="${at(y(value))}" width="${at(half)}" height="${at(y(0) - y(value))}"/>`;
  const bars = course.map(
    ({ opened, resolved }, index) => bar('opened', place(index), opened) + bar('resolved', place(index) + half, resolved),
  );
  const path = line<(typeof course)[number]>(
    (_, index) => Math.round((place(index) + half) * 10) / 10,
    ({ backlog }) => Math.round(y(backlog) * 10) / 10,
  )([...course]);
  // As many names as there is room for.
  const every = Math.ceil(course.length / 16);
  const names = course.map(({ key }, index) =>
    index % every === 0
      ? `<text class="axis" text-anchor="middle" x="${at(place(index) + half)}" y="${height - 7}">${shortName(key)}</text>`
      : '',
  );
  return svg(height, 'Tickets opened, resolved and open', [...grid, ...bars, `<path class="backlog" d="${path}"/>`, ...names]);
}

/** `14` of `2026-11-14`, `09` of `2026-11-14T09:00+01:00`. */
function shortName(key: string): string {
  return key.length > 10 ? key.slice(11, 13) : String(Number(key.slice(8)));
}

/** Moves between tiers: up above them, and back below them, as wide as there are many. */
export function flowChart({ links }: Pick<ClientReport['flow'], 'links'>): string {
  const moves = links.filter((link): link is typeof link & { from: Tier; to: Tier } => isTier(link.from) && isTier(link.to));
  const seen = TIERS.filter((tier) => links.some(({ from, to }) => from === tier || to === tier));
  const [height, middle, box] = [210, 105, { width: 92, height: 44 }];
  const x = scaleBand<string>(seen, [0, WIDTH]);
  const centre = (tier: string) => (x(tier) ?? 0) + x.bandwidth() / 2;
  const wide = scaleLinear([1, Math.max(2, ...moves.map((link) => link.moves))], [2, 20]);
  const link = linkVertical<unknown, readonly [number, number]>();
  const together = new Map<string, { from: Tier; to: Tier; count: number }>();
  for (const { from, to, moves: count } of moves) {
    const known = together.get(`${from} ${to}`);
    together.set(`${from} ${to}`, { from, to, count: count + (known?.count ?? 0) });
  }
  const arcs = [...together.values()].map(({ from, to, count }) => {
    const isUp = rank(to) > rank(from);
    const side = isUp ? -1 : 1;
    const edge = middle + side * (box.height / 2);
    const reach = edge + side * (14 + 13 * Math.abs(seen.indexOf(to) - seen.indexOf(from)));
    // Side by side at a tier that has moves in and out.
    const [begin, end] = [centre(from) + side * -14, centre(to) + side * 14];
    const top = (begin + end) / 2;
    const half = [
      link({ source: [begin, edge], target: [begin + (top - begin) * 0.4, reach] }),
      link({ source: [end - (end - top) * 0.4, reach], target: [end, edge] }),
    ];
    const path = `${half[0]}L${at(end - (end - top) * 0.4)},${at(reach)}${(half[1] ?? '').replace(/^M[^C]*/, '')}`;
    return (
      `<path class="${isUp ? 'up' : 'back'}" stroke-width="${at(wide(count))}" d="${path}"/>` +
      `<text class="count" text-anchor="middle" x="${at(top)}" y="${at(reach + 3.5)}">${count}</text>`
    );
  });
  const sum = (tier: Tier, fits: (link: (typeof links)[number]) => boolean) =>
    links.filter((link) => fits(link) && (link.from === tier || link.to === tier)).reduce((total, { moves }) => total + moves, 0);
  const boxes = seen.map((tier) => {
    const came = sum(tier, ({ move, to }) => move === 'entry' && to === tier);
    const solved = sum(tier, ({ from, to }) => to === 'resolved' && from === tier);
    const left = centre(tier) - box.width / 2;
    return (
      `<rect class="tier" rx="5" x="${at(left)}" y="${middle - box.height / 2}" width="${box.width}" height="${box.height}"/>` +
      `<text class="name" text-anchor="middle" x="${at(centre(tier))}" y="${middle - 4}">${tier}</text>` +
      `<text class="axis" text-anchor="middle" x="${at(centre(tier))}" y="${middle + 12}">${came} in · ${solved} resolved</text>`
    );
  });
  return svg(height, 'Moves between the tiers', [...arcs, ...boxes]);
}

function isTier(node: string): node is Tier {
  return (TIERS as readonly string[]).includes(node);
}
