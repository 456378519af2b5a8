import type { Instant } from '#eventsourcing';
import type { Parameter } from '#platform';
import { isZone, momentIn } from '#ticketing';

/** An instant, or a date, which means its first moment in the zone of the query. */
function moment(description: string): Parameter<Instant> {
  return {
    parse: (given, zone = 'UTC') => momentIn(zone, given),
    rule: 'must be a date, such as 2026-11-21, or an ISO 8601 date-time with an offset, such as 2026-11-21T10:00:00Z (a + is written %2B)',
    description,
    schema: { type: 'string', anyOf: [{ format: 'date-time' }, { format: 'date' }] },
  };
}

/** The start of a period. @param until the parameter with its end */
export function periodBegin(description: string, until = 'to'): Parameter<Instant> {
  return { ...moment(description), until };
}

/** The end of a period, excluded: for a date, its first moment. */
export function periodEnd(description: string): Parameter<Instant> {
  return moment(description);
}

/** The zone in which the dates of a query are read. */
export const zoneOfDates: Parameter<string> = {
  parse: (given) => (isZone(given) ? given : undefined),
  rule: 'must be an IANA time zone, such as Europe/Berlin',
  description: 'Time zone for dates given instead of instants, such as `Europe/Berlin`; default: UTC',
  schema: { type: 'string', default: 'UTC' },
  isZone: true,
};
