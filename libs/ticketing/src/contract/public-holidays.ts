import type { Fault } from '#eventsourcing';
import { asOne, boundedList, faultsOf, fields, optional, type Static, text, whole } from '../schema.js';

const MOST_YEARS = 10;

const publicHolidaysSchema = fields({
  country: text,
  state: optional(text),
  region: optional(text),
  years: asOne(boundedList(whole(1970, 2100), 1, MOST_YEARS, 'years'), `must be a list of 1 to ${MOST_YEARS} years from 1970 to 2100`),
});

/** Public holidays that a contract's calendar asks for, by place and year. */
export type PublicHolidays = Static<typeof publicHolidaysSchema>;

/** @param field where they are asked for in the input; whether there is such a place is for whoever knows the places */
export function faultsOfPublicHolidays(asked: unknown, field: string): readonly Fault[] {
  return faultsOf(publicHolidaysSchema, asked, field);
}
