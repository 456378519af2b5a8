import {
  type CommandDefinition,
  type Decided,
  type DecisionContext,
  epochMillis,
  isRefusal,
  type Refusal,
  refuse,
  type Route,
} from '#eventsourcing';
import { DateTime } from '../command-fields.js';
import { type Contract, termsOf } from '../contract/contract.js';
import { CLOCK_SKEW, isAutomatic } from '../events/automatic.js';
import { ticketEvents, type TicketEvents } from '../events/ticket-events.js';
import type { ClockedTicket, ClockedTicketState } from './clocked-ticket.js';
import type { TicketDecision } from './decisions.js';
import { asItStood, asItWas, withRestatements } from './late-facts.js';
import { endingWithMovesSince, endsOfTouch } from './touch-time.js';

/** Fields of every command. */
export class TicketCommand {
  @DateTime({ description: 'When it happened, if before now (late facts are allowed). Not in the future.', optional: true })
  effectiveAt?: string;
}

/** Everything about a command on an existing ticket, apart from what applies to all of them. */
interface Definition<Body extends object, Code extends string, Late extends boolean, Result, Given> {
  /** Every code that `decide` refuses with, and no others. */
  readonly refuses: readonly Code[];
  /** Whether it may record something that happened before other recorded events. */
  readonly late: Late;
  /** Although it is a note, what follows from it moves the ticket: it is judged by how the ticket stands now. */
  readonly movesOn?: true;
  /** What it needs from outside the ticket; passed as `given`. */
  readonly needs?: string;
  decide(command: Body, ticket: ClockedTicket, context: DecisionContext, contract: Contract, given?: Given): Result;
}

/** Open to the outside, with its own route. */
interface Public<Body extends object> {
  readonly body: new () => Body;
  readonly route: Route;
}

/** The codes that a decision refuses with. */
type CodesIn<Result> = Result extends Refusal<infer Code> ? Code : never;

/** The command if `refuses` holds exactly the codes that are found; otherwise a type that describes the mistake and does not compile. */
type Exact<Stated extends string, Found extends string, Command> = [Found] extends [Stated]
  ? [Stated] extends [Found]
    ? Command
    : { readonly neverRefusedWith: Exclude<Stated, Found> }
  : { readonly notInRefuses: Exclude<Found, Stated> };

/** Codes that are checked before those of the command itself. */
type FirstCodes<Late extends boolean> = 'ticket-not-found' | (Late extends true ? never : 'out-of-order');

export interface TicketCommandDefinition<
  Body extends object = object,
  Code extends string = string,
  Given = unknown,
> extends CommandDefinition<ClockedTicketState, Decided<TicketEvents>, Body, Code, Given> {
  readonly late: boolean;
}

/** Commands of a ticket, by name. */
export type TicketCommandDefinitions = Readonly<Record<string, TicketCommandDefinition>>;

/** A command that may be sent from outside. */
export function command<Body extends object, const Code extends string, const Late extends boolean, Result extends TicketDecision, Given>(
  definition: Public<Body> & Definition<Body, Code, Late, Result, Given>,
) {
  type Command = TicketCommandDefinition<Body, Code | FirstCodes<Late>, Given> & Public<Body>;
  const { body, route } = definition;
  return { body, route, ...onExisting(definition) } as unknown as Exact<Code, CodesIn<Result>, Command>;
}

/** A command sent only by policies and timers. */
export function internal<Body extends object, const Code extends string, const Late extends boolean, Result extends TicketDecision, Given>(
  definition: Definition<Body, Code, Late, Result, Given>,
) {
  type Command = TicketCommandDefinition<Body, Code | FirstCodes<Late>, Given> & { readonly route?: undefined };
  return onExisting(definition) as unknown as Exact<Code, CodesIn<Result>, Command>;
}

/** The command that creates a ticket, with what it needs as `given`. */
export function opening<Body extends object, const Code extends string, Result extends TicketDecision, Given>(
  definition: Public<Body> & {
    readonly refuses: readonly Code[];
    readonly needs: string;
    decide(command: Body, state: ClockedTicketState, context: DecisionContext, given?: Given): Result;
  },
) {
  type Command = TicketCommandDefinition<Body, Code, Given> & Public<Body>;
  return { ...definition, late: true } as unknown as Exact<Code, CodesIn<Result>, Command>;
}

/** Adds what applies to every command on an existing ticket. */
function onExisting<Body extends object, Given>({
  refuses,
  late,
  movesOn,
  needs,
  decide,
}: Definition<Body, string, boolean, TicketDecision, Given>): TicketCommandDefinition<Body, string, Given> {
  return {
    refuses: [...new Set(['ticket-not-found', ...(late ? [] : ['out-of-order']), ...refuses])],
    late,
    ...(needs === undefined ? {} : { needs }),
    decide(command, state, context, given) {
      if (state === null) return refuse('ticket-not-found', 'There is no such ticket');
      // What follows from an event in another ticket happened when that event did.
      const barred = late || isAutomatic(context) ? undefined : unlessInOrder(state, context);
      if (barred) return barred;
      const known = asItWas(state, context);
      const then = late ? asItStood(known, context, movesOn) : known;
      const decision = endingTouches(decide(command, then, context, termsOf(then), given), then, context);
      return isRefusal(decision) ? decision : withRestatements(state, endingWithMovesSince(state, decision, context), context);
    },
  };
}

function unlessInOrder({ movedAt }: ClockedTicket, { effectiveAt }: DecisionContext): Refusal | undefined {
  if (epochMillis(effectiveAt) >= epochMillis(movedAt) - CLOCK_SKEW) return undefined;
  return refuse('out-of-order', `The ticket moved on at ${movedAt}; earlier facts can no longer be recorded`, [
    { field: 'effectiveAt', message: `must not be before ${movedAt}` },
  ]);
}

/** Touch time that nobody stopped ends with the work, in the same append and before it: each start has its stop. */
function endingTouches(decision: TicketDecision, ticket: ClockedTicket, context: DecisionContext): TicketDecision {
  if (isRefusal(decision) || !decision.some(({ type }) => ticketEvents[type].endsTouch)) return decision;
  const ended = decision.flatMap(({ type, data }) => (type === 'TouchTimeStopped' ? [data.agent.id] : []));
  const isOver = decision.some(({ type }) => ticketEvents[type].endsChains !== null);
  return [...endsOfTouch(ticket, context, { of: ({ id }) => !ended.includes(id), isOver }), ...decision];
}
