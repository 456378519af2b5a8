import type { Instant } from '#eventsourcing';
import { omitUndefined } from '../plain-json.js';
import { MOVED, type Ticket } from './ticket.js';

/** What a ticket was before its moves: see `Ticket.past`. */

/** The ticket after a move, with what the move changed. */
export function withPast(before: Ticket, after: Ticket, at: Instant): Ticket {
  const was: Record<string, unknown> = {};
  for (const field of MOVED) {
    const [one, other] = [before[field], after[field]];
    if (one !== other && JSON.stringify(one) !== JSON.stringify(other)) was[field] = one ?? null;
  }
  if (Object.keys(was).length === 0) return after;
  const { past = [] } = before;
  const last = past.at(-1)?.until;
  return { ...after, past: [...past, { until: last !== undefined && last > at ? last : at, was }] };
}

/** The ticket with what its moves change as that was at an instant. */
export function asOf<Kind extends Ticket>(ticket: Kind, at: Instant): Kind {
  const undone = (ticket.past ?? []).filter(({ until }) => until > at).map(({ was }) => was);
  if (undone.length === 0) return ticket;
  const was = Object.assign({}, ...undone.reverse()) as Readonly<Record<string, unknown>>;
  return omitUndefined({ ...ticket, ...Object.fromEntries(Object.entries(was).map(([field, value]) => [field, value ?? undefined])) });
}

/** When somebody who had the ticket was first taken off it after an instant. */
export function takenFrom({ past = [], assignee }: Ticket, agent: string, after: Instant): Instant | undefined {
  const holders = past.filter(({ was }) => 'assignee' in was);
  return holders.find(({ until, was }, index) => {
    const next = index + 1 < holders.length ? holders[index + 1]?.was.assignee : assignee;
    return until > after && was.assignee?.id === agent && next?.id !== agent;
  })?.until;
}
