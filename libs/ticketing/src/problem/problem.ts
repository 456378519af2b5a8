import { type Aggregate, type CommandsOf, commandsOn, type EventsOf, type Instant, refuse, type Refusal } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Text, Uuid } from '../command-fields.js';
import { omitUndefined, same, without } from '../plain-json.js';
import type { TicketState } from '../events/ticket.js';
import { publishedEvent } from '../published-event.js';
import { UNRELATABLE, unlessOfOneCustomer } from '../ticket/guards.js';
import { fiveWhysCommands, fiveWhysEvents } from './five-whys.js';
import { actionCommands, actionEvents } from './preventive-actions.js';
import {
  type Change,
  change,
  notFound,
  type Prevented,
  type ProblemRecord,
  type ProblemState,
  THERE,
  UNDER_WORK,
  unlessClosed,
} from './problem-record.js';

@JSONSchema({
  description: 'Opens a problem: the unknown cause of tickets. The response has its id.',
  examples: [{ client: 'northwind', title: 'Printers of FIN stop after an update', category: 'hardware/printer' }],
})
export class OpenProblem {
  @Name({ description: 'Client (tenant) of the problem', example: 'northwind' })
  client!: string;

  @Text({ description: 'One-line summary', example: 'Printers of FIN stop after an update', max: 200 })
  title!: string;

  @Text({ description: 'Full description', max: 20_000, optional: true })
  description?: string;

  @Name({ description: 'Affected service', optional: true })
  service?: string;

  @Name({ description: 'Affected configuration item', optional: true })
  component?: string;

  @Name({ description: 'Category of its tickets', example: 'hardware/printer', optional: true })
  category?: string;
}

@JSONSchema({
  description: 'Links a ticket of the same client to the problem that caused it.',
  examples: [{ ticketId: '00000000-0000-4000-8000-000000000001' }],
})
export class LinkTicketToProblem {
  @Uuid('a ticket', { description: 'Id of the ticket' })
  ticketId!: string;
}

@JSONSchema({
  description: 'Unlinks a ticket from the problem.',
  examples: [{ ticketId: '00000000-0000-4000-8000-000000000001', reason: 'The cable was cut' }],
})
export class UnlinkTicketFromProblem {
  @Uuid('a ticket', { description: 'Id of the ticket' })
  ticketId!: string;

  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;
}

@JSONSchema({
  description: 'Records the workaround, which makes the problem a known error. Replaces any earlier one.',
  examples: [{ workaround: 'Restart the spooler' }],
})
export class RecordWorkaround {
  @Text({ description: 'How service is restored', example: 'Restart the spooler', max: 20_000 })
  workaround!: string;
}

@JSONSchema({
  description: 'Records the root cause of the tickets. Replaces any earlier one.',
  examples: [{ rootCause: 'The driver leaks handles' }],
})
export class RecordRootCause {
  @Text({ description: 'Root cause of the tickets', example: 'The driver leaks handles', max: 20_000 })
  rootCause!: string;
}

@JSONSchema({
  description: 'Records the fix and its change, with the state before and after. Replaces any earlier one.',
  examples: [{ description: 'Driver 4.2 on every print server', change: 'CHG-1042', before: 'Driver 4.1', after: 'Driver 4.2' }],
})
export class RecordFix {
  @Text({ description: 'What was changed', example: 'Driver 4.2 on every print server', max: 20_000 })
  description!: string;

  @Name({ description: 'Reference to the change', example: 'CHG-1042' })
  change!: string;

  @Text({ description: 'State before the change', example: 'Driver 4.1', max: 2000, optional: true })
  before?: string;

  @Text({ description: 'State after the change', example: 'Driver 4.2', max: 2000, optional: true })
  after?: string;
}

@JSONSchema({
  description: 'Closes a problem whose root cause and fix are recorded. The event says how many tickets the fix would have prevented.',
  examples: [{}],
})
export class CloseProblem {
  @Text({ description: 'Closing remarks', max: 2000, optional: true })
  note?: string;
}

@JSONSchema({
  description: 'Reopens a fixed or closed problem: its fix did not hold and is kept as failed.',
  examples: [{ reason: 'The same fault under driver 4.2' }],
})
export class ReopenProblem {
  @Text({ description: 'Why the fix did not hold', example: 'The same fault under driver 4.2', max: 2000 })
  reason!: string;
}

/** A ticket with the same client, service, component and category has come in. */
export interface RecordRecurrence {
  readonly ticketId: string;
  readonly openedAt: Instant;
}

const events = {
  ProblemOpened: publishedEvent<
    ProblemState,
    Pick<ProblemRecord, 'problemId' | 'client' | 'title' | 'description' | 'service' | 'component' | 'category'>
  >({
    publicData: 'all',
    personal: null,
    evolve: (_state, opened, { actor, effectiveAt }) => ({
      ...opened,
      status: 'open',
      tickets: [],
      failedFixes: [],
      actions: [],
      openedBy: actor,
      openedAt: effectiveAt,
    }),
  }),
  TicketLinkedToProblem: change<{ readonly ticketId: string }>({
    publicData: 'all',
    personal: null,
    evolve: (problem, { ticketId }) => ({
      ...problem,
      tickets: [...problem.tickets, ticketId],
    }),
  }),
  TicketUnlinkedFromProblem: change<{ readonly ticketId: string; readonly reason?: string }>({
    publicData: 'all',
    personal: null,
    evolve: (problem, { ticketId }) => ({
      ...problem,
      tickets: problem.tickets.filter((id) => id !== ticketId),
    }),
  }),
  ProblemWorkaroundRecorded: change<{ readonly workaround: string }>({
    publicData: 'all',
    personal: null,
    evolve: (problem, { workaround }) => ({
      ...problem,
      workaround,
      status: problem.status === 'open' ? 'known-error' : problem.status,
    }),
  }),
  ProblemRootCauseRecorded: change<{ readonly rootCause: string }>({
    publicData: 'all',
    personal: null,
    evolve: (problem, { rootCause }) => ({ ...problem, rootCause }),
  }),
  ProblemFixRecorded: change<Change>({
    publicData: 'all',
    personal: null,
    evolve: (problem, fix, { effectiveAt: fixedAt }) => ({ ...problem, fix, fixedAt, status: 'fixed' }),
  }),
  ProblemClosed: change<{ readonly prevented: Prevented; readonly note?: string }>({
    publicData: 'all',
    personal: null,
    evolve: (problem, { prevented }, { effectiveAt: closedAt }) => ({
      ...problem,
      prevented,
      closedAt,
      status: 'closed',
    }),
  }),
  ProblemReopened: change<{
    readonly reason: string;
    /** The ticket that came in despite the fix. */
    readonly ticketId?: string;
  }>({
    publicData: 'all',
    personal: null,
    evolve: (problem) => ({
      ...without(problem, 'fix', 'fixedAt', 'prevented', 'closedAt'),
      failedFixes: failedFixesOf(problem),
      status: problem.workaround === undefined ? 'open' : 'known-error',
    }),
  }),
  ...fiveWhysEvents,
  ...actionEvents,
};

const command = commandsOn<ProblemState, EventsOf<{ readonly events: typeof events }>>();

/** With more, every event of the problem would be slow to read. */
const MOST_TICKETS = 5000;

function unlessFull({ tickets }: ProblemRecord): Refusal<'too-many-links'> | undefined {
  return tickets.length < MOST_TICKETS ? undefined : refuse('too-many-links', `A problem has at most ${MOST_TICKETS} tickets`);
}

/** The cause of tickets: an aggregate of one client. One stream per problem: `problem-<id>`. */
export const problem = {
  category: 'problem',
  noun: 'problem',
  idName: 'problemId',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    OpenProblem: command({
      body: OpenProblem,
      route: 'POST /v1/problems',
      refuses: ['problem-exists'],
      decide({ client, title, description, service, component, category }, state, { id: problemId = '' }) {
        if (state !== null) return refuse('problem-exists', 'The problem exists already');
        return [{ type: 'ProblemOpened', data: omitUndefined({ problemId, client, title, description, service, component, category }) }];
      },
    }),
    LinkTicketToProblem: command({
      body: LinkTicketToProblem,
      route: 'POST /v1/problems/{problemId}/tickets',
      refuses: [...UNDER_WORK, ...UNRELATABLE, 'too-many-links'],
      needs: 'other-ticket',
      decide({ ticketId }, state, _context, ticket?: TicketState) {
        if (state === null) return notFound();
        if (state.tickets.includes(ticketId)) return [];
        const barred = unlessClosed(state) ?? unlessOfOneCustomer(state, ticket, 'ticketId') ?? unlessFull(state);
        return barred ?? [{ type: 'TicketLinkedToProblem', data: { ticketId } }];
      },
    }),
    RecordRecurrence: command({
      refuses: ['problem-not-found', 'problem-closed', 'too-many-links'],
      decide({ ticketId, openedAt }: RecordRecurrence, state) {
        if (state === null) return notFound();
        if (state.tickets.includes(ticketId)) return [];
        const didNotHold = state.fixedAt !== undefined && openedAt > state.fixedAt;
        const barred = (didNotHold ? undefined : unlessClosed(state)) ?? unlessFull(state);
        if (barred) return barred;
        const linked = { type: 'TicketLinkedToProblem' as const, data: { ticketId } };
        const reopened = { type: 'ProblemReopened' as const, data: { reason: 'A similar ticket was opened after the fix', ticketId } };
        return didNotHold ? [reopened, linked] : [linked];
      },
    }),
    UnlinkTicketFromProblem: command({
      body: UnlinkTicketFromProblem,
      route: 'POST /v1/problems/{problemId}/tickets/remove',
      refuses: UNDER_WORK,
      decide({ ticketId, reason }, state) {
        if (state === null) return notFound();
        if (!state.tickets.includes(ticketId)) return [];
        return unlessClosed(state) ?? [{ type: 'TicketUnlinkedFromProblem', data: omitUndefined({ ticketId, reason }) }];
      },
    }),
    RecordWorkaround: command({
      body: RecordWorkaround,
      route: 'POST /v1/problems/{problemId}/workaround',
      refuses: UNDER_WORK,
      decide({ workaround }, state) {
        if (state === null) return notFound();
        if (state.workaround === workaround) return [];
        return unlessClosed(state) ?? [{ type: 'ProblemWorkaroundRecorded', data: { workaround } }];
      },
    }),
    RecordRootCause: command({
      body: RecordRootCause,
      route: 'POST /v1/problems/{problemId}/root-cause',
      refuses: UNDER_WORK,
      decide({ rootCause }, state) {
        if (state === null) return notFound();
        if (state.rootCause === rootCause) return [];
        return unlessClosed(state) ?? [{ type: 'ProblemRootCauseRecorded', data: { rootCause } }];
      },
    }),
    RecordFix: command({
      body: RecordFix,
      route: 'POST /v1/problems/{problemId}/fix',
      refuses: [...UNDER_WORK, 'problem-incomplete'],
      decide({ description, change, before, after }, state) {
        if (state === null) return notFound();
        const fix = omitUndefined({ description, change, before, after });
        if (state.fix !== undefined && same(state.fix, fix)) return [];
        return unlessClosed(state) ?? unlessRecorded(state, 'rootCause') ?? [{ type: 'ProblemFixRecorded', data: fix }];
      },
    }),
    CloseProblem: command({
      body: CloseProblem,
      route: 'POST /v1/problems/{problemId}/close',
      refuses: [...THERE, 'problem-incomplete'],
      decide({ note }, state) {
        if (state === null) return notFound();
        if (state.status === 'closed') return [];
        const prevented: Prevented = { tickets: Math.max(0, state.tickets.length - 1), countedAs: 'linked-after-the-first' };
        return unlessRecorded(state, 'rootCause', 'fix') ?? [{ type: 'ProblemClosed', data: omitUndefined({ prevented, note }) }];
      },
    }),
    ReopenProblem: command({
      body: ReopenProblem,
      route: 'POST /v1/problems/{problemId}/reopen',
      refuses: THERE,
      decide({ reason }, state) {
        if (state === null) return notFound();
        return state.fix === undefined ? [] : [{ type: 'ProblemReopened', data: { reason } }];
      },
    }),
    ...fiveWhysCommands,
    ...actionCommands,
  },
} satisfies Aggregate<ProblemState>;

export type ProblemEvents = EventsOf<typeof problem>;
export type ProblemCommands = CommandsOf<typeof problem>;

/** Those of a problem that is being reopened. */
function failedFixesOf({ fix, fixedAt, failedFixes }: ProblemRecord): ProblemRecord['failedFixes'] {
  return fix === undefined || fixedAt === undefined ? failedFixes : [...failedFixes, { ...fix, fixedAt }];
}

function unlessRecorded(state: ProblemRecord, ...fields: readonly ('rootCause' | 'fix')[]): Refusal<'problem-incomplete'> | undefined {
  const faults = fields.filter((field) => state[field] === undefined).map((field) => ({ field, message: 'must be recorded first' }));
  return faults.length === 0 ? undefined : refuse('problem-incomplete', 'The root cause and the fix must be recorded first', faults);
}
