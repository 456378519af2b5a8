import type { Operator } from './operator-arguments.js';
export const accumulatorExpressions: Readonly<Record<string, Operator>> = {};
