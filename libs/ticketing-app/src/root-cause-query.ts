import { createHash } from 'node:crypto';
import {
  type Aggregate,
  type EventStore,
  evolve,
  refuse,
  type Refusal,
  type RecordedEvent,
  StreamDeleted,
  streamName,
  upcast,
} from '#eventsourcing';
import {
  canonicalJson,
  problem,
  type ProblemEvents,
  type ProblemLife,
  reportOfProblem,
  reportOfTicket,
  type RootCauseReport,
  ticket,
  type TicketEvents,
  type TicketLife,
  ticketWithoutClocks,
} from '#ticketing';

/** Subject of a root cause report. */
export interface RootCauseAsked {
  readonly of: 'ticket' | 'problem';
  readonly id: string;
}

/** Number of a problem's tickets in its report: the first ones. */
const MOST_TICKETS = 100;

type Readable = Pick<EventStore, 'readStream'>;

/** The root cause report of a ticket or problem, from the log itself. */
export async function readRootCauseReport(
  { store }: { readonly store: Readable },
  { of, id }: RootCauseAsked,
): Promise<RootCauseReport | Refusal<'ticket-not-found' | 'problem-not-found'>> {
  const report = of === 'ticket' ? await ofTicket(store, id) : await ofProblem(store, id);
  return report === undefined ? refuse(`${of}-not-found`, `There is no such ${of}`) : { ...report, digest: digestOfReport(report) };
}

/** The digest that a report must have. */
export function digestOfReport(report: Omit<RootCauseReport, 'digest'> & { readonly digest?: string }): string {
  const { digest: _, ...rest } = report;
  return `sha256:${createHash('sha256').update(canonicalJson(rest)).digest('hex')}`;
}

async function ofTicket(store: Readable, id: string) {
  const life = await ticketLife(store, id);
  if (life === undefined) return undefined;
  const problems = await Promise.all((life.state.problems ?? []).map(({ problemId }) => problemLife(store, problemId)));
  return reportOfTicket(
    life,
    problems.flatMap((one) => one ?? []),
  );
}

async function ofProblem(store: Readable, id: string) {
  const life = await problemLife(store, id);
  if (life === undefined) return undefined;
  const tickets: TicketLife[] = [];
  for (const ticketId of life.state.tickets.slice(0, MOST_TICKETS)) {
    const one = await ticketLife(store, ticketId);
    if (one !== undefined) tickets.push(one);
  }
  return reportOfProblem(life, tickets);
}

async function ticketLife(store: Readable, id: string): Promise<TicketLife | undefined> {
  return lifeOf<TicketLife['state'], RecordedEvent<TicketEvents>>(store, ticketWithoutClocks, streamName(ticket, id));
}

async function problemLife(store: Readable, id: string): Promise<ProblemLife | undefined> {
  return lifeOf<ProblemLife['state'], RecordedEvent<ProblemEvents>>(store, problem, streamName(problem, id));
}

/** Undefined if it does not exist, or no longer does. */
async function lifeOf<State, Event>(store: Readable, aggregate: Pick<Aggregate, 'events'>, stream: string) {
  const events: Event[] = [];
  let state: State | null = null;
  try {
    for await (const stored of store.readStream(stream)) {
      const event = upcast(aggregate, stored);
      state = evolve(aggregate, state, event, event.metadata) as State;
      events.push(event as Event);
    }
  } catch (error) {
    if (!(error instanceof StreamDeleted)) throw error;
    return undefined;
  }
  return state === null ? undefined : { state, events };
}
