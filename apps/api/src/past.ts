import { type Instant, instantFrom } from '#eventsourcing';
import { dateTime, type Parameter } from '#platform';
import { isPast, type When } from '#ticketing-app';
import { unlessGiven } from './pages.js';

/** An instant that is not in the future. */
function past(description: string): Parameter<Instant> {
  const instant = dateTime(description);
  return {
    ...instant,
    parse: (given) => {
      const parsed = instant.parse(given);
      return parsed !== undefined && parsed <= instantFrom(Date.now()) ? parsed : undefined;
    },
    rule: `${instant.rule}, and not in the future`,
  };
}

/** Leaves out what happened later. */
export const asOf = past('Later events are left out; default: now');

/** The time that is asked about. */
export const whenParameters = {
  asOf: past('As it was then: later events are left out'),
  knownAt: past('As it was known then: events recorded later are left out'),
};

/**
 * What tells a list of another time from that of now.
 * @param without parameters that are for that of now only, as they were given
 * @throws Problem invalid-query
 */
export function inPast(when: When, without: Readonly<Record<string, unknown>>): readonly unknown[] {
  if (!isPast(when)) return [];
  unlessGiven(without, 'asOf and knownAt', 'The past does not change');
  return [when.asOf ?? null, when.knownAt ?? null];
}
