import type { StateFace } from '#eventsourcing';
import { reportDueAt, reportSchema, type ReportState } from '../desk/report.js';
import { omitUndefined } from '../plain-json.js';
import { documentSchema } from './stored.js';

/** One document per scheduled report, by its name, with its latest run. */
export const reports: StateFace<ReportState> = {
  name: 'reports',
  version: 1,
  schema: () => documentSchema(reportSchema, 'Name of the report'),
  document: (state) => {
    if (state === null) return null;
    const { runs, ...schedule } = state;
    return omitUndefined({ ...schedule, dueAt: reportDueAt(state), lastRun: runs.at(-1) });
  },
  indexes: [{ key: { dueAt: 1 } }],
};
