import { evolve, type EventMetadata, type Instant, instantFrom, isRefusal, type RecordedEvent } from '#eventsourcing';
import fc from 'fast-check';
import type { TicketEvents } from '../events/ticket-events.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';
import { ticket, type TicketCommandName, type TicketCommands } from '../ticket/ticket.js';
import { foldTicket, type TicketFold } from '../views/ticket-fold.js';
import type { TicketState } from '../events/ticket.js';
import { CHANNELS, TIERS } from '../vocabulary.js';
import { completeHandOff, officeHours } from './random-commands.js';

/** The life of a ticket: its events, the state after each, and the views' fold of all of them. */
export interface LivedTicket {
  readonly id: string;
  readonly events: readonly RecordedEvent<TicketEvents>[];
  readonly states: readonly TicketState[];
  readonly fold: TicketFold;
}

/**
 * One action on a ticket: which of those that make sense then, how long after the previous one, and how late it is recorded (milliseconds).
 */
interface Step {
  readonly choice: number;
  readonly word: 'alpha' | 'beta';
  readonly after: number;
  readonly late: number;
}

interface Plan {
  readonly client: 'alpha' | 'beta' | 'gamma';
  readonly channel: (typeof CHANNELS)[number];
  readonly kind: 'incident' | 'service-request';
  readonly majorIncident: boolean;
  readonly tier: 'L0' | 'L1' | 'L2' | 'L3';
  /** Milliseconds after the desk opens. */
  readonly from: number;
  readonly steps: readonly Step[];
}

const idOf = (index: number) => `00000000-0000-4000-8000-${String(index + 1).padStart(12, '0')}`;
const MINUTE = 60_000;
const DAY = 86_400_000;

/** The tickets of a desk over some weeks, with much that KPIs count. In one life of three, facts are recorded late. */
export function randomDesk(start: number, most: number): fc.Arbitrary<readonly LivedTicket[]> {
  const step = (late: fc.Arbitrary<number>) =>
    fc.record<Step>({
      choice: fc.nat(1_000),
      word: fc.constantFrom('alpha', 'beta'),
      after: fc.oneof(
        fc.integer({ min: 1, max: 300 }).map((minutes) => minutes * MINUTE),
        fc.integer({ min: 1, max: 4 * DAY }),
      ),
      late,
    });
  const steps = (late: fc.Arbitrary<number>) => fc.array(step(late), { minLength: 12, maxLength: 30 });
  const plan = fc.record<Plan>({
    client: fc.constantFrom('alpha', 'beta', 'gamma'),
    channel: fc.constantFrom('phone', 'monitoring', ...CHANNELS),
    kind: fc.constantFrom('incident', 'service-request'),
    majorIncident: fc.boolean(),
    tier: fc.constantFrom('L1', 'L1', 'L0', 'L2', 'L3'),
    from: fc.nat(120 * DAY),
    steps: fc.oneof(
      { weight: 2, arbitrary: steps(fc.constant(0)) },
      { weight: 1, arbitrary: steps(fc.oneof(fc.constant(0), fc.nat(DAY))) },
    ),
  });
  return fc
    .array(plan, { minLength: Math.ceil(most / 2), maxLength: most })
    .map((plans) => plans.flatMap((one, index) => liveTicket(one, idOf(index), start) ?? []));
}

type Sent = { readonly [Name in TicketCommandName]: readonly [Name, TicketCommands[Name]] }[TicketCommandName];

/** An action that makes sense next. */
function sensible(state: NonNullable<ClockedTicketState>, word: Step['word'], self: string): readonly Sent[] {
  const other = [idOf(0), idOf(1), idOf(2)].find((id) => id !== self) ?? '';
  const agent = { id: word };
  const at = TIERS.indexOf(state.tier);
  const [above, below] = [TIERS[at + 1], TIERS[at - 1]];
  const rootCause = {
    category: 'c',
    analysis: { method: 'narrative' as const, text: 't', citedEvents: [0] },
    permanentFix: 'f',
    preventiveActions: [{ action: 'a', owner: 'o' }],
    changeReference: word === 'alpha' ? 'CHG-1' : 'none',
    knowledgeArticle: { id: word, action: 'written' as const },
    lowerTierCanResolve: true,
  };
  const resolve: readonly Sent[] =
    state.tier === 'L3'
      ? Array.from({ length: 5 }, () => ['ResolveWithRootCause', { rootCause }] as const)
      : [
          ['ResolveTicket', { category: 'c', article: word, cause: 'c', fix: 'f' }],
          ['ResolveTicket', state.tier === 'L1' ? { category: 'c', article: 'gamma' } : { cause: 'c', workaround: 'w' }],
        ];
  const notes: readonly Sent[] = [
    ['AddInternalNote', { text: 't' }],
    ['RecordSlaMoments', {}],
    ['SendPublicReply', { text: 't' }],
    ['RecordTouchTime', { minutes: 7, agent }],
    ['LinkTicket', { ticketId: other, relation: 'duplicate-of' }],
  ];
  switch (state.work.status) {
    case 'escalated':
      return [['AcceptEscalation', { agent }], ['AcceptEscalation', { agent }], ['ReturnEscalation', { reason: 'r' }], ...notes];
    case 'on-hold':
      return [['Resume', {}], ['Resume', {}], ...resolve, ...notes];
    case 'resolved':
    case 'closed':
      return [
        ['CloseTicket', {}],
        ['ReopenTicket', { reason: 'r' }],
        ['RecordSatisfaction', { score: word === 'alpha' ? 5 : 2 }],
        ...notes,
      ];
    default:
      return [
        ['StartWork', { agent }],
        ...(above === undefined ? [] : ([['EscalateToTier', { tier: above, team: word, reason: 'r', handoff: completeHandOff }]] as const)),
        ...(above === undefined ? [] : ([['EscalateToTier', { tier: above, reason: 'r', handoff: completeHandOff }]] as const)),
        ...(below === undefined
          ? []
          : ([['DeescalateToTier', { tier: below, reason: 'r', solution: { kind: 'procedure', text: 't', article: word } }]] as const)),
        ...resolve,
        ...resolve,
        ['PutOnHold', { reason: word === 'alpha' ? 'customer' : 'vendor', note: 'n' }],
        ['TriageTicket', { category: word, service: 'alpha', impact: 'low', urgency: 'low' }],
        ['TriageTicket', { category: 'alpha', service: 'alpha', impact: 'low', urgency: 'low' }],
        ['AssignTicket', { assignee: agent }],
        ['StartTouchTime', { agent }],
        ['RecordRequesterReply', { text: 't' }],
        ['DeclareMajorIncident', { reason: 'r' }],
        ['StandDownMajorIncident', { reason: 'r' }],
        ['UnassignTicket', { reason: 'r' }],
        ...notes,
        ['MergeTicket', { into: other, reason: 'r' }],
        ['CompleteMerge', { into: other }],
      ];
  }
}

function liveTicket({ from, steps, ...opening }: Plan, id: string, start: number): LivedTicket | undefined {
  const events: RecordedEvent<TicketEvents>[] = [];
  const states: TicketState[] = [];
  let state: ClockedTicketState = null;
  let fold: TicketFold | null = null;
  let now = start + from;
  const contract = opening.client === 'alpha' ? { version: 1, tzdata: '2025b', terms: officeHours } : undefined;
  const send = ([name, command]: Sent, late: number) => {
    const recordedAt = instantFrom(now);
    const effectiveAt = instantFrom(now - late);
    const context = { commandId: `command-${events.length}`, actor: { id: 'alpha', kind: 'agent' as const }, effectiveAt, recordedAt };
    const given = name === 'OpenTicket' ? { contract } : undefined;
    const decision = ticket.commands[name].decide(command as never, state, context, given as never);
    if (isRefusal(decision)) return;
    for (const event of decision) {
      const stored = recorded(id, event, events.length, { effectiveAt: event.effectiveAt ?? effectiveAt, recordedAt });
      state = evolve(ticket, state, stored, stored.metadata);
      fold = foldTicket(fold, stored);
      events.push(stored);
      states.push(state);
    }
  };
  send(
    [
      'OpenTicket',
      { ...opening, summary: 's', reporter: { id: 'joe' }, impact: 'low', urgency: 'low', category: 'alpha', entryReason: 'r' },
    ],
    0,
  );
  for (const { choice, word, after, late } of steps) {
    now += after;
    // Also reads absent values, so that the entire life is in one closure.
    const known = state as ClockedTicketState;
    if (known === null) return undefined;
    const choices = sensible(known, word, id);
    const chosen = choices[choice % choices.length];
    if (chosen !== undefined) send(chosen, Math.min(late, after));
  }
  return fold === null ? undefined : { id, events, states, fold };
}

function recorded(
  id: string,
  event: { readonly type: string; readonly data: unknown },
  revision: number,
  times: { readonly effectiveAt: Instant; readonly recordedAt: Instant },
): RecordedEvent<TicketEvents> {
  const metadata: EventMetadata = {
    commandId: 'c',
    commandType: 'Any',
    correlationId: 'c',
    causationId: 'c',
    actor: { id: 'alpha', kind: 'agent' },
    client: 'c',
    schemaVersion: 1,
    ...times,
  };
  const position = { commit: BigInt(revision), prepare: BigInt(revision) };
  return { ...event, id: `${id}/${revision}`, stream: `ticket-${id}`, revision, position, metadata } as RecordedEvent<TicketEvents>;
}
