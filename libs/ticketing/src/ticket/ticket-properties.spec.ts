import {
  type Derived,
  type EventMetadata,
  evolve,
  type Instant,
  instantFrom,
  isRefusal,
  type RecordedEvent,
  type Refusal,
} from '#eventsourcing';
import fc from 'fast-check';
import { officeHours, randomLife, type SentCommand } from '../testing/random-commands.js';
import { evolveInHindsight } from '../sla/sla-restatement.js';
import type { PinnedClocks } from '../sla/sla-terms.js';
import { targetName, type WhoIsThere } from './escalation.js';
import type { PublishedRunbook } from './runbook.js';
import { ticket } from './ticket.js';
import type { TicketState } from '../events/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { rank } from '../vocabulary.js';
import { ticketViews } from '../views/projections.js';
import { foldTicket, type TicketFold } from '../views/ticket-fold.js';
import { ticketHistory } from '../views/ticket-history.js';
import { runs } from '../../../../test/runs.js';

const start = Date.parse('2026-01-01T00:00:00.000Z');

interface Lived {
  readonly events: readonly RecordedEvent<TicketEvents>[];
  readonly states: readonly TicketState[];
  readonly refusals: readonly Refusal[];
}

/** The same contract was agreed with every client long afterwards, so that there is something to restate. */
const contract = { version: 1, tzdata: '2025b', terms: officeHours };
const agreed = [{ from: instantFrom(start + 3_600_000), contract }];

/** One client in four has a contract of its own from the start. */
function contractOf({ command }: SentCommand) {
  return (command as { readonly client?: string }).client === 'alpha' ? contract : undefined;
}

/** Half of the time somebody is on call, and some are away. */
const there: WhoIsThere = {
  onCall: { night: { id: 'delta' } },
  away: { alpha: { because: 'left' }, beta: { because: 'absent', deputy: { id: 'gamma' } } },
  empty: { beta: 'no-members' },
  reach: { [targetName({ kind: 'team', team: 'alpha' })]: [{ by: 'email' }] },
};

const runbook: PublishedRunbook = {
  article: 'alpha',
  version: 1,
  title: 't',
  steps: [{ title: 'a' }, { title: 'b', instruction: 'i', runner: { action: 'c', input: { d: 1 } } }],
};

/** What a command is given that needs something from outside the ticket. */
function outside(sent: SentCommand, index: number, hindsight: PinnedClocks | null): unknown {
  switch (sent.name) {
    case 'OpenTicket':
      return { contract: contractOf(sent) };
    case 'RestateSla':
      return hindsight;
    case 'RunEscalations':
      return index % 2 === 0 ? there : undefined;
    case 'StartRunbook':
      return runbook;
    default:
      return undefined;
  }
}

/** Sends a life's commands one after another, as the store would keep what they lead to. */
function live(
  life: readonly SentCommand[],
  observe: (sent: SentCommand, before: TicketState, after: TicketState, produced: readonly { type: string }[]) => void = () => {},
): Lived {
  const events: RecordedEvent<TicketEvents>[] = [];
  const states: TicketState[] = [];
  const refusals: Refusal[] = [];
  let state: TicketState = null;
  let hindsight: PinnedClocks | null = null;
  let now = start;
  life.forEach((sent, index) => {
    now += sent.after;
    const at = instantFrom(now);
    const context = { commandId: `command-${index}`, actor: { id: 'actor', kind: 'agent' as const }, effectiveAt: at, recordedAt: at };
    const given = outside(sent, index, hindsight);
    const decision = ticket.commands[sent.name].decide(sent.command as never, state, context, given as never);
    if (isRefusal(decision)) {
      refusals.push(decision);
      return;
    }
    const before: TicketState = state;
    for (const event of decision) {
      const effectiveAt = event.effectiveAt ?? at;
      state = evolve(ticket, state, event, { ...context, effectiveAt });
      hindsight = evolveInHindsight(agreed, hindsight, event, { ...context, effectiveAt });
      events.push(recorded(event, events.length, at, index));
      states.push(state);
    }
    observe(sent, before, state, decision);
  });
  return { events, states, refusals };
}

function recorded(
  event: { type: string; data: unknown; effectiveAt?: Instant },
  revision: number,
  at: Instant,
  command: number,
): RecordedEvent<TicketEvents> {
  const metadata: EventMetadata = {
    commandId: `command-${command}`,
    commandType: 'Any',
    correlationId: 'c',
    causationId: 'c',
    actor: { id: 'actor', kind: 'agent' },
    client: 'alpha',
    effectiveAt: event.effectiveAt ?? at,
    recordedAt: at,
    schemaVersion: 1,
  };
  const position = BigInt(100 * (revision + 1));
  return {
    ...event,
    id: `event-${revision}`,
    stream: 'ticket-t',
    revision,
    position: { commit: position, prepare: position },
    metadata,
  } as RecordedEvent<TicketEvents>;
}

const folded = (events: readonly RecordedEvent<TicketEvents>[]) =>
  events.reduce<TicketState>((state, event) => evolve(ticket, state, event, event.metadata), null);

describe('every life of a ticket', () => {
  it('is random enough to meet every event that commands lead to', () => {
    const all = Object.keys(ticket.events).filter((type) => type !== 'ImportedNoteRecorded');
    const met = new Set<string>();
    for (let seed = 1; seed <= 50 && met.size < all.length; seed++)
      for (const life of fc.sample(randomLife, { numRuns: 100, seed })) for (const { type } of live(life).events) met.add(type);
    expect([...met].sort()).toEqual(all.sort());
  });

  it('is an opening and then events that JSON keeps as they are', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        const { events } = live(life);
        expect(events.map(({ type }) => type).filter((type, index) => (type === 'TicketOpened') !== (index === 0))).toEqual([]);
        for (const { data } of events) expect(JSON.parse(JSON.stringify(data))).toStrictEqual(data);
      }),
    );
  });

  it('has a state that equals the fold of its events, also of those that were stored', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        const { events, states } = live(life);
        expect(
          folded(
            JSON.parse(
              JSON.stringify(events, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
            ) as RecordedEvent<TicketEvents>[],
          ),
        ).toEqual(states.at(-1) ?? null);
      }),
    );
  });

  it('moves up only by an escalation and down only by a return or a de-escalation', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        live(life, (_sent, before, after, produced) => {
          if (before === null || after === null || before.tier === after.tier) return;
          const types = produced.map(({ type }) => type);
          const ways = rank(after.tier) > rank(before.tier) ? ['TicketEscalated'] : ['EscalationReturned', 'TicketDeescalated'];
          expect(types.filter((type) => ways.includes(type))).toHaveLength(1);
        });
      }),
    );
  });

  it.each(['TicketCancelled', 'TicketMerged'] as const)('has nothing after %s', (end) => {
    fc.assert(
      fc.property(randomLife, (life) => {
        // Personal data can be erased at any time, and it may come to be known later that time was counted twice.
        const afterwards = new Set(['PersonalDataErased', 'TouchTimeDeducted']);
        const types = live(life).events.flatMap(({ type }) => (afterwards.has(type) ? [] : [type]));
        if (types.includes(end)) expect(types.indexOf(end)).toBe(types.length - 1);
      }),
      { numRuns: runs(300) },
    );
  });

  it('has a stop for each start of touch time, except for agents still working', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        const { events, states } = live(life);
        const running = new Set<string>();
        for (const [index, event] of events.entries()) {
          if (event.type === 'TouchTimeStarted') {
            expect(running.has(event.data.agent.id)).toBe(false);
            running.add(event.data.agent.id);
          }
          if (event.type === 'TouchTimeStopped') expect(running.delete(event.data.agent.id)).toBe(true);
          expect(states[index]?.touching.map(({ agent }) => agent.id)).toEqual([...running]);
          if (
            states[index]?.work.status !== 'in-progress' &&
            /^(TicketResolved|TicketPutOnHold|TicketEscalated|TicketCancelled|TicketMerged)/.test(event.type)
          )
            expect(running.size).toBe(0);
        }
      }),
    );
  });

  it('has one parent at most, and is not a parent and a child', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        for (const state of live(life).states) {
          const relations = (state?.links ?? []).map(({ relation }) => relation);
          expect(relations.filter((relation) => relation === 'child-of').length).toBeLessThanOrEqual(1);
          expect(relations.includes('child-of') && relations.includes('parent-of')).toBe(false);
        }
      }),
    );
  });

  it('is not changed by a command that is repeated at once', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        // Notes may be told twice on purpose; moving commands are quiet or refused the second time.
        const telling = new Set([
          'RecordDiagnosticStep',
          'EscalateHierarchically',
          'SendPublicReply',
          'AddInternalNote',
          'RecordRequesterReply',
          'RecordVendorReply',
          'RecordTouchTime',
          'DeductTouchTime',
          'TellErased',
          // What it did may set the next policy going.
          'RunEscalations',
          // Each makes another ticket.
          'SplitTicket',
          // Each is about the next one that waits.
          'AnswerConsultation',
          'ApproveProposal',
          'RejectProposal',
        ]);
        live(life, (sent, _before, after) => {
          if (telling.has(sent.name) || after === null) return;
          const again = ticket.commands[sent.name].decide(sent.command as never, after, {
            commandId: 'again',
            actor: { id: 'actor', kind: 'agent' },
            effectiveAt: after.movedAt,
          });
          if (!isRefusal(again)) expect(again).toEqual([]);
        });
      }),
      { numRuns: runs(300) },
    );
  });

  it('meets only refusals with a code, and faults that name their field', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        for (const refusal of live(life).refusals) {
          expect(refusal.refused).toMatch(/^[a-z]+(-[a-z]+)*$/);
          for (const fault of refusal.faults ?? []) expect(fault.field).not.toBe('');
        }
      }),
    );
  });
});

describe('the views', () => {
  const stored = <Value>(value: Value) => JSON.parse(JSON.stringify(value)) as Value;
  const folded = (events: readonly RecordedEvent<TicketEvents>[], from: TicketFold | null = null) => events.reduce(foldTicket, from);
  const documents = (fold: TicketFold | null) =>
    new Map(stateFaces.map(({ name, document }) => [name, document(fold)] as const).filter(([, document]) => document !== null));
  const stateFaces = ticketViews.faces.filter((face) => 'document' in face);

  it('are the same in one fold as in a fold that goes on from a stored one', () => {
    fc.assert(
      fc.property(randomLife, fc.nat(50), (life, cut) => {
        const { events } = live(life);
        const whole = folded(events);
        const goneOn = folded(events.slice(cut), stored(folded(events.slice(0, cut))));
        expect(stored(goneOn)).toEqual(stored(whole));
        expect(documents(goneOn)).toEqual(documents(whole));
      }),
    );
  });

  it('have the same documents when each is derived from the one before', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        for (const { document } of stateFaces) {
          let before: Derived<TicketFold | null> | undefined;
          for (const event of live(life).events) {
            const state = foldTicket(before?.state ?? null, event);
            before = { state, document: document(state, before) };
            expect(before.document).toEqual(document(state));
          }
        }
      }),
    );
  });

  it('have documents without undefined fields, which MongoDB would keep as null', () => {
    fc.assert(
      fc.property(randomLife, (life) => {
        const { events } = live(life);
        for (const document of documents(folded(events)).values()) expect(stored(document)).toStrictEqual(document);
        for (const event of events) expect(stored(ticketHistory.entry(event))).toStrictEqual(ticketHistory.entry(event));
      }),
    );
  });
});
