import { setTimeout as pause } from 'node:timers/promises';
import type { Actor } from '#eventsourcing';
import { ticket } from '#ticketing';
import { type Api, request } from '../api-client.js';
import { Complaint } from '../complaint.js';
import type { DemoCommand, savedFilter } from './scenario.js';

/** Result of the demo's commands. */
export interface Sent {
  /** Story → id of its ticket. */
  readonly tickets: ReadonlyMap<string, string>;
  readonly done: number;
  /** Number of commands that had been sent before. */
  readonly repeated: number;
  /** Position in the log that includes everything appended now; undefined if nothing was. */
  readonly position?: string;
}

/** Groups of tickets sent concurrently; the commands of each are sent in order. */
const AT_ONCE = 8;

/** Commands that affect a second ticket: later commands rely on their effect there. */
const concernOthers: ReadonlySet<string> = new Set(['LinkTicket', 'MergeTicket', 'SplitTicket']);

/**
 * Sends commands to an API, each with its idempotency key, so that nothing is done twice. Those of related tickets are sent in order of
 * time.
 * @throws Complaint if one is refused
 */
export async function sendAll(
  api: Api,
  commands: readonly DemoCommand[],
  signal: AbortSignal,
  onSent: (done: number) => void,
): Promise<Sent> {
  const tickets = new Map<string, string>();
  let repeated = 0;
  let position: string | undefined;
  const idOf = (story: string): string => {
    const id = tickets.get(story);
    if (id === undefined) throw new Error(`the story ${story} has not begun`);
    return id;
  };
  let done = 0;
  const waiting = groupsOf(commands);
  const lane = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      for (const command of group) {
        const answer = await send(api, command, tickets.get(command.story), idOf, signal);
        tickets.set(command.story, answer.ticketId);
        if (answer.repeated) repeated++;
        if (answer.position !== undefined && (position === undefined || commitOf(answer.position) > commitOf(position)))
          position = answer.position;
        if (concernOthers.has(command.name) && !answer.repeated) await reactedTo(api, answer, signal);
        onSent(++done);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return { tickets, done, repeated, ...(position === undefined ? {} : { position }) };
}

/** Commands of stories that refer to one another, together and in order. */
function groupsOf(commands: readonly DemoCommand[]): DemoCommand[][] {
  const groups = new Map<string, DemoCommand[]>();
  for (const command of commands) {
    const named = new Set([command.story]);
    command.body((story) => (named.add(story), ''));
    const together = [...new Set([...named].map((story) => groups.get(story) ?? []))].flat();
    together.push(command);
    for (const { story } of together) groups.set(story, together);
  }
  return [...new Set(groups.values())].map((group) => group.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0)));
}

/** Positions are `<commit>/<prepare>`. */
function commitOf(position: string): bigint {
  return BigInt(position.split('/')[0] ?? 0);
}

const PATIENCE_MS = 10_000;

/** Waits until a policy has updated the other ticket. Without a worker that happens later, and the day continues. */
async function reactedTo(api: Api, { ticketId, revision }: Answer, signal: AbortSignal): Promise<void> {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await pause(20, undefined, { signal })) {
    const answer = await request(api, `/v1/reactions?ticket=${ticketId}`, { signal });
    if (!answer.ok) continue;
    const { items } = (await answer.json()) as {
      items: readonly { readonly to: { readonly stream: string; readonly revision: number } }[];
    };
    if (items.some(({ to }) => to.stream === `ticket-${ticketId}` && to.revision === revision)) return;
  }
}

/** The API's answer to a successful command. */
interface Answer {
  readonly ticketId: string;
  readonly revision: number;
  readonly repeated: boolean;
  readonly position?: string;
}

async function send(
  api: Api,
  { name, body, by, at, idempotencyKey, attachment }: DemoCommand,
  id: string | undefined,
  idOf: (story: string) => string,
  signal: AbortSignal,
): Promise<Answer> {
  if (attachment !== undefined) await upload(api, attachment, signal);
  const path = ticket.commands[name].route.replace('POST ', '').replace('{id}', id ?? '');
  const answer = await request(api, path, {
    method: 'POST',
    signal,
    headers: { ...jsonBy(by), 'Idempotency-Key': idempotencyKey },
    body: JSON.stringify({ ...body(idOf), effectiveAt: at }),
  });
  const said = (await answer.json()) as Answer | { readonly code?: string; readonly detail?: string };
  if ('ticketId' in said) return said;
  throw new Complaint(`The API refused ${name} (${answer.status} ${said.code ?? ''}): ${said.detail ?? ''}`, `POST ${api.url}${path}`);
}

/**
 * Waits until policies have done everything that follows, and views include it; for a limited time, in case others keep the API busy, or no
 * worker runs.
 */
export async function settled(api: Api, signal: AbortSignal): Promise<void> {
  type Progress = Readonly<Record<string, { readonly state: string; readonly lagMs: number }>>;
  let times = 0;
  // Twice in a row: what a policy has just done may not be in a view yet.
  for (const until = Date.now() + PATIENCE_MS; times < 2 && Date.now() < until; await pause(20, undefined, { signal })) {
    const answer = await request(api, '/health/ready', { signal });
    const { views, policies } = (await answer.json()) as { readonly views?: Progress; readonly policies?: Progress };
    const behind = Object.values({ ...views, ...policies }).some(({ state, lagMs }) => state !== 'stopped' && lagMs > 0);
    times = behind || !answer.ok ? 0 : times + 1;
  }
}

function jsonBy({ id, kind, name }: Actor): Record<string, string> {
  return {
    'Content-Type': 'application/json',
    'X-Actor-Id': id,
    'X-Actor-Kind': kind,
    ...(name === undefined ? {} : { 'X-Actor-Name': name }),
  };
}

/** @throws Complaint */
async function upload(api: Api, content: string, signal: AbortSignal): Promise<void> {
  const path = '/v1/attachments?mediaType=text/plain';
  const answer = await request(api, path, {
    method: 'POST',
    signal,
    headers: { 'Content-Type': 'application/octet-stream' },
    body: content,
  });
  if (!answer.ok) throw new Complaint(`The API did not take an attachment: ${answer.status}`, `POST ${api.url}${path}`);
}

/** Saves the filter of the desk, and asks for it. @returns how many tickets it finds; @throws Complaint */
export async function saveFilter(
  api: Api,
  { name, body, by }: typeof savedFilter,
  position: string | undefined,
  signal: AbortSignal,
): Promise<number> {
  const path = `/v1/filters/${name}`;
  const saved = await request(api, path, { method: 'PUT', signal, headers: jsonBy(by), body: JSON.stringify(body) });
  if (!saved.ok) throw new Complaint(`The API did not save the filter ${name}: ${saved.status}`, `PUT ${api.url}${path}`);
  const found = await pagesOf(api, `/v1/tickets?filter=${name}`, position, signal);
  return found.length;
}

/** A line of the summary: the state of a tier's queue. */
export interface QueueSummary {
  readonly tier: string;
  readonly tickets: number;
  readonly byState: Readonly<Record<string, number>>;
  readonly first?: string;
}

/** The queue of a tier from the API. @param position log position that it must include, if any */
export async function queueOf(api: Api, tier: string, position: string | undefined, signal: AbortSignal): Promise<QueueSummary> {
  const items = (await pagesOf(api, `/v1/queues/${tier}`, position, signal)) as readonly {
    readonly state: string;
    readonly summary: string;
  }[];
  const byState: Record<string, number> = {};
  for (const { state } of items) byState[state] = (byState[state] ?? 0) + 1;
  return { tier, tickets: items.length, byState, ...(items[0] === undefined ? {} : { first: items[0].summary }) };
}

/** All entries of a list. @param position log position that it must include, if any */
async function pagesOf(api: Api, list: string, position: string | undefined, signal: AbortSignal): Promise<readonly object[]> {
  const items: object[] = [];
  let cursor: string | undefined;
  const until = Date.now() + 30_000;
  for (;;) {
    const query = new URLSearchParams({
      limit: '200',
      ...(cursor === undefined ? {} : { cursor }),
      ...(position === undefined ? {} : { atLeast: position }),
    });
    const answer = await request(api, `${list}${list.includes('?') ? '&' : '?'}${query}`, { signal });
    if (answer.status === 503 && Date.now() < until) {
      await pause(250, undefined, { signal });
      continue;
    }
    if (!answer.ok) throw new Complaint(`The API did not show ${list}: ${answer.status}`);
    const page = (await answer.json()) as { items: readonly object[]; next?: string };
    items.push(...page.items);
    cursor = page.next;
    if (cursor === undefined) return items;
  }
}

/** Waits until an API answers. @throws Complaint if it does not within 15 seconds */
export async function whenReady(api: Api, signal: AbortSignal): Promise<void> {
  const until = Date.now() + 15_000;
  for (;;) {
    try {
      if ((await fetch(`${api.url}/health/live`, { signal })).ok) return;
    } catch {
      signal.throwIfAborted();
      if (Date.now() > until) throw new Complaint(`No Tierline API answers at ${api.url}`, 'Run `npm start`, or set API_URL');
    }
    await pause(250, undefined, { signal });
  }
}
