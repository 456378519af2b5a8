import { measure, seed, type Server, untilIdle, warmUp, withServer } from './bench-http.js';
import { opening } from './seeded-ticket.js';

/** Tickets that are opened one after another. */
const OPENED = 400;
/** Tickets that all have the searched word. */
const SEARCHED = 8_000;
const SEARCHES = 500;
const WORD = 'invoices';

/** First pages, by name. */
const PAGES = {
  'page of all tickets': '',
  'page by last change': '?sort=-updatedAt',
  'page of a word of all tickets': `?q=${WORD}`,
};

/**
 * How soon a new ticket can be read in its view, compared with the answer to the command alone; and the first page of a word that all 8,000
 * tickets have, compared with the first pages of all tickets. By an agent of one client; then the first page by an administrator, whose
 * reads are recorded.
 */
export async function benchVisible(): Promise<void> {
  await withServer('on', async (administrator) => {
    await warmUp(administrator);
    const server = { ...administrator, key: await agentKey(administrator) };
    await measure(server, 'POST to the answer', OPENED, () => oneByOne(OPENED, () => opened(server)));
    await measure(server, 'POST to the visible ticket', OPENED, () => oneByOne(OPENED, () => visible(server)));
    for (let left = SEARCHED; left > 0; left -= 1_000) await seed(server, 1_000, 2);
    await untilIdle(server.pid);
    // In turns; the first round only compiles the code.
    for (const round of ['', ', again']) {
      for (const [name, query] of Object.entries(PAGES))
        await measure(server, `${name}${round}`, SEARCHES, () => oneByOne(SEARCHES, () => page(server, query)));
      await measure(server, `page that is recorded${round}`, SEARCHES, () => oneByOne(SEARCHES, () => page(administrator, '')));
    }
  });
}

/** Does something a number of times. @returns the duration of each in milliseconds, sorted */
async function oneByOne(times: number, act: () => Promise<unknown>): Promise<readonly number[]> {
  const taken: number[] = [];
  while (taken.length < times) {
    const began = performance.now();
    await act();
    taken.push(performance.now() - began);
  }
  return taken.sort((one, other) => one - other);
}

async function opened(server: Server): Promise<{ readonly ticketId: string; readonly revision: number }> {
  return (await asked(server, '', { method: 'POST', body: JSON.stringify(opening) })) as { ticketId: string; revision: number };
}

async function visible(server: Server): Promise<void> {
  const { ticketId, revision } = await opened(server);
  await asked(server, `/${ticketId}?atLeast=${revision}`);
}

async function page(server: Server, query: string): Promise<void> {
  const { items } = (await asked(server, query)) as { readonly items: readonly unknown[] };
  if (items.length === 0) throw new Error(`nothing is found: ${query}`);
}

/** A key of an agent who sees one client. */
async function agentKey(server: Server): Promise<string> {
  const body = JSON.stringify({ label: 'Benchmark', id: 'bench-agent', roles: ['agent'], clients: [opening.client] });
  const { token } = (await asked(server, '', { method: 'POST', body }, '/v1/api-keys')) as { readonly token: string };
  return token;
}

async function asked({ api, key }: Server, path: string, request: RequestInit = {}, route = '/v1/tickets'): Promise<unknown> {
  const url = `${api}${route}${path}`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, ...request });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
