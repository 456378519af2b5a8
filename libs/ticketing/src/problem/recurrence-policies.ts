import { type Instant, type Reaction, type RecordedEvent, type StoredEvent, streamId } from '#eventsourcing';
import { type Recurrence, termsOf } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined } from '../plain-json.js';
import { type ClockedTicketState, openedAtOf } from '../ticket/clocked-ticket.js';
import type { TellOfProblem } from '../ticket/recurrence.js';
import { withItsCause } from '../ticket/ticket-policies.js';
import { ticket, type TicketCommands } from '../ticket/ticket.js';
import { problem, type ProblemCommands, type ProblemEvents } from './problem.js';
import { lastFixedAt, type ProblemState } from './problem-record.js';
import {
  type Fingerprint,
  fingerprintOf,
  recurrence,
  type RecurrenceCommands,
  type RecurrenceEvents,
  recurrenceId,
  type RecurrenceState,
} from './recurrence.js';

type Stream = Pick<StoredEvent, 'stream'>;
type OfTicket<Type extends keyof TicketEvents> = RecordedEvent<TicketEvents> & { readonly type: Type };

function toRecurrence<Name extends keyof RecurrenceCommands>(of: Fingerprint, name: Name, body: RecurrenceCommands[Name]) {
  return [{ category: recurrence.category, id: recurrenceId(of), name, body } as Reaction<RecurrenceCommands>];
}

/** How a ticket counts, if its contract asks for it; undefined while too little is known of it. */
function recurring(state: ClockedTicketState): { readonly fingerprint: Fingerprint; readonly terms: Recurrence } | undefined {
  if (state === null) return undefined;
  const { recurrence: terms } = termsOf(state);
  const fingerprint = fingerprintOf(state);
  return terms && fingerprint && { fingerprint, terms };
}

function count({ stream }: Stream, state: ClockedTicketState, openedAt: Instant | undefined): readonly Reaction<RecurrenceCommands>[] {
  const found = state?.kind === 'incident' ? recurring(state) : undefined;
  if (found === undefined || openedAt === undefined) return [];
  const { fingerprint, terms } = found;
  return toRecurrence(fingerprint, 'CountTicket', { fingerprint, ticketId: streamId(stream), openedAt, terms });
}

function discount({ stream }: Stream, of: Fingerprint | undefined): readonly Reaction<RecurrenceCommands>[] {
  return of === undefined ? [] : toRecurrence(of, 'DiscountTicket', { ticketId: streamId(stream) });
}

const discountAltogether = (event: Stream, state: ClockedTicketState) => discount(event, recurring(state)?.fingerprint);

function rememberFix(
  { stream, type, data: { tier }, metadata }: OfTicket<'TicketResolved' | 'TicketResolvedWithRootCause'>,
  state: ClockedTicketState,
): readonly Reaction<RecurrenceCommands>[] {
  const fingerprint = recurring(state)?.fingerprint;
  if (fingerprint === undefined || tier === 'L0' || tier === 'L1') return [];
  const rootCause = type === 'TicketResolvedWithRootCause';
  const fix = { ticketId: streamId(stream), tier, fixedAt: metadata.effectiveAt, rootCause };
  return toRecurrence(fingerprint, 'RememberFix', { fingerprint, fix });
}

/** Counts incidents by fingerprint, if the contract asks for it, and remembers what fixed them. */
export const ticketsThatRecur = withItsCause<TicketEvents, ClockedTicketState, RecurrenceCommands>({
  name: 'tickets-that-recur',
  aggregate: ticket,
  concerns: ({ type, data }) => type !== 'TicketOpened' || data.contract?.terms.recurrence !== undefined,
  react: {
    TicketOpened: (event, state) => count(event, state, event.metadata.effectiveAt),
    TicketTriaged: (event, state) => {
      const { before } = event.data;
      const was = before === undefined || state === null ? undefined : fingerprintOf({ client: state.client, ...before });
      const counted = count(event, state, openedAtOf(state));
      return counted.length === 0 ? [] : [...discount(event, was), ...counted];
    },
    TicketCancelled: discountAltogether,
    TicketMerged: discountAltogether,
    TicketResolved: rememberFix,
    TicketResolvedWithRootCause: rememberFix,
  },
});

/** Opens a problem when tickets recur, links later ones to it, and tells a ticket that its fault was fixed before. */
export const recurrencesToProblems = withItsCause<RecurrenceEvents, RecurrenceState, ProblemCommands & TicketCommands>({
  name: 'recurrences-to-problems',
  aggregate: recurrence,
  react: {
    TicketCounted: ({ data: { ticketId, openedAt, recursFrom } }, state) => [
      ...(recursFrom === undefined
        ? []
        : [{ category: ticket.category, id: ticketId, name: 'RecognizeRecurrence' as const, body: { fix: recursFrom } }]),
      ...(state?.problemId === undefined
        ? []
        : [{ category: problem.category, id: state.problemId, name: 'RecordRecurrence' as const, body: { ticketId, openedAt } }]),
    ],
    RecurrenceDetected: ({ data: { problemId, tickets, title } }, state) =>
      state === null
        ? []
        : [
            {
              category: problem.category,
              id: problemId,
              name: 'OpenProblem',
              body: omitUndefined({
                client: state.client,
                title,
                service: state.service,
                component: state.component,
                category: state.category,
              }),
            },
            ...tickets.map((ticketId) => ({
              category: problem.category,
              id: problemId,
              name: 'LinkTicketToProblem' as const,
              body: { ticketId },
            })),
          ],
  },
});

function tellTickets(
  state: ProblemState,
  tickets?: readonly string[],
  status?: TellOfProblem['problem']['status'],
): readonly Reaction<TicketCommands & RecurrenceCommands>[] {
  if (state === null) return [];
  const { problemId, title, workaround } = state;
  const told = omitUndefined({ problemId, title, status: status ?? state.status, workaround, fixedAt: lastFixedAt(state) });
  return (tickets ?? state.tickets).map((id) => ({
    category: ticket.category,
    id,
    name: 'TellOfProblem',
    body: { problem: told },
  }));
}

const tellAll = (_event: RecordedEvent<ProblemEvents>, state: ProblemState) => tellTickets(state);

/** Keeps the tickets of a problem informed of its status; similar new ones are linked to it, even if someone opened it by hand. */
export const problemsToTickets = withItsCause<ProblemEvents, ProblemState, TicketCommands & RecurrenceCommands>({
  name: 'problems-to-tickets',
  aggregate: problem,
  react: {
    ProblemOpened: ({ data: { problemId, ...data } }) => {
      const fingerprint = fingerprintOf(data);
      return fingerprint === undefined ? [] : toRecurrence(fingerprint, 'FollowProblem', { fingerprint, problemId });
    },
    TicketLinkedToProblem: ({ data }, state) => tellTickets(state, [data.ticketId]),
    TicketUnlinkedFromProblem: ({ data }, state) => tellTickets(state, [data.ticketId], 'unlinked'),
    ProblemWorkaroundRecorded: tellAll,
    ProblemFixRecorded: tellAll,
    ProblemClosed: tellAll,
    ProblemReopened: tellAll,
  },
});
