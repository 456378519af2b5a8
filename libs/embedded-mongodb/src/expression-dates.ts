import type { Operator } from './operator-arguments.js';
export const dateOperators: Readonly<Record<string, Operator>> = {};
