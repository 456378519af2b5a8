import { epochMillis, type Instant, refuse, type Refusal } from '#eventsourcing';
import { areOfOneCustomer, type Belonging, type Contract, termsOf } from '../contract/contract.js';
import { resolvedAt, type Ticket, type TicketState } from '../events/ticket.js';
import type { Person, Tier } from '../vocabulary.js';

/**
 * Conditions shared by several commands: each guard returns why a command is refused, or undefined, and is next to the codes it may refuse
 * with.
 */

type Barred<Codes extends readonly string[]> = Refusal<Codes[number]> | undefined;

/** When people left the desk, by id: looked up for commands that need `who-has-left`. Anyone not listed has not left. */
export type WhoHasLeft = Readonly<Record<string, Instant>>;

export const LEFT = ['agent-left'] as const;

/** Someone who had left by then is given no work and begins none. */
export function unlessLeft(
  { id, name }: Person,
  { effectiveAt }: { readonly effectiveAt: Instant },
  left: WhoHasLeft = {},
): Barred<typeof LEFT> {
  const at = Object.hasOwn(left, id) ? left[id] : undefined;
  return at === undefined || effectiveAt < at ? undefined : refuse('agent-left', `${name ?? id} left the desk at ${at}`);
}

/** About an agent who begins to work: looked up for commands that need `agent-at-work`. */
export interface AgentAtWork {
  readonly left?: WhoHasLeft;
  /** Tickets on which the agent's touch time is running, and whether their contracts allow several. */
  readonly touching?: readonly { readonly ticketId: string; readonly shared?: true }[];
}

/** The other tickets on which someone's touch time ends when they begin work on this one; undefined if there are none. */
export function ticketsLeftFor(
  { touching = [] }: AgentAtWork,
  id: string | undefined,
  { touchTime }: Contract,
): readonly string[] | undefined {
  const others = touching.filter((other) => other.ticketId !== id && !(other.shared && touchTime === 'several-tickets'));
  return others.length === 0 ? undefined : others.map(({ ticketId }) => ticketId);
}

export const HELD = ['already-claimed'] as const;

/** Taking over someone else's ticket is a separate command. */
export function unlessHeld({ assignee }: Ticket, { id }: Person): Barred<typeof HELD> {
  if (assignee === undefined || assignee.id === id) return undefined;
  return refuse('already-claimed', `${assignee.name ?? assignee.id} already has the ticket`, undefined, {
    holder: assignee.id,
  });
}

export const OVER = ['ticket-cancelled', 'ticket-merged'] as const;

/** Cancelled or merged: nothing follows in its stream. */
export function unlessOver({ work }: Ticket): Barred<typeof OVER> {
  switch (work.status) {
    case 'cancelled':
      return refuse('ticket-cancelled', 'The ticket was cancelled');
    case 'merged':
      return refuse('ticket-merged', `The ticket was merged into ${work.into}`, undefined, { mergedInto: work.into });
    default:
      return undefined;
  }
}

export const CLOSED = ['ticket-closed', ...OVER] as const;

export function unlessClosed(ticket: Ticket): Barred<typeof CLOSED> {
  return ticket.work.status === 'closed'
    ? refuse('ticket-closed', 'The ticket is closed: reopen it, or open a follow-up ticket')
    : unlessOver(ticket);
}

export const INACTIVE = ['already-resolved', ...CLOSED] as const;

export function unlessActive(ticket: Ticket): Barred<typeof INACTIVE> {
  return ticket.work.status === 'resolved' ? refuse('already-resolved', 'The ticket is resolved: reopen it first') : unlessClosed(ticket);
}

/** Whether it is resolved, and its contract still lets it be reopened. */
export function canBeReopened(ticket: Ticket, at: Instant): boolean {
  const since = resolvedAt(ticket.work);
  return since !== undefined && epochMillis(at) - epochMillis(since) <= termsOf(ticket).reopenWindow;
}

export const UNRELATABLE = ['other-ticket-not-found', 'other-client'] as const;

/**
 * Clients are walls: nothing of one client's ticket gets into another client's, unless both are one customer.
 * @param other the other ticket as stored, null if there is none; undefined if it was not looked up
 * @param field of the command that names it
 */
export function unlessOfOneCustomer(ticket: Belonging, other: TicketState | undefined, field: string): Barred<typeof UNRELATABLE> {
  if (other === undefined) return undefined;
  if (other === null)
    return refuse('other-ticket-not-found', 'There is no ticket with that id', [{ field, message: 'must be the id of a ticket' }]);
  return areOfOneCustomer(ticket, other)
    ? undefined
    : refuse('other-client', 'The other ticket belongs to another client', [{ field, message: 'must be a ticket of the same client' }]);
}

export const UNNAMED = ['not-one'] as const;

/** A command about one of several must say which: its sender may not have seen later additions. @param ids the candidates */
export function unlessNamed(field: string, named: string | undefined, ids: readonly string[]): Barred<typeof UNNAMED> {
  if (named !== undefined || ids.length < 2) return undefined;
  return refuse('not-one', `Any of ${ids.length} could be meant: say which`, [{ field, message: `must be one of ${ids.join(', ')}` }]);
}

export const ON_HOLD = ['ticket-on-hold'] as const;

export function unlessOnHold({ work }: Ticket): Barred<typeof ON_HOLD> {
  return work.status === 'on-hold' ? refuse('ticket-on-hold', `The ticket is on hold for ${work.reason}: resume it first`) : undefined;
}

export const ESCALATION_PENDING = ['escalation-pending'] as const;

export function unlessAccepted({ work, tier }: Ticket): Barred<typeof ESCALATION_PENDING> {
  const active = work.status === 'on-hold' ? work.paused : work;
  return active.status === 'escalated'
    ? refuse('escalation-pending', `The hand-off to ${tier} is awaiting acceptance or return`)
    : undefined;
}

export const UNWORKABLE = [...ON_HOLD, ...INACTIVE, ...ESCALATION_PENDING] as const;

/** Not over, pending acceptance or on hold. */
export function unlessWorkable(ticket: Ticket): Barred<typeof UNWORKABLE> {
  return unlessOnHold(ticket) ?? unlessActive(ticket) ?? unlessAccepted(ticket);
}

export const TIER_MISSING = ['tier-not-in-contract'] as const;

export function unlessTierExists(tier: Tier, { tiers }: Contract): Barred<typeof TIER_MISSING> {
  if (tiers.includes(tier)) return undefined;
  return refuse('tier-not-in-contract', `The contract has no ${tier}`, [{ field: 'tier', message: `must be one of ${tiers.join(', ')}` }]);
}

export const UNCLASSIFIABLE = ['category-not-in-contract', 'configuration-item-not-in-contract'] as const;

/**
 * A contract that lists categories allows only these and what is below them; one that lists services allows only these and their
 * components.
 * @param before the service that the ticket has been about
 */
export function unlessInContract(
  { category, service, component }: { readonly category?: string; readonly service?: string; readonly component?: string },
  { categories, services }: Contract,
  before?: string,
): Barred<typeof UNCLASSIFIABLE> {
  if (
    category !== undefined &&
    categories !== undefined &&
    !categories.some((known) => category === known || category.startsWith(`${known}/`))
  )
    return refuse('category-not-in-contract', `The contract has no category ${category}`, [
      { field: 'category', message: 'must be one of the categories of the contract, or a subcategory' },
    ]);
  if (services === undefined) return undefined;
  if (service !== undefined && !Object.hasOwn(services, service))
    return refuse('configuration-item-not-in-contract', `The contract has no service ${service}`, [
      { field: 'service', message: 'must be one of the services of the contract' },
    ]);
  const of = service ?? before;
  if (component === undefined || isComponentOf(of, component, services)) return undefined;
  return refuse('configuration-item-not-in-contract', `The contract has no component ${component}${of === undefined ? '' : ` of ${of}`}`, [
    { field: 'component', message: `must be a component of ${of ?? 'one of the services of the contract'}` },
  ]);
}

/** Whether a component belongs to a service, or to any if none is named. */
export function isComponentOf(service: string | undefined, component: string, services: NonNullable<Contract['services']>): boolean {
  const candidates = service === undefined ? Object.values(services) : Object.hasOwn(services, service) ? [services[service]] : [];
  return candidates.some((components) => components?.includes(component));
}
