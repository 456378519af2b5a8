import { type Decided, type DecisionContext, epochMillis, type Instant } from '#eventsourcing';
import { isLate, isToldLater, type Told } from '../events/automatic.js';
import { takenFrom } from '../events/past.js';
import type { Ticket, Touched } from '../events/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined } from '../plain-json.js';
import { touchEndAfter } from '../sla/sla-terms.js';
import type { Person } from '../vocabulary.js';
import type { ClockedTicket } from './clocked-ticket.js';
import { event } from './decisions.js';

/** Stretches of touch time as they were in truth, in whatever order it is told what began and what ended them. */

type Running = Ticket['touching'][number];
type TouchEvent = Decided<TicketEvents>;

/** What a stretch began with. Of an agent who is at it already, that is told late: what was before it may turn out to have ended meanwhile. */
export function beginningOfTouch({ tier, touching, touched = [] }: Ticket, agent: Person, context: Told): readonly TouchEvent[] {
  const { effectiveAt: at } = context;
  const started = event('TouchTimeStarted', { tier, agent });
  const isOfAgent = (touch: Running) => touch.agent.id === agent.id;
  const running = touching.find((touch) => isOfAgent(touch) && !beganAfter(touch, context));
  if (!isToldLater(context)) return running === undefined ? [started] : [];
  if ([...touching, ...touched].some((touch) => isOfAgent(touch) && touch.since === at)) return [];
  if (running !== undefined) return [endOfTouch(running, context), started];
  const stopped = touched.find((touch) => isOfAgent(touch) && covers(touch, at));
  if (stopped === undefined) return [started];
  // Of one that was counted elsewhere it is not known which part.
  return stopped.seconds < secondsBetween(stopped.since, stopped.until)
    ? []
    : [
        endedBefore(stopped, at),
        started,
        { ...endOfTouch({ ...stopped, since: at }, { effectiveAt: stopped.until }), effectiveAt: stopped.until },
      ];
}

/** Ends the touch time of some agents, or all, with an event: what runs stops, and what was stopped later had ended by then. */
export function endsOfTouch(
  { touching, touched = [] }: Ticket,
  context: Told,
  { of = () => true, isOver = false }: { readonly of?: (agent: Person) => boolean; readonly isOver?: boolean } = {},
): readonly TouchEvent[] {
  const running = touching.filter((touch) => of(touch.agent) && (isOver || !beganAfter(touch, context)));
  const { effectiveAt: at } = context;
  const stopped = isLate(context) ? touched.filter((touch) => of(touch.agent) && covers(touch, at) && touch.since < at) : [];
  return [...stopped.flatMap((touch) => shortened(touch, at)), ...running.map((touch) => endOfTouch(touch, context))];
}

/** Ends the touch time of whoever has the ticket, unless it is given to the same agent again. */
export function endOfTouchOfHolder(ticket: Ticket, context: Told, to?: Person): readonly TouchEvent[] {
  const { assignee } = ticket;
  return assignee === undefined || assignee.id === to?.id ? [] : endsOfTouch(ticket, context, { of: ({ id }) => id === assignee.id });
}

/** What is known to have stopped later ended when its agent says. */
export function endOfStopped({ touched = [] }: Ticket, agent: Person, at: Instant, activity?: string): readonly TouchEvent[] {
  return touched.filter((touch) => touch.agent.id === agent.id && covers(touch, at)).flatMap((touch) => shortened(touch, at, activity));
}

/**
 * The end of touch time that is recorded late and has ended in the meantime, as far as known. Each stretch stops at the first move after
 * its start that takes the work from people, when its agent was taken off the ticket, or when the agent's next stretch began: whichever was
 * first.
 */
export function endingWithMovesSince(
  ticket: ClockedTicket,
  decided: readonly TouchEvent[],
  context: DecisionContext,
): readonly TouchEvent[] {
  const { sla, touching, touched = [] } = ticket;
  const begun = decided.flatMap(({ type, data }) => (type === 'TouchTimeStarted' ? [data] : []));
  const isStopped = decided.some(({ type, data }) => type === 'TouchTimeStopped' && data.startedAt === context.effectiveAt);
  if (begun.length === 0 || isStopped || sla === undefined || !isLate(context)) return decided;
  const since = context.effectiveAt;
  const moved = touchEndAfter(sla, since);
  const ends = begun.flatMap((touch) => {
    const begunLater = [...touching, ...touched].filter((one) => one.agent.id === touch.agent.id && one.since > since);
    const candidates = [moved, takenFrom(ticket, touch.agent.id, since), ...begunLater.map((one) => one.since)];
    const [end] = candidates.filter((one) => one !== undefined).sort();
    return end === undefined ? [] : [{ ...endOfTouch({ ...touch, since }, { effectiveAt: end }), effectiveAt: end }];
  });
  return [...decided, ...ends];
}

/** A late fact leaves a stretch that began after it; a current one ends whatever is running, whatever the machines' clocks say. */
function beganAfter({ since }: Running, context: Told): boolean {
  return isLate(context) && context.effectiveAt < since;
}

/** Ends a stretch of touch time. */
export function endOfTouch({ agent, tier, since }: Running, { effectiveAt }: { readonly effectiveAt: Instant }, activity?: string) {
  const seconds = secondsBetween(since, effectiveAt);
  return event('TouchTimeStopped', omitUndefined({ tier, agent, startedAt: since, seconds, activity }));
}

/** Takes off what was counted of a stretch after it had ended; as of when that was counted, so that no time of it is ever less than none. */
function endedBefore({ agent, tier, since, until, seconds: counted }: Touched, endedAt: Instant, activity?: string): TouchEvent {
  const seconds = Math.min(counted, secondsBetween(endedAt, until));
  const data = omitUndefined({ tier, agent, startedAt: since, seconds, endedAt, activity });
  return { ...event('TouchTimeDeducted', data), effectiveAt: until };
}

function shortened(touch: Touched, at: Instant, activity?: string): readonly TouchEvent[] {
  return Math.min(touch.seconds, secondsBetween(at, touch.until)) > 0 ? [endedBefore(touch, at, activity)] : [];
}

function covers({ since, until }: Touched, at: Instant): boolean {
  return since <= at && at < until;
}

function secondsBetween(from: Instant, to: Instant): number {
  return Math.max(0, Math.round((epochMillis(to) - epochMillis(from)) / 1000));
}
