import { writeFile } from 'node:fs/promises';
import { isRefusal } from '#eventsourcing';
import type { RootCauseReport } from '#ticketing';
import { readRootCauseReport, reportAsHtml, reportAsMarkdown } from '#ticketing-app';
import { Complaint, asUnwritable } from '../complaint.js';
import type { Session } from '../session.js';

export interface RootCauseWords {
  readonly ticket?: string;
  readonly problem?: string;
  readonly format: 'markdown' | 'html' | 'json';
  readonly out?: string;
}

const written: Readonly<Record<RootCauseWords['format'], (report: RootCauseReport) => string>> = {
  markdown: reportAsMarkdown,
  html: reportAsHtml,
  json: (report) => `${JSON.stringify(report, undefined, 2)}\n`,
};

/** Writes the root cause report of a ticket or a problem. */
export async function reportRootCause(
  { store }: Pick<Session, 'store'>,
  { ticket, problem, format, out }: RootCauseWords,
  print: (text: string) => void,
): Promise<void> {
  const id = ticket ?? problem;
  if (id === undefined || (ticket !== undefined && problem !== undefined))
    throw new Complaint('Name what the report is of', 'Either --ticket ID or --problem ID');
  const report = await readRootCauseReport({ store }, { of: ticket === undefined ? 'problem' : 'ticket', id: id.toLowerCase() });
  if (isRefusal(report)) throw new Complaint(report.message, 'GET /v1/problems and GET /v1/tickets list them with their ids');
  const text = written[format](report);
  if (out === undefined) print(text);
  else
    await writeFile(out, text).catch((error: unknown) => {
      throw asUnwritable(out, error);
    });
}
