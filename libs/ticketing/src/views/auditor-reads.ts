import type { EventFace } from '#eventsourcing';
import { orAll } from '../identity/principal.js';
import { about, anyObject, count, instant, open, optional, refer, type Static, text } from '../schema.js';
import { actorSchema } from '../vocabulary.js';
import { documentSchema } from './stored.js';

const readSchema = open({
  query: about(text, 'Name of the query, such as `ticket`, `history`, `kpis`'),
  asked: about(anyObject, 'Parameters of the query: ids, filters, page'),
  id: optional(about(text, 'Id of what was read, if it was a single item')),
  count: optional(about(count, 'Number of items returned; absent for a stream')),
  clients: about(orAll(text), 'Clients whose data the reader may see, or `all`'),
});

/** A read by an auditor or an administrator. */
export type Read = Static<typeof readSchema>;

/** Recorded of readers who may read everything. */
export interface ReadEvents {
  readonly AuditorRead: Read;
}

/** Prefix of the streams of reads: one per process that answers queries. */
export const READS = 'reads';

export const auditorReadSchema = about(
  open({
    ...readSchema.entries,
    reader: about(refer(actorSchema), 'Who read it'),
    client: about(text, 'Client (tenant) whose data was requested; empty if none was named'),
    readAt: about(instant, 'When'),
  }),
  'A read by an auditor or an administrator',
);

export type AuditorRead = Static<typeof auditorReadSchema>;

/** One document per read. */
export const auditorReads: EventFace<ReadEvents> = {
  name: 'auditor_reads',
  version: 1,
  schema: () => documentSchema(auditorReadSchema, 'Id of the event that records it'),
  key: ({ id }) => id,
  entry: ({ data, metadata: { actor, client, recordedAt } }): AuditorRead => ({ ...data, reader: actor, client, readAt: recordedAt }),
  indexes: [
    { key: { position: 1 } },
    { key: { 'reader.id': 1, position: 1 } },
    { key: { id: 1, position: 1 } },
    { key: { client: 1, position: 1 } },
  ],
};
