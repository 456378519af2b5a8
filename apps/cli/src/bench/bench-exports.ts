import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isRefusal } from '#eventsourcing';
import { FORMATS, formatsOf } from '#exports';
import { groupHealth, projectGroup } from '#mongo';
import { OPERATOR, ticketViews } from '#ticketing';
import { queries, runQuery } from '#ticketing-app';
import { appendTicket, fillWithTickets, untilLive } from './bench-projector.js';
import { onOwnStores } from './on-own-stores.js';

const TICKETS_LIVE = 200;

/** Rows exported per second of processor time, stores included, in each format; and the delay until appended events are in the facts. */
export async function benchExports(): Promise<void> {
  await onOwnStores(async ({ store, mongo, log }) => {
    await fillWithTickets(store);
    const projector = projectGroup({ db: mongo.db, store, group: ticketViews, log, owner: randomUUID() });
    await untilLive(projector);
    for (const query of [queries.factsExport, queries.eventLogExport]) {
      const read = () => runQuery({ store, models: mongo }, query, { principal: OPERATOR }, {});
      const first = await read();
      if (isRefusal(first)) throw new Error(first.message);
      for (const format of formatsOf(first.set)) {
        const found = await read();
        if (isRefusal(found)) throw new Error(found.message);
        const { set, batches } = found;
        let rows = 0;
        let bytes = 0;
        async function* counted() {
          for await (const batch of batches) {
            rows += batch.length;
            yield batch;
          }
        }
        const cpu = process.cpuUsage();
        for await (const piece of FORMATS[format].write(set, counted())) bytes += Buffer.byteLength(piece);
        const { user, system } = process.cpuUsage(cpu);
        console.log(
          `exports    ${set.name} as ${format}: ${Math.round(rows / ((user + system) / 1e6))} rows for each second of processor time, ` +
            `${Math.round(bytes / rows)} bytes a row`,
        );
      }
    }
    for (let index = 0; index < TICKETS_LIVE; index++) {
      await appendTicket(store, randomUUID());
      await pause(10);
    }
    for (;;) {
      const { freshness } = await groupHealth(mongo.db, ticketViews.name);
      if (freshness !== undefined && projector.status().every(({ lagMs }) => lagMs === 0)) {
        console.log(
          `exports    freshness: what is appended is in the facts ${freshness.p50} ms (p50) and ${freshness.p99} ms (p99) after it was recorded`,
        );
        break;
      }
      await pause(100);
    }
    await projector.stop();
  });
}
