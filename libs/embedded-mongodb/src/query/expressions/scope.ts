import type { Value } from '../../bson/values.js';

/** The values of `$$name`, by name. ROOT and CURRENT are documents; a variable may be missing (undefined). */
export type Variables = Readonly<Record<string, Value | undefined>>;

/** A compiled expression: a value for a document, or undefined if the result is missing. */
export type Evaluate = (doc: Value | undefined, variables: Variables) => Value | undefined;
/** Compiles the argument of an operator. */
export type Operator = (argument: Value, scope: Scope, name: string) => Evaluate;

/** The context of an expression: unbound `$$name`s and unknown operators are refused at compile time. */
export type Scope = {
  readonly names: ReadonlySet<string>;
  readonly operators: Readonly<Record<string, Operator>>;
  /** Whether it is an accumulator of `$group` or `$bucket`, for which some errors have different codes on a server. */
  readonly grouped: boolean;
  /** Whether the time is available, as `$$NOW`. */
  readonly timed: boolean;
};
