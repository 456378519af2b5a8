import { hash } from 'node:crypto';
import { type BrokenChain, type Chain, chainText, follow } from '#audit';
import type { Appended, EventStore } from './event-store.js';
import type { NewEvent, StoredEvent } from './event.js';
import { asStored } from './personal.js';

const sha256 = (text: string): string => hash('sha256', text, 'hex');

/** Stream of the signed tree heads of the log: gets one at intervals, as long as others append. */
export const SEAL_STREAM = 'seal-log';

/** Extends the chain of a stream by one event as stored, before upcasting. */
export function followChain(chain: Chain, event: StoredEvent): Chain | BrokenChain {
  return follow(chain, asStored(event), sha256);
}

/**
 * Appends events to the end of a stream's chain, each with its hash, and with personal data encrypted. This product's events get into the
 * log only this way.
 * @param chain of the stream when it was read: the append fails if others have appended since
 * @throws RevisionConflict, StoreUnavailable, StreamDeleted
 */
export async function appendChained(
  store: EventStore,
  stream: string,
  chain: Chain,
  events: readonly NewEvent[],
): Promise<Appended & { readonly chain: Chain }> {
  let { hash: previous, revision } = chain;
  const linked = (await store.seal(stream, events)).map((event) => {
    revision++;
    previous = sha256(chainText({ ...event, stream, revision }, previous));
    return { ...event, metadata: { ...event.metadata, hash: previous } };
  });
  const appended = await store.append(stream, chain.revision < 0 ? 'no-stream' : chain.revision, linked);
  return { ...appended, chain: { hash: previous, revision, begun: true } };
}
