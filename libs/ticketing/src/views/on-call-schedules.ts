import type { StateFace } from '#eventsourcing';
import type { OnCallSchedule } from '../desk/on-call.js';

export type OnCallDocument = NonNullable<OnCallSchedule>;

/** One document a schedule, by its name. */
export const onCallSchedules: StateFace<OnCallSchedule> = {
  name: 'on_call_schedules',
  version: 2,
  document: (state) => state,
  indexes: [],
};
