// Follows every escalation, in the order of the log, with nothing but EventStoreDB's own client: no library of Tierline's is needed.
// Run it beside `npm start`:   node examples/escalation-subscriber/subscriber.js
//
// It keeps its place in a file. Stop it whenever you like: the next run goes on with the first escalation that this one has not printed.

import { readFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EventStoreDBClient, START, eventTypeFilter } from '@eventstore/db-client';

// `npm start` keeps its stores' URLs, with passwords, for those who may read its data directory.
const runFile = join(process.env.DATA_DIR ?? 'data', 'tierline.json');
const url = process.env.TIERLINE_EVENTSTORE_URL ?? process.env.EVENTSTORE_URL ?? JSON.parse(readFileSync(runFile, 'utf8')).eventStoreUrl;
const host = url.replace(/^[^/]*\/\/(?:[^@/?]*@)?|[/?].*$/g, '');
const placeFile = process.env.POSITION_FILE ?? fileURLToPath(new URL('position.json', import.meta.url));

/** What to print for each type of event. These keys are also the server-side filter, so nothing else travels over the network. */
const lines = {
  TicketEscalated: ({ from, to, reason, skipped }) =>
    `${from} -> ${to}  handed up${skipped ? ` (skips tiers: ${skipped})` : ''}: ${reason}`,
  EscalationAccepted: ({ tier, agent }) => `${tier}        accepted by ${agent.name ?? agent.id}`,
  EscalationReturned: ({ from, to, reason, pingPong }) => `${from} -> ${to}  returned (${pingPong}x so far): ${reason}`,
  TicketDeescalated: ({ from, to, reason }) => `${from} -> ${to}  handed down: ${reason}`,
  HierarchicalEscalationRaised: ({ tier, reason }) => `${tier}        a lead was told: ${reason}`,
};

/** Where the last run stopped: a place is two numbers, and both are needed to go on from it. */
async function readPlace() {
  try {
    const { commit, prepare } = JSON.parse(await readFile(placeFile, 'utf8'));
    return { commit: BigInt(commit), prepare: BigInt(prepare) };
  } catch (error) {
    if (error.code === 'ENOENT') return START;
    throw new Error(`${placeFile} cannot be read (${error.message}). Delete it to begin at the start of the log.`, { cause: error });
  }
}

/** Written beside and renamed, so that a crash leaves the old place or the new one, never half of one. */
async function keepPlace({ commit, prepare }) {
  await writeFile(`${placeFile}.new`, JSON.stringify({ commit: String(commit), prepare: String(prepare) }));
  await rename(`${placeFile}.new`, placeFile);
}

const client = EventStoreDBClient.connectionString(url);
let place = process.argv.includes('--from-start') ? START : await readPlace();
let stopping = false;
let subscription;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    stopping = true;
    subscription?.unsubscribe().catch(() => {});
  });
}

console.log(`Escalations of ${host}, ${place === START ? 'from the start' : `after position ${place.commit}`}. Ctrl-C stops.`);

while (!stopping) {
  try {
    // A catch-up subscription: history first, then what comes, as it comes. The place given is the last one seen, and is not sent again.
    const types = Object.keys(lines).join('|');
    subscription = client.subscribeToAll({ fromPosition: place, filter: eventTypeFilter({ regex: `^(${types})$` }) });
    // `for await` takes one event at a time. With .on('data', async …) handlers would overlap, and the place could overtake the work.
    for await (const { event } of subscription) {
      const { effectiveAt, recordedAt, actor } = event.metadata;
      const late = effectiveAt === recordedAt ? '' : ` (learnt of at ${recordedAt})`;
      console.log(`${effectiveAt}  ${event.streamId}  ${lines[event.type](event.data)}  [${actor.name ?? actor.id}]${late}`);
      // First the work, then the place: after a crash in between, the last event comes once more. Make your own handler tell by event.id.
      place = event.position;
      await keepPlace(place);
    }
  } catch (error) {
    if (stopping) break;
    // Subscriptions never resume by themselves.
    console.error(`Connection lost (${error.message}). Trying again from the same place in 2 s.`);
    await pause(2_000);
  }
}

await client.dispose();
