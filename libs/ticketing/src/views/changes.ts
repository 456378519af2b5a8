import type { Actor } from '#eventsourcing';
import { isFields, same } from '../plain-json.js';
import type { Static } from '../schema.js';
import type { changeSchema } from './history-step.js';

/** A field that an event changed. */
export type Change = Static<typeof changeSchema>;

/** The differences between two states, in the smallest parts that differ. */
export function changesBetween(before: unknown, after: unknown, path = ''): readonly Change[] {
  if (before === after) return [];
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => changesBetween(before[index], after[index], `${path}[${index}]`)).flat();
  }
  if (isFields(before) && isFields(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap((name) =>
      changesBetween(fieldOf(before, name), fieldOf(after, name), path === '' ? name : `${path}.${name}`),
    );
  }
  if (typeof before === 'object' && before !== null && typeof after === 'object' && after !== null && same(before, after)) return [];
  return [{ path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
}

function fieldOf(fields: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** `TicketEscalated` → `Ticket escalated`; `toTeam` → `to team`. */
export function spelledOut(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, (_, end: string, start: string) => `${end} ${start.toLowerCase()}`);
}

/** An event in a sentence: what, by whom, and what changed. */
export function inWords(
  { type, actor, sentBy }: { readonly type: string; readonly actor: Actor; readonly sentBy?: Actor | undefined },
  changes: readonly Change[],
): string {
  const who = `${spelledOut(type)} by ${person(actor)}${sentBy === undefined ? '' : `, sent by ${person(sentBy)}`}`;
  return changes.length === 0 ? who : `${who}: ${changes.map(changeInWords).join('; ')}`;
}

function changeInWords(change: Change): string {
  const { path, before, after } = change;
  if (!('before' in change)) return `${path} ${brief(after)}`;
  if (!('after' in change)) return `${path} no longer ${brief(before)}`;
  return `${path} ${brief(before)} → ${brief(after)}`;
}

const person = ({ id, name }: Pick<Actor, 'id' | 'name'>): string => (name === undefined ? id : `${name} (${id})`);

/** In words, a value is cut to this many characters; the change itself has all of it. */
const LONGEST = 200;

function brief(value: unknown): string {
  if (isFields(value) && typeof value['id'] === 'string') {
    const { id, name, ...others } = value;
    if (Object.keys(others).length === 0 || (Object.keys(others).length === 1 && 'kind' in others))
      return typeof name === 'string' ? person({ id, name }) : id;
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
