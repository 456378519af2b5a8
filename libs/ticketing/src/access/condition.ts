import type { Actor } from '#eventsourcing';
import type { Principal, Role } from '../identity/principal.js';

/** What a condition looks at. */
export interface Asking<State = unknown, Body = unknown> {
  readonly principal: Principal;
  /** Who does it: the principal, or on whose behalf it is done. */
  readonly actor: Actor;
  /** Id of the aggregate. */
  readonly id: string;
  /** The aggregate before the command. */
  readonly state: State;
  readonly body: Body;
}

/** When a role may do something. Pure. */
export interface Condition<State = never, Body = never> {
  /** What it takes, for people: 'for their own tickets'. */
  readonly needs: string;
  /** Whether what does not meet it is to the sender as though it did not exist; it never is, unless said. */
  hides?(asking: Asking<State, Body>): boolean;
  holds(asking: Asking<State, Body>): boolean;
}

/** Role → always, or when. A role that is not there may not. */
export type Row<State = never, Body = never> = Readonly<Partial<Record<Role, true | Condition<State, Body>>>>;
