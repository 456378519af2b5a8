import { type EventStore, foldedStreamsOf, PERSONAL_DATA_ERASED } from '#eventsourcing';

/** Drops this process's folded state of streams in which personal data was erased, until the signal aborts. */
export async function forgetErased(store: EventStore, signal: AbortSignal): Promise<void> {
  for await (const item of store.subscribe({ eventTypes: [PERSONAL_DATA_ERASED] }, 'end', signal))
    if (item.kind === 'event') foldedStreamsOf(store).forget(item.event.stream);
}
