import { given } from '../../../eventsourcing/src/testing/given-projected.js';
import type { TicketCommands } from './ticket.js';
import { defaultContract, HOUR } from '../contract/contract.js';
import { evolvePinnedClocks } from '../sla/sla-terms.js';
import { at, Life, pin } from '../testing/ticket-life.js';
import { ticketViews } from '../views/projections.js';
import { type TicketDetails, ticketDetails } from '../views/ticket-details.js';
import { TICKET_KINDS, type Tier } from '../vocabulary.js';

/** What a reader sees of a life. */
function details({ events }: Life): TicketDetails | null {
  return given(ticketViews, events).document(ticketDetails) as TicketDetails | null;
}

const toL2 = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
const toL3 = { ...toL2, stepsToReproduce: ['r'], diagnosticData: ['d'], environment: 'e' };
const escalate = (life: Life, minutes: number, tier: Tier, handoff: TicketCommands['EscalateToTier']['handoff'], team?: string) =>
  life.do(minutes, 'EscalateToTier', { tier, reason: 'r', handoff, ...(team === undefined ? {} : { team }) });

describe('a contract without L2', () => {
  const contract = pin(1, { tiers: ['L0', 'L1', 'L3', 'L4'] });

  it('escalates to the next existing tier, with everything required by the tiers in between', () => {
    const life = new Life(contract).open();
    expect(() => escalate(life, 1, 'L2', toL2)).toThrow('tier-not-in-contract');
    expect(() => escalate(life, 1, 'L4', toL3)).toThrow('tier-skipped');
    expect(() => escalate(life, 1, 'L3', {})).toThrow(/stepsTried.*stepsToReproduce.*environment/);
    expect(escalate(life, 1, 'L3', toL3)).toMatchObject([{ type: 'TicketEscalated', data: { from: 'L1', to: 'L3' } }]);
    // The next tier is no skip.
    expect(life.events.at(-1)?.data).not.toHaveProperty('skipped');
  });

  it('returns work to the next existing tier, and requires nothing from missing ones', () => {
    const life = new Life(contract).open();
    escalate(life, 1, 'L3', toL3);
    life.do(2, 'AcceptEscalation', {});
    const solution = { kind: 'procedure' as const, text: 'restart it' };
    expect(() => life.do(3, 'DeescalateToTier', { tier: 'L2', reason: 'r', solution })).toThrow('tier-not-in-contract');
    expect(() => life.do(3, 'RequestConsultation', { tier: 'L2', question: 'q' })).toThrow('tier-not-in-contract');
    expect(life.do(3, 'DeescalateToTier', { tier: 'L1', reason: 'r', solution })).toMatchObject([{ data: { from: 'L3', to: 'L1' } }]);
  });
});

it('under a contract without L1, tickets enter at the lowest tier with people in it', () => {
  expect(new Life(pin(1, { tiers: ['L0', 'L2', 'L3'] })).open().state).toMatchObject({ tier: 'L2' });
});

describe('one team at L1 and L2', () => {
  const promised = { accept: HOUR, work: HOUR };
  const ofTier = { critical: promised, high: promised, medium: promised, low: promised };
  const life = new Life(pin(1, { tierTargets: { L1: ofTier, L2: ofTier }, handOffs: { L2: [] } })).open('critical', { team: 'desk' });
  life.do(5, 'StartWork', {});
  // Its contract may ask nothing of a team that hands work to itself.
  escalate(life, 20, 'L2', {}, 'desk');
  life.do(22, 'AcceptEscalation', {});

  it('hands work to itself, and everything distinguishes the tiers', () => {
    expect(details(life)).toMatchObject({
      tier: 'L2',
      team: 'desk',
      escalations: 1,
      stays: [
        { tier: 'L1', team: 'desk', since: at(0) },
        { tier: 'L2', team: 'desk', since: at(20) },
      ],
      handOffs: [{ from: 'L1', fromTeam: 'desk', to: 'L2', toTeam: 'desk', outcome: 'accepted' }],
    });
    const worked = life.sla.clocks.filter(({ kind }) => kind === 'tier-work').map(({ tier, state }) => [tier, state]);
    expect(worked).toEqual([
      ['L1', 'met'],
      ['L2', 'running'],
    ]);
  });

  it('resolves by the rules of the tier that has it', () => {
    expect(() => life.do(30, 'ResolveTicket', { category: 'c', article: 'a' })).toThrow('L2 resolves with the cause');
    expect(life.do(30, 'ResolveTicket', { cause: 'c', fix: 'f' })).toMatchObject([{ data: { tier: 'L2', team: 'desk' } }]);
  });
});

describe('self-service', () => {
  it('opens a ticket with the articles that did not help, which goes to the desk without a hand-off', () => {
    const articlesShown = ['KB-0011', 'KB-0012'];
    const life = new Life().open('low', { tier: 'L0', channel: 'portal', articlesShown });
    expect(details(life)).toMatchObject({ tier: 'L0', articlesShown });
    escalate(life, 1, 'L1', {}, 'desk');
    life.do(2, 'AcceptEscalation', {});
    expect(details(life)).toMatchObject({ tier: 'L1', team: 'desk', articlesShown });
  });

  it('resolves with the article that helped', () => {
    const life = new Life().open('low', { tier: 'L0' });
    expect(() => life.do(1, 'ResolveTicket', { category: 'how-to' })).toThrow('resolution-incomplete');
    expect(life.do(1, 'ResolveTicket', { category: 'how-to', article: 'KB-1' })).toMatchObject([{ data: { tier: 'L0' } }]);
  });
});

it.each(TICKET_KINDS)('incidents and service requests take the same path, under the same clocks: %s', (kind) => {
  const life = new Life().open('low', { kind });
  escalate(life, 1, 'L2', toL2);
  life.do(2, 'AcceptEscalation', {});
  life.do(3, 'ResolveTicket', { cause: 'c', fix: 'f' });
  expect(details(life)).toMatchObject({ kind, status: 'resolved' });
  expect(life.sla.clocks.map(({ kind: clock, state }) => [clock, state])).toEqual([
    ['response', 'met'],
    ['resolution', 'met'],
    ['tier-accept', 'met'],
    ['tier-accept', 'met'],
    ['tier-work', 'met'],
  ]);
});

it('the default contract has customary targets, by priority and by tier', () => {
  expect(Object.values(defaultContract.targets).map(({ resolution }) => resolution / HOUR)).toEqual([4, 8, 24, 48]);
  const { L1, L2, L3, L4 } = defaultContract.tierTargets;
  const hours = (tier: typeof L1) => Object.values(tier ?? {}).map(({ accept, work }) => [Number(accept) / HOUR, Number(work) / HOUR]);
  expect([hours(L1), hours(L2), hours(L3)]).toEqual([
    [0.25, 0.25, 0.5, 0.5].map((accept) => [accept, 1]),
    [[1, 4], [1, 8], [2, 24], [2, 48]], // prettier-ignore
    [[1, 48], [4, 96], [24, 168], [48, 336]], // prettier-ignore
  ]);
  expect(L4).toBeUndefined();
});

it('a ticket that was opened before the default contract had targets for the tiers has none', () => {
  const { sla } = new Life().open();
  expect(sla.clocks.map(({ kind }) => kind)).toEqual(['response', 'resolution', 'tier-accept']);
  const before = { ...(new Life().open().events[0]?.data as object), defaultTerms: undefined };
  const facts = { effectiveAt: at(0), recordedAt: at(0) };
  const then = evolvePinnedClocks(null, { type: 'TicketOpened', data: before } as never, facts);
  expect(then?.clocks.map(({ kind }) => kind)).toEqual(['response', 'resolution']);
});
