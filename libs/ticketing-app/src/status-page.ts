import { type EventStore, type Instant, readAggregate } from '#eventsourcing';
import { contract, contractInForce, type MajorIncident, maintenance, majorIncidents, type StatusPage, statusPageOf } from '#ticketing';
import { databaseAnswer, find, type Sources } from './read-models.js';

/** Number of major incidents considered. */
const MOST_INCIDENTS = 100;

/** Whether a client's status page is public. */
export async function isStatusPublic({ store }: { readonly store: EventStore }, client: string, at: Instant): Promise<boolean> {
  const { state } = await readAggregate(store, contract, client);
  return contractInForce(state, at)?.terms.statusPage === 'public';
}

/** The status page of a client. */
export async function readStatusPage(
  sources: Sources,
  { client, at }: { readonly client: string; readonly at: Instant },
): Promise<StatusPage> {
  const { store } = sources;
  const found = find<MajorIncident>(sources, majorIncidents.name, { client, status: { $in: ['declared', 'stood-down'] } });
  const [{ state: agreed }, { state: planned }, incidents] = await Promise.all([
    readAggregate(store, contract, client),
    readAggregate(store, maintenance, client),
    databaseAnswer(found.sort({ beganAt: -1 }).limit(MOST_INCIDENTS).toArray()),
  ]);
  const services = Object.keys(contractInForce(agreed, at)?.terms.services ?? {});
  return statusPageOf(client, at, { services, maintenance: planned, majorIncidents: incidents });
}
