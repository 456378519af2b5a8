import { refuse, type Refusal } from '#eventsourcing';
import {
  type MAJOR_INCIDENT_STATUSES,
  type MajorIncident,
  majorIncident,
  majorIncidents,
  omitUndefined,
  type REVIEW_STATUSES,
} from '#ticketing';
import { type AtRevision, readKnown } from './at-revision.js';
import { type ByName, type Page, readByName, type Sources } from './read-models.js';

/** Filters for major incidents, combined with AND. */
export interface MajorIncidentsAsked extends ByName {
  readonly client?: string | undefined;
  readonly service?: string | undefined;
  readonly status?: (typeof MAJOR_INCIDENT_STATUSES)[number] | undefined;
  /** Status of the review. */
  readonly review?: (typeof REVIEW_STATUSES)[number] | undefined;
  /** Id of the ticket it is worked on in, or of one of its children. */
  readonly ticket?: string | undefined;
}

/** Major incidents by id. */
export function readMajorIncidents(
  sources: Sources,
  { client, service, status, review, ticket, limit, after }: MajorIncidentsAsked,
): Promise<Page<MajorIncident>> {
  const $or = ticket === undefined ? undefined : [{ parent: ticket }, { tickets: ticket }];
  const where = omitUndefined({ client, service, status, 'review.status': review, $or });
  return readByName<MajorIncident>(sources, { view: majorIncidents.name, where, limit, after });
}

export function readMajorIncident(
  sources: Sources,
  { id }: { readonly id: string },
): Promise<AtRevision<MajorIncident> | Refusal<'major-incident-not-found'>> {
  return readKnown(sources, majorIncident, id, refuse('major-incident-not-found', 'There is no such major incident'));
}
