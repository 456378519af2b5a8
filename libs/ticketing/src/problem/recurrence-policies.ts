import { type Instant, type Policy, type Reaction, type RecordedEvent, type StoredEvent, streamId } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined } from '../plain-json.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';
import type { TellOfProblem } from '../ticket/recurrence.js';
import { ticket, type TicketCommands } from '../ticket/ticket.js';
import { problem, type ProblemCommands, type ProblemEvents, type ProblemState } from './problem.js';
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

function count({ stream }: Stream, state: ClockedTicketState, openedAt: Instant | undefined): readonly Reaction<RecurrenceCommands>[] {
  const terms = state === null || state.kind !== 'incident' ? undefined : termsOf(state).recurrence;
  const fingerprint = state === null ? undefined : fingerprintOf(state);
  if (terms === undefined || fingerprint === undefined || openedAt === undefined) return [];
  return toRecurrence(fingerprint, 'CountTicket', { fingerprint, ticketId: streamId(stream), openedAt, terms });
}

function discount({ stream }: Stream, of: Fingerprint | undefined): readonly Reaction<RecurrenceCommands>[] {
  return of === undefined ? [] : toRecurrence(of, 'DiscountTicket', { ticketId: streamId(stream) });
}

const discountAltogether = (event: Stream, state: ClockedTicketState) =>
  state !== null && termsOf(state).recurrence !== undefined ? discount(event, fingerprintOf(state)) : [];

function rememberFix(
  { stream, type, data: { tier }, metadata }: OfTicket<'TicketResolved' | 'TicketResolvedWithRootCause'>,
  state: ClockedTicketState,
): readonly Reaction<RecurrenceCommands>[] {
  const fingerprint = state === null || termsOf(state).recurrence === undefined ? undefined : fingerprintOf(state);
  if (fingerprint === undefined || tier === 'L0' || tier === 'L1') return [];
  const rootCause = type === 'TicketResolvedWithRootCause';
  const fix = { ticketId: streamId(stream), tier, fixedAt: metadata.effectiveAt, rootCause };
  return toRecurrence(fingerprint, 'RememberFix', { fingerprint, fix });
}

/** Counts incidents of contracts that ask for it by what they are about, and remembers what fixed them. */
export const ticketsThatRecur: Policy<TicketEvents, ClockedTicketState, RecurrenceCommands> = {
  name: 'tickets-that-recur',
  aggregate: ticket,
  concerns: ({ type, data }) => type !== 'TicketOpened' || data.contract?.terms.recurrence !== undefined,
  react: {
    TicketOpened: (event, state) => count(event, state, event.metadata.effectiveAt),
    TicketTriaged: (event, state) => {
      const { before } = event.data;
      const was = before === undefined || state === null ? undefined : fingerprintOf({ client: state.client, ...before });
      const openedAt = state?.sla?.clocks.find(({ kind }) => kind === 'response')?.startedAt;
      const counted = count(event, state, openedAt);
      return counted.length === 0 ? [] : [...discount(event, was), ...counted];
    },
    TicketCancelled: discountAltogether,
    TicketMerged: discountAltogether,
    TicketResolved: rememberFix,
    TicketResolvedWithRootCause: rememberFix,
  },
};

/** Opens a problem when tickets recur, links those that come after it, and tells a ticket that it was fixed before. */
export const recurrencesToProblems: Policy<RecurrenceEvents, RecurrenceState, ProblemCommands & TicketCommands> = {
  name: 'recurrences-to-problems',
  aggregate: recurrence,
  react: {
    TicketCounted: ({ data: { ticketId, openedAt, recursFrom }, metadata: { effectiveAt } }, state) => [
      ...(recursFrom === undefined
        ? []
        : [{ category: ticket.category, id: ticketId, name: 'RecognizeRecurrence' as const, body: { fix: recursFrom, effectiveAt } }]),
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
};

function tellTickets(
  { metadata: { effectiveAt } }: RecordedEvent<ProblemEvents>,
  state: ProblemState,
  tickets = state?.tickets ?? [],
  status: TellOfProblem['problem']['status'] = state?.status ?? 'open',
): readonly Reaction<TicketCommands & RecurrenceCommands>[] {
  if (state === null) return [];
  const { problemId, title, workaround } = state;
  const told = omitUndefined({ problemId, title, status, workaround });
  return tickets.map((id) => ({ category: ticket.category, id, name: 'TellOfProblem', body: { problem: told, effectiveAt } }));
}

const tellAll = (event: RecordedEvent<ProblemEvents>, state: ProblemState) => tellTickets(event, state);

/** Tells the tickets of a problem how it stands; new ones like them go to the problem, also where somebody opened it by hand. */
export const problemsToTickets: Policy<ProblemEvents, ProblemState, TicketCommands & RecurrenceCommands> = {
  name: 'problems-to-tickets',
  aggregate: problem,
  react: {
    ProblemOpened: ({ data: { problemId, ...data } }) => {
      const fingerprint = fingerprintOf(data);
      return fingerprint === undefined ? [] : toRecurrence(fingerprint, 'FollowProblem', { fingerprint, problemId });
    },
    TicketLinkedToProblem: (event, state) => tellTickets(event, state, [event.data.ticketId]),
    TicketUnlinkedFromProblem: (event, state) => tellTickets(event, state, [event.data.ticketId], 'unlinked'),
    ProblemWorkaroundRecorded: tellAll,
    ProblemFixRecorded: tellAll,
    ProblemClosed: tellAll,
    ProblemReopened: tellAll,
  },
};
