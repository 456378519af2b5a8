import { rank, TIERS } from '../vocabulary.js';
import { FLOW_ENDS, FLOW_MOVES, type FlowReport } from '../views/flow-report.js';
import type { TicketFacts } from '../views/ticket-facts.js';
import { type Facts, tierMoves } from './kpi.js';
import { quantile } from './tally.js';

type Link = FlowReport['links'][number];
type Told = Pick<FlowReport, 'tickets' | 'links' | 'times' | 'pairs'>;

/** The facts that the flow follows from. */
export const FLOW_FIELDS = [
  'openedAt',
  'stays',
  'handOffs',
  'times',
  'resolutions',
  'resolvedAt',
  'status',
  'deescalations',
] as const satisfies readonly (keyof TicketFacts)[];

/** Adds up how tickets went through the tiers, one by one, in any order. */
export class Flow {
  #tickets = 0;
  readonly #links = new Map<string, { link: Link; moves: number; tickets: number }>();
  readonly #times = new Map<string, FlowReport['times'][number]>();
  readonly #pairs = new Map<
    string,
    { pair: Pick<FlowReport['pairs'][number], 'from' | 'fromTeam' | 'to' | 'toTeam'>; found: HandOff[]; bounced: number }
  >();

  add(facts: Facts): void {
    this.#tickets++;
    const ofTicket = new Set<string>();
    for (const link of linksOf(facts)) {
      const name = JSON.stringify(link);
      const known = this.#links.get(name) ?? { link: { ...link, moves: 0, tickets: 0 }, moves: 0, tickets: 0 };
      known.moves++;
      if (!ofTicket.has(name)) known.tickets++;
      ofTicket.add(name);
      this.#links.set(name, known);
    }
    for (const { tier, state, millis } of facts.times) {
      const name = `${tier} ${state}`;
      const known = this.#times.get(name);
      this.#times.set(name, { tier, state, millis: (known?.millis ?? 0) + millis, tickets: (known?.tickets ?? 0) + 1 });
    }
    const returns = new Map<string, number>();
    for (const handOff of facts.handOffs) {
      const { from, fromTeam, to, toTeam } = handOff;
      const pair = { from, ...(fromTeam && { fromTeam }), to, ...(toTeam && { toTeam }) };
      const name = JSON.stringify(pair);
      const known = this.#pairs.get(name) ?? { pair, found: [], bounced: 0 };
      known.found.push(handOff);
      if (handOff.outcome === 'returned') {
        const times = (returns.get(name) ?? 0) + 1;
        returns.set(name, times);
        if (times === 2) known.bounced++;
      }
      this.#pairs.set(name, known);
    }
  }

  result(): Told {
    const nodes: readonly string[] = [FLOW_ENDS[0], ...TIERS, ...FLOW_ENDS.slice(1)];
    const order = ({ from, to, move }: Link) => [nodes.indexOf(from), nodes.indexOf(to), FLOW_MOVES.indexOf(move)] as const;
    const links = [...this.#links.values()].map(({ link, moves, tickets }) => ({ ...link, moves, tickets }));
    return {
      tickets: this.#tickets,
      links: links.sort((one, other) => {
        const [a, b] = [order(one), order(other)];
        return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
      }),
      times: [...this.#times.values()].sort((one, other) => rank(one.tier) - rank(other.tier) || (one.state < other.state ? -1 : 1)),
      pairs: [...this.#pairs.values()]
        .map(({ pair, found, bounced }) => ({ ...pair, ...judged(found), bounced }))
        .sort((one, other) => other.handOffs - one.handOffs || (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1)),
    };
  }
}

type HandOff = Facts['handOffs'][number];

function judged(found: readonly HandOff[]) {
  const accepted = found.filter(({ outcome }) => outcome === 'accepted');
  const waits = accepted.map(({ at, settledAt }) => Math.max(0, +(settledAt ?? at) - +at));
  return {
    handOffs: found.length,
    accepted: accepted.length,
    returned: found.filter(({ outcome }) => outcome === 'returned').length,
    quality: found.reduce((sum, { quality }) => sum + quality, 0) / found.length,
    acceptedAfter: quantile(waits, 0.5),
  };
}

/** The path of a ticket: in, from tier to tier, and to where it is now. */
function linksOf({
  stays,
  handOffs,
  resolutions,
  resolvedAt,
  status,
  deescalations,
}: Facts): readonly Pick<Link, 'from' | 'to' | 'move'>[] {
  const moves = tierMoves(stays);
  const [first] = moves;
  const last = moves.at(-1);
  if (first === undefined || last === undefined) return [];
  // In late facts, a ticket may be handed down at the very instant at which it came back. Each hand-off came back only once, to where it
  // was from.
  const returned = handOffs.filter(({ outcome }) => outcome === 'returned');
  const moved = moves.slice(1).map(({ tier, from }, index) => {
    const before = moves[index]?.tier ?? tier;
    const back = returned.findIndex(
      (one) => one.settledAt !== undefined && +one.settledAt === +from && one.from === tier && one.to === before,
    );
    const isReturn = back !== -1;
    if (isReturn) returned.splice(back, 1);
    const isReopened = resolutions.some(({ reopenedAt }) => reopenedAt !== undefined && +reopenedAt === +from);
    const move: Link['move'] = rank(tier) > rank(before) ? 'escalation' : isReturn ? 'return' : 'de-escalation';
    return { from: before, to: tier, move, isReopened };
  });
  // A ticket may be handed down at the very instant at which it is reopened.
  let reopenings = moved.filter(({ move }) => move === 'de-escalation').length - deescalations;
  const between = moved.map(({ isReopened, ...link }) =>
    link.move === 'de-escalation' && isReopened && reopenings-- > 0 ? { ...link, move: 'reopening' as const } : link,
  );
  const end = resolvedAt !== undefined ? 'resolved' : status === 'cancelled' || status === 'merged' ? status : 'open';
  return [{ from: 'opened', to: first.tier, move: 'entry' }, ...between, { from: last.tier, to: end, move: 'end' }];
}
