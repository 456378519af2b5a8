import { setTimeout as pause } from 'node:timers/promises';
import { ticketCommands } from '#ticketing';
import { Complaint } from '../complaint.js';
import type { DemoCommand } from './scenario.js';

/** What became of the demo's commands. */
export interface Sent {
  /** Story → id of its ticket. */
  readonly tickets: ReadonlyMap<string, string>;
  readonly done: number;
  /** How many of them had been sent before. */
  readonly repeated: number;
  /** Place in the log that holds all that was appended now; undefined when nothing was. */
  readonly position?: string;
}

/** Tickets that are sent at the same time; the commands of each go one after the other. */
const AT_ONCE = 8;

/**
 * Sends commands to an API, each with its idempotency key: what was sent before is not done again.
 * @throws Complaint when one is refused
 */
export async function sendAll(api: string, commands: readonly DemoCommand[], signal: AbortSignal, onSent: (done: number) => void): Promise<Sent> {
  const stories = new Map<string, DemoCommand[]>();
  for (const command of commands) stories.set(command.story, [...(stories.get(command.story) ?? []), command]);
  const waiting = [...stories.values()];
  const tickets = new Map<string, string>();
  let done = 0;
  let repeated = 0;
  let position: string | undefined;
  const sendStories = async (): Promise<void> => {
    for (let story = waiting.shift(); story !== undefined; story = waiting.shift()) {
      let id: string | undefined;
      for (const command of story) {
        const answer = await send(api, command, id, signal);
        id = answer.ticketId;
        if (answer.repeated) repeated++;
        if (answer.position !== undefined && (position === undefined || commitOf(answer.position) > commitOf(position))) position = answer.position;
        onSent(++done);
      }
      if (id !== undefined) tickets.set(story[0]?.story ?? '', id);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sendStories));
  return { tickets, done, repeated, ...(position === undefined ? {} : { position }) };
}

/** Positions are `<commit>/<prepare>`. */
function commitOf(position: string): bigint {
  return BigInt(position.split('/')[0] ?? 0);
}

/** What the API answers to a command that was done. */
interface Answer {
  readonly ticketId: string;
  readonly repeated: boolean;
  readonly position?: string;
}

async function send(api: string, { name, body, by, at, idempotencyKey }: DemoCommand, id: string | undefined, signal: AbortSignal): Promise<Answer> {
  const { route } = ticketCommands[name];
  const url = `${api}/v1/tickets${id === undefined ? '' : `/${id}/${route}`}`;
  const answer = await fetch(url, {
    method: 'POST',
    signal,
    headers: {
      'Content-Type': 'application/json',
      'Idempotency-Key': idempotencyKey,
      'X-Actor-Id': by.id,
      'X-Actor-Kind': by.kind,
      ...(by.name === undefined ? {} : { 'X-Actor-Name': by.name }),
    },
    body: JSON.stringify({ ...body, effectiveAt: at }),
  });
  const said = (await answer.json()) as Answer | { readonly code?: string; readonly detail?: string };
  if ('ticketId' in said) return said;
  throw new Complaint(`The API refused ${name} (${answer.status} ${said.code ?? ''}): ${said.detail ?? ''}`, `POST ${url}`);
}

/** A line of the summary: how a tier's queue stands. */
export interface QueueSummary {
  readonly tier: string;
  readonly tickets: number;
  readonly byState: Readonly<Record<string, number>>;
  readonly first?: string;
}

/** The queue of a tier as the API tells it. @param position place in the log that it must have seen, if any */
export async function queueOf(api: string, tier: string, position: string | undefined, signal: AbortSignal): Promise<QueueSummary> {
  const items: { state: string; summary: string }[] = [];
  let cursor: string | undefined;
  const until = Date.now() + 30_000;
  for (;;) {
    const query = new URLSearchParams({ limit: '200', ...(cursor === undefined ? {} : { cursor }), ...(position === undefined ? {} : { atLeast: position }) });
    const answer = await fetch(`${api}/v1/queues/${tier}?${query}`, { signal });
    if (answer.status === 503 && Date.now() < until) {
      await pause(250, undefined, { signal });
      continue;
    }
    if (!answer.ok) throw new Complaint(`The API did not show the queue of ${tier}: ${answer.status}`);
    const page = (await answer.json()) as { items: typeof items; next?: string };
    items.push(...page.items);
    cursor = page.next;
    if (cursor === undefined) break;
  }
  const byState: Record<string, number> = {};
  for (const { state } of items) byState[state] = (byState[state] ?? 0) + 1;
  return { tier, tickets: items.length, byState, ...(items[0] === undefined ? {} : { first: items[0].summary }) };
}

/** Waits until an API answers. @throws Complaint when it does not within 15 seconds */
export async function whenReady(api: string, signal: AbortSignal): Promise<void> {
  const until = Date.now() + 15_000;
  for (;;) {
    try {
      if ((await fetch(`${api}/health/live`, { signal })).ok) return;
    } catch {
      signal.throwIfAborted();
      if (Date.now() > until) throw new Complaint(`No Tierline API answers at ${api}`, 'Run `npm start`, or set API_URL');
    }
    await pause(250, undefined, { signal });
  }
}
