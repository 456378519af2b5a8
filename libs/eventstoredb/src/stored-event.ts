import type { AllStreamRecordedEvent, Position as ClientPosition, ResolvedEvent } from '@eventstore/db-client';
import { instantFrom, type EventMetadata, type Position, type StoredEvent } from '#eventsourcing';

/** The client's form of an event: from a stream or `$all`, links unresolved. */
type ClientEvent = NonNullable<ResolvedEvent['event']> | AllStreamRecordedEvent;

/** The event in this library's form; undefined if another program wrote it. */
export function ownEvent(event: ClientEvent): StoredEvent | undefined {
  const { metadata, position } = event;
  if (!event.isJson || position === undefined || !isOurs(metadata)) return undefined;
  return {
    id: event.id,
    stream: event.streamId,
    revision: Number(event.revision),
    type: event.type,
    data: event.data,
    metadata,
    position: { commit: position.commit, prepare: position.prepare },
  };
}

/**
 * An event that another program put into one of this product's streams. It counts as a revision, so a read cannot omit it; its type gets a
 * prefix that no event of this product has, so that no fold mistakes it for a fact.
 */
export function foreignEvent(event: ClientEvent): StoredEvent {
  const created = instantFrom(event.created.getTime());
  return {
    id: event.id,
    stream: event.streamId,
    revision: Number(event.revision),
    type: `foreign:${event.type}`,
    data: event.isJson ? event.data : null,
    metadata: {
      commandId: event.id,
      commandType: 'foreign',
      correlationId: event.id,
      causationId: event.id,
      actor: { id: 'unknown', kind: 'system' },
      client: '',
      effectiveAt: created,
      recordedAt: created,
      schemaVersion: 1,
    },
    position: event.position ?? { commit: 0n, prepare: 0n },
  };
}

function isOurs(metadata: unknown): metadata is EventMetadata {
  if (typeof metadata !== 'object' || metadata === null) return false;
  const m = metadata as Partial<Record<keyof EventMetadata, unknown>>;
  return (
    typeof m.commandId === 'string' &&
    typeof m.commandType === 'string' &&
    typeof m.correlationId === 'string' &&
    typeof m.causationId === 'string' &&
    typeof m.actor === 'object' &&
    m.actor !== null &&
    typeof m.client === 'string' &&
    typeof m.effectiveAt === 'string' &&
    typeof m.recordedAt === 'string' &&
    typeof m.schemaVersion === 'number'
  );
}

/**
 * A checkpoint as a place to resume from. Servers leave the prepare position at 0 if a page of history had no match (recorded from
 * 23.10.6); without explicit transactions it is the commit position.
 */
export function checkpointPosition({ commit, prepare }: ClientPosition): Position {
  return { commit, prepare: prepare === 0n ? commit : prepare };
}
