import {
  deterministicId,
  ERASED,
  type EventStore,
  readAggregate,
  isRefusal,
  StreamDeleted,
  type StoredEvent,
  streamId,
} from '#eventsourcing';
import type { Mongo } from '#mongo';
import type { Destroyed, PersonalKeys, SealedBlobs } from '#privacy';
import { CLOCK_SKEW, type ErasedBecause, type PrivacyEvents, ticket, ticketDetails, type TicketEvents } from '#ticketing';
import { forgetDeliveries, isDelivering } from '#webhooks';
import { dropHeaders, mailWithoutKeyOf } from './inbound-mail-records.js';
import { runSystemCommand } from './run-command.js';
import { TicketInstants } from './ticket-instants.js';

/** What erasing depends on. */
export interface Erasing {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly keys: PersonalKeys;
  readonly blobs: SealedBlobs;
  /** How long requests in flight may still deliver erased data, in milliseconds (default: two minutes). */
  readonly settleMs?: number;
}

/** Longer than any request to a receiver, including the work after it. */
const SETTLE_MS = 120_000;

/** Destroys the keys of a forgotten person, and records it. Keys made later belong to a person who came back. @throws StoreUnavailable */
export async function eraseForgotten(erasing: Erasing, { data, metadata }: StoredEvent): Promise<void> {
  const { client, person } = data as PrivacyEvents['PersonForgotten'];
  const until = new Date(Date.parse(metadata.recordedAt) + CLOCK_SKEW);
  const because = 'forgotten' satisfies ErasedBecause;
  await erasing.keys.destroy({ client, person }, because, until);
  for await (const { _id, headers, sha256 } of mailWithoutKeyOf(erasing.db, erasing.keys, { client, person })) {
    if (headers !== undefined) await erasing.keys.destroy({ stream: headers.stream }, because, until);
    else await dropHeaders(erasing.db, { _id });
    if (sha256 !== undefined) await erasing.blobs.removePlain(sha256);
  }
  await tellErased(erasing);
}

/**
 * Records with every affected ticket that keys of its personal data were destroyed, and drops copies that are not derived from the log.
 * Resumes after an interruption. Undeliverable items do not hold it up. Requests in flight may still be answered with erased data, so
 * stored deliveries are checked once more after they end.
 * @throws StoreUnavailable
 */
export async function tellErased({ store, db, keys, blobs, settleMs = SETTLE_MS }: Erasing): Promise<void> {
  for (const destroyed of await keys.untold()) {
    await blobs.release(destroyed.key);
    // Belongs to a message kept aside, or to a question: it is in no ticket.
    if (!destroyed.stream.startsWith(`${ticket.category}-`)) {
      await keys.told(destroyed);
      continue;
    }
    const id = streamId(destroyed.stream);
    if (!(await isTold(store, id, destroyed))) continue;
    await dropHeaders(db, { ticketId: id });
    for (const sha256 of await plainAttachmentsErased(store, db, destroyed)) await blobs.removePlain(sha256);
    if (!(await TicketInstants.of(store, { db }).forgetErased())) continue;
    await forgetDeliveries(db, await subjectsOf(store, destroyed.stream));
    if (destroyed.isSecondLook || !(await isDelivering(db))) await keys.told(destroyed);
    else await keys.lookAgain(destroyed, new Date(Date.now() + settleMs));
  }
}

/**
 * Attachments of a ticket that may be stored unencrypted, and that no ticket with readable personal data has any more. They belong to the
 * reporter.
 */
async function plainAttachmentsErased(
  store: EventStore,
  db: Mongo['db'],
  { stream, person, because }: Destroyed,
): Promise<readonly string[]> {
  const { state } = await readAggregate(store, ticket, streamId(stream));
  if (state === null || (because !== 'retention' && person !== state.reporter.id)) return [];
  const erased: string[] = [];
  for (const { url, sha256 } of state.evidence) {
    const stillThere = { _id: { $ne: streamId(stream) }, evidence: { $elemMatch: { sha256, name: { $ne: ERASED } } } };
    if (url === `attachment:${sha256}` && (await db.collection<{ _id: string }>(ticketDetails.name).findOne(stillThere)) === null)
      erased.push(sha256);
  }
  return erased;
}

/** Subjects of the deliveries of a ticket's events: the ticket, or one message of a step. */
async function subjectsOf(store: EventStore, stream: string): Promise<readonly string[]> {
  const subjects = [stream.replace('-', '/')];
  for await (const { type, data } of store.readStream(stream))
    if (type === 'EscalationStepDispatched')
      subjects.push(...((data as TicketEvents['EscalationStepDispatched']).notifications ?? []).map(({ id }) => id));
  return subjects;
}

/** @returns false while the ticket accepts no events */
async function isTold(store: EventStore, id: string, { key, person, because }: Destroyed): Promise<boolean> {
  const commandId = deterministicId('erased', key);
  const actor = { id: 'eraser', kind: 'system' } as const;
  const body = { because: because as ErasedBecause, ...(because === 'retention' ? {} : { person }) };
  const context = { commandId, correlationId: commandId, causationId: commandId, actor };
  try {
    const done = await runSystemCommand(store, { aggregate: ticket, id, name: 'TellErased', body, context });
    // Without a ticket, the key was made for one that was never opened.
    return !isRefusal(done) || done.refused === 'ticket-not-found';
  } catch (error) {
    if (error instanceof StreamDeleted) return true;
    throw error;
  }
}
