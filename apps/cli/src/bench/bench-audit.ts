import { hash } from 'node:crypto';
import { type Chain, chainText, GrowingRoot, isBroken, leafText, merkleTree, NO_EVENTS, utf8 } from '#audit';
import { appendChained, followChain, type StoredEvent } from '#eventsourcing';
import { onOwnStores } from './on-own-stores.js';
import { seededTicket } from './seeded-ticket.js';

const TICKETS = 200;
const EVENTS = 50;
const APPENDS = 12_000;
/** Concurrent appends. */
const WRITERS = 64;

/**
 * Events verified in a chain, and added as leaves to the tree, per second of processor time; and the share of hashing in an append to the
 * embedded node, client and node together.
 */
export async function benchAudit(): Promise<void> {
  const events = stored();
  const chained = rate(events.length, () => {
    let chain: Chain = NO_EVENTS;
    for (const event of events) {
      const next = followChain(event.revision === 0 ? NO_EVENTS : chain, event);
      if (isBroken(next)) throw new Error(`${event.stream}@${next.revision}: ${next.reason}`);
      chain = next;
    }
  });
  const tree = merkleTree((data) => hash('sha256', data, 'buffer'));
  const leaves = rate(events.length, () => {
    const root = new GrowingRoot(tree);
    for (const event of events) root.add(tree.leafHash(utf8(leafText(event))));
    root.root();
  });
  console.log(
    `audit      ${leaves.toFixed(0)} events a second of processor time become leaves of the tree, ${chained.toFixed(0)} are checked in their chain`,
  );

  await onOwnStores(async ({ store }) => {
    const tickets = Array.from({ length: APPENDS / 10 }, () => seededTicket(10));
    const appends = async (from: number, to: number): Promise<number> => {
      const began = process.cpuUsage();
      const queue = tickets.slice(from, to).values();
      const writer = async (): Promise<void> => {
        for (const { stream, written } of queue) {
          let chain: Chain = NO_EVENTS;
          for (const event of written) ({ chain } = await appendChained(store, stream, chain, [event]));
        }
      };
      await Promise.all(Array.from({ length: WRITERS }, writer));
      const { user, system } = process.cpuUsage(began);
      return (user + system) / ((to - from) * 10);
    };
    await appends(0, tickets.length / 3);
    const perAppend = await appends(tickets.length / 3, tickets.length);
    const perHash = 1e6 / rate(events.length, () => events.forEach((event) => hash('sha256', chainText(event, null), 'hex')));
    console.log(
      `audit      hashing is ${((perHash / perAppend) * 100).toFixed(1)} % of an append: ${perHash.toFixed(1)} of ${perAppend.toFixed(0)} microseconds of processor time, node and client together`,
    );

    const personal = [{ person: 'j.doe', fields: ['data.summary', 'data.reporter.name'] }];
    const opened = events.filter(({ revision }) => revision === 0).map((event) => ({ ...event, personal }));
    const sealing = async (streams: string): Promise<number> => {
      const began = process.cpuUsage();
      await Promise.all(opened.map((event, index) => store.seal(`ticket-${streams}${index}`, [event])));
      const { user, system } = process.cpuUsage(began);
      return (user + system) / opened.length;
    };
    for (const warmUp of ['a', 'b', 'c', 'd', 'e']) await sealing(warmUp);
    const withNewKey = await sealing('new');
    let known = 0;
    for (let round = 0; round < 20; round++) known = await sealing('new');
    console.log(
      `audit      personal data: ${known.toFixed(1)} microseconds of processor time to encrypt an event's, ${withNewKey.toFixed(0)} with a new key, node and client together`,
    );
  });
}

/** Tickets with their hashes, as they come from a store: parsed from JSON. */
function stored(): StoredEvent[] {
  return Array.from({ length: TICKETS }, () => seededTicket(EVENTS)).flatMap(({ stream, written }) => {
    let previous: string | null = null;
    return written.map((event, revision) => {
      previous = hash('sha256', chainText({ ...event, stream, revision }, previous), 'hex');
      const read = JSON.parse(JSON.stringify({ ...event, metadata: { ...event.metadata, hash: previous } })) as typeof event;
      return { ...read, stream, revision, position: { commit: 0n, prepare: 0n } };
    });
  });
}

/** Rate per second of processor time; the second of two rounds. */
function rate(count: number, work: () => void): number {
  work();
  const began = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(began);
  return count / ((user + system) / 1e6);
}
