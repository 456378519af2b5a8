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

/** What erasing stands on. */
export interface Erasing {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly keys: PersonalKeys;
  readonly blobs: SealedBlobs;
  /** How long what was in flight may go on telling what was erased, in milliseconds (default two minutes). */
  readonly settleMs?: number;
}

/** More than any request to a receiver takes, with what comes after it. */
const SETTLE_MS = 120_000;

/** Destroys the keys of a person who was forgotten, and tells of it. Keys that were made later belong to who came back. @throws StoreUnavailable */
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
 * Tells every ticket of whose personal data the keys were destroyed, and drops copies that do not follow from the log by themselves. Whatever broke it
 * off, it goes on where it was. Nothing that cannot be delivered holds it up; what was in flight may be answered with what was erased, and so what is kept
 * of deliveries is looked at once more when that is over.
 * @throws StoreUnavailable
 */
export async function tellErased({ store, db, keys, blobs, settleMs = SETTLE_MS }: Erasing): Promise<void> {
  for (const destroyed of await keys.untold()) {
    await blobs.release(destroyed.key);
    // Of a message that is kept aside, or of a question: it is in no ticket.
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

/** Attachments of a ticket, perhaps kept in the clear, that no ticket has any more whose personal data can be read. They are the reporter's. */
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

/** What deliveries of a ticket's events are about: the ticket, or one message of a step. */
async function subjectsOf(store: EventStore, stream: string): Promise<readonly string[]> {
  const subjects = [stream.replace('-', '/')];
  for await (const { type, data } of store.readStream(stream))
    if (type === 'EscalationStepDispatched')
      subjects.push(...((data as TicketEvents['EscalationStepDispatched']).notifications ?? []).map(({ id }) => id));
  return subjects;
}

/** @returns false while the ticket takes no events */
async function isTold(store: EventStore, id: string, { key, person, because }: Destroyed): Promise<boolean> {
  const commandId = deterministicId('erased', key);
  const actor = { id: 'eraser', kind: 'system' } as const;
  const body = { because: because as ErasedBecause, ...(because === 'retention' ? {} : { person }) };
  const context = { commandId, correlationId: commandId, causationId: commandId, actor };
  try {
    const done = await runSystemCommand(store, { aggregate: ticket, id, name: 'TellErased', body, context });
    // Where there is no ticket, a key was made for one that was never opened.
    return !isRefusal(done) || done.refused === 'ticket-not-found';
  } catch (error) {
    if (error instanceof StreamDeleted) return true;
    throw error;
  }
}
