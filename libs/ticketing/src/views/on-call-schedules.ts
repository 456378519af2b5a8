import type { StateFace } from '#eventsourcing';
import { type OnCallSchedule, onCallScheduleSchema } from '../desk/on-call.js';
import { documentSchema } from './stored.js';

export type OnCallDocument = NonNullable<OnCallSchedule>;

/** One document per schedule, by its name. */
export const onCallSchedules: StateFace<OnCallSchedule> = {
  name: 'on_call_schedules',
  version: 3,
  schema: () => documentSchema(onCallScheduleSchema, 'Name of the schedule'),
  document: (state) => state,
  indexes: [],
};
