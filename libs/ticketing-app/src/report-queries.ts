import { isRefusal, refuse, type Refusal } from '#eventsourcing';
import { type Report, report as aggregate, type ReportNow, type ReportRun, reports } from '#ticketing';
import { type AtRevision, readKnown } from './at-revision.js';
import type { Page, Sources } from './read-models.js';

interface Named {
  readonly report: string;
}

function find(sources: Sources, { report: name }: Named): Promise<AtRevision<Report> | Refusal<'report-not-found'>> {
  return readKnown(sources, aggregate, name, refuse('report-not-found', 'There is no such report'));
}

/** A scheduled report as it is in the log. */
export async function readReport(sources: Sources, named: Named): Promise<AtRevision<ReportNow> | Refusal<'report-not-found'>> {
  const found = await find(sources, named);
  return isRefusal(found) ? found : { state: reports.document(found.state) as ReportNow, revision: found.revision };
}

/** The runs of a report, newest first. @param asked.after number of the last run of the previous page */
export async function readReportRuns(
  sources: Sources,
  { report, limit, after = Infinity }: Named & { readonly limit: number; readonly after?: number | undefined },
): Promise<Page<ReportRun> | Refusal<'report-not-found'>> {
  const found = await find(sources, { report });
  if (isRefusal(found)) return found;
  const older = found.state.runs.filter(({ run }) => run < after).reverse();
  return { items: older.slice(0, limit), more: older.length > limit };
}

/** A run of a report. */
export async function readReportRun(
  sources: Sources,
  { report, run: number }: Named & { readonly run: number },
): Promise<(ReportRun & Pick<Report, 'client'>) | Refusal<'report-not-found' | 'report-run-not-found'>> {
  const found = await find(sources, { report });
  if (isRefusal(found)) return found;
  const { client, runs } = found.state;
  const made = runs.find(({ run }) => run === number);
  return made === undefined ? refuse('report-run-not-found', 'There is no such report run') : { ...made, client };
}
