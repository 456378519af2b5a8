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

/** Ignores later events. */
export const asOf = past('Later events are left out; default: now');

/** The time of a question. */
export const whenParameters = {
  asOf: past('As it was then: later events are left out'),
  knownAt: past('As it was known then: events recorded later are left out'),
};

/**
 * What distinguishes a list of another time from the current one.
 * @param without parameters only for the current list, as given
 * @throws Problem invalid-query
 */
export function inPast(when: When, without: Readonly<Record<string, unknown>>): readonly unknown[] {
  if (!isPast(when)) return [];
  unlessGiven(without, 'asOf and knownAt', 'The past does not change');
  return [when.asOf ?? null, when.knownAt ?? null];
}
