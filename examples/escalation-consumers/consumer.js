// One of several consumers that share the escalations: the event store hands each event to one of them, and keeps their place.
// Run it beside `npm start`:   npx tierline setup && node examples/escalation-consumers/consumer.js
//
// Nothing but EventStoreDB's own client is needed. Start it twice to see the work divided; kill one, and the other takes over what it had not acknowledged.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EventStoreDBClient, PARK } from '@eventstore/db-client';

// `npm start` keeps its stores' URLs, with passwords, for those who may read its data directory.
const runFile = join(process.env.DATA_DIR ?? 'data', 'tierline.json');
const url = process.env.TIERLINE_EVENTSTORE_URL ?? process.env.EVENTSTORE_URL ?? JSON.parse(readFileSync(runFile, 'utf8')).eventStoreUrl;
const host = url.replace(/^[^/]*\/\/(?:[^@/?]*@)?|[/?].*$/g, '');
const client = EventStoreDBClient.connectionString(url);
let stopping = false;
let subscription;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    stopping = true;
    subscription?.unsubscribe().catch(() => {});
  });
}

console.log(`Consumer ${process.pid} of the group escalations at ${host}. Ctrl-C stops.`);

while (!stopping) {
  try {
    subscription = client.subscribeToPersistentSubscriptionToAll('escalations', { bufferSize: 10 });
    for await (const resolved of subscription) {
      const { event } = resolved;
      try {
        // The work. It may be asked for twice, after a crash, and not in order: tell by event.id, and by event.revision within event.streamId.
        console.log(`${event.metadata.recordedAt}  ${event.streamId}/${event.revision}  ${event.type}  ${event.id}`);
        await subscription.ack(resolved);
      } catch (error) {
        // What can never be done is parked, to be looked at; the others go on.
        await subscription.nack(PARK, String(error), resolved);
      }
    }
  } catch (error) {
    if (stopping) break;
    console.error(`Connection lost (${error.message}). Trying again in 2 s.`);
    await pause(2_000);
  }
}

await client.dispose();
