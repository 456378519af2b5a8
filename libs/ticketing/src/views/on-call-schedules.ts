import { evolve, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { onCall, type OnCallEvents, type OnCallSchedule } from '../desk/on-call.js';

export type OnCallDocument = NonNullable<OnCallSchedule>;

function apply(doc: OnCallDocument | null, event: RecordedEvent<OnCallEvents>): OnCallDocument | null {
  return evolve(onCall, doc, event, event.metadata);
}

/** One document a schedule, by its name. */
export const onCallSchedules: Projection<OnCallDocument, OnCallEvents> = {
  name: 'on_call_schedules',
  version: 1,
  streamPrefix: 'oncall-',
  aggregate: onCall,
  key: ({ stream }) => streamId(stream),
  apply,
  indexes: [],
};
