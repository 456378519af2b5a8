import type { Instant } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import { type AuditorRead, auditorReads, omitUndefined } from '#ticketing';
import { type NewestFirst, type Page, readNewest, type Sources } from './read-models.js';

/** Filters for reads, combined with AND. */
export interface ReadsFilter {
  /** Id of the reader. */
  readonly reader?: string | undefined;
  readonly query?: string | undefined;
  /** Id of what was read. */
  readonly about?: string | undefined;
  readonly client?: string | undefined;
  readonly from?: Instant | undefined;
  readonly to?: Instant | undefined;
}

/** What auditors and administrators have read, newest first. */
export function readAuditorReads(
  sources: Pick<Sources, 'models'>,
  { filter: { reader, query, about, client, from, to }, ...page }: NewestFirst<ReadsFilter>,
): Promise<Page<ViewDocument<AuditorRead>>> {
  const filter = omitUndefined({
    'reader.id': reader,
    query,
    id: about,
    client,
    readAt: (from ?? to) ? { ...(from && { $gte: from }), ...(to && { $lt: to }) } : undefined,
  });
  return readNewest(sources, auditorReads.name, { filter, ...page });
}
