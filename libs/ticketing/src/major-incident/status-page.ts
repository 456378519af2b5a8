import { epochMillis, type Instant } from '#eventsourcing';
import { maintenanceAt, type MaintenanceState } from '../alerts/maintenance.js';
import { DAY } from '../contract/contract.js';
import { omitUndefined } from '../plain-json.js';
import { about, instant, listOf, oneOf, open, optional, type Static, text } from '../schema.js';
import type { MajorIncident } from './major-incident.js';

export const statusPageSchema = about(
  open({
    client: about(text, 'The client (tenant)'),
    at: about(instant, 'Time of the page'),
    services: about(
      listOf(
        open({
          service: about(text, 'Name of the service'),
          state: about(oneOf(['up', 'maintenance', 'down']), '`down` during a major incident'),
        }),
      ),
      'Services of the contract and all others mentioned here, sorted by name',
    ),
    majorIncidents: about(
      listOf(
        open({
          service: optional(about(text, 'Affected service')),
          beganAt: about(instant, 'Start'),
          endedAt: optional(about(instant, 'End; absent while ongoing')),
          updates: about(listOf(open({ at: about(instant, 'When'), text: about(text, 'Broadcasts') })), 'Broadcasts, oldest first'),
        }),
      ),
      'Ongoing major incidents and those that ended within the last week, latest first',
    ),
    maintenance: about(
      listOf(
        open({
          title: about(text, 'Description of the work'),
          services: optional(about(listOf(text), 'Services concerned; absent: all')),
          from: about(instant, 'When it begins'),
          until: about(instant, 'When it ends'),
        }),
      ),
      'Current and planned maintenance windows, sorted by start',
    ),
  }),
  "Status of a client's services, with broadcasts but no other ticket content",
);

export type StatusPage = Static<typeof statusPageSchema>;

/** How long something is shown after its end, in milliseconds. */
const SHOWN_FOR = 7 * DAY;

/** The input of a status page. */
export interface StatusFacts {
  /** Services named in the contract. */
  readonly services: readonly string[];
  readonly maintenance: MaintenanceState;
  /** Major incidents of the client, latest first. */
  readonly majorIncidents: readonly MajorIncident[];
}

/** The status page of a client at an instant. */
export function statusPageOf(client: string, at: Instant, { services: known, maintenance, majorIncidents }: StatusFacts): StatusPage {
  const shown = majorIncidents.filter(
    ({ status, endedAt }) =>
      status === 'declared' || (status === 'stood-down' && endedAt !== undefined && epochMillis(endedAt) > epochMillis(at) - SHOWN_FOR),
  );
  const windows = (maintenance?.windows ?? []).filter(({ until }) => until > at);
  const down = shown.flatMap(({ status, service }) => (status === 'declared' && service !== undefined ? [service] : []));
  const named = [...known, ...shown.flatMap(({ service }) => service ?? []), ...windows.flatMap(({ services }) => services ?? [])];
  return {
    client,
    at,
    services: [...new Set(named)].sort().map((service) => ({
      service,
      state: down.includes(service) ? 'down' : maintenanceAt(maintenance, service, at) ? 'maintenance' : 'up',
    })),
    majorIncidents: shown.map(({ service, beganAt, endedAt, updates }) =>
      omitUndefined({ service, beganAt, endedAt, updates: updates.map(({ at, text }) => ({ at, text })) }),
    ),
    maintenance: windows.map(({ title, services, from, until }) => omitUndefined({ title, services, from, until })),
  };
}
