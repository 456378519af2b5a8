import type { Actor } from '#eventsourcing';
import type { Principal, Role } from '../identity/principal.js';

/** What a condition decides on. */
export interface Asking<State = unknown, Body = unknown> {
  readonly principal: Principal;
  /** Who does it: the principal, or the person on whose behalf it is done. */
  readonly actor: Actor;
  /** Id of the aggregate. */
  readonly id: string;
  /** The aggregate before the command. */
  readonly state: State;
  readonly body: Body;
}

/** When a role may do something. Pure. */
export interface Condition<State = never, Body = never> {
  /** What it takes, in words: 'for their own tickets'. */
  readonly needs: string;
  /** Whether anything that does not meet the condition looks nonexistent to the sender. Default: no. */
  hides?(asking: Asking<State, Body>): boolean;
  holds(asking: Asking<State, Body>): boolean;
}

/** Role → always, or under a condition. A role that is absent may not. */
export type Row<State = never, Body = never> = Readonly<Partial<Record<Role, true | Condition<State, Body>>>>;
