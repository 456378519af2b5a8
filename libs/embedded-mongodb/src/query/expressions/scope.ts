import type { Value } from '../../bson/values.js';

/** What `$$name` means, by name. ROOT and CURRENT are documents; a variable may be missing (undefined). */
export type Variables = Readonly<Record<string, Value | undefined>>;

/** An expression, compiled: a value for a document, or undefined where the result is missing. */
export type Evaluate = (doc: Value | undefined, variables: Variables) => Value | undefined;
/** Compiles the argument of an operator. */
export type Operator = (argument: Value, scope: Scope, name: string) => Evaluate;

/** Where an expression stands: a `$$name` that is not bound there, and an operator that is not known, are refused when it is compiled. */
export type Scope = {
  readonly names: ReadonlySet<string>;
  readonly operators: Readonly<Record<string, Operator>>;
  /** Whether it is an accumulator of `$group` or `$bucket`: there some errors have codes of their own on a server. */
  readonly grouped: boolean;
  /** Whether the time is known there, as a `$$NOW`. */
  readonly timed: boolean;
};
