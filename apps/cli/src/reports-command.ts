import Table from 'cli-table3';
import { type CommandsOf, isRefusal, readAggregate, type Refusal } from '#eventsourcing';
import { JsonBody, Problem } from '#http';
import { type Colours, type Terminal } from '#platform';
import {
  datesInWords,
  DefineReport,
  type DeliveryTarget,
  omitUndefined,
  report,
  type ReportNow,
  type ReportRun,
  reports,
  reportViews,
  RequestReportRun,
} from '#ticketing';
import { asOperator, runCommand } from '#ticketing-app';
import { viewsCaughtUp } from './caught-up.js';
import { Complaint } from './complaint.js';
import { readJson } from './json-file.js';
import type { Session } from './session.js';

/** The options of a schedule on the command line. */
export interface DefineWords {
  readonly file?: string;
  readonly client?: string;
  readonly every?: string;
  readonly zone?: string;
  readonly hour?: number;
  readonly description?: string;
  readonly toFolder?: readonly string[];
  readonly toTeam?: readonly string[];
  readonly toPerson?: readonly string[];
  readonly toWebhook?: readonly string[];
}

type Print = Terminal['print'];

/** Defines a report, or changes it: options override the file. @throws Complaint */
export async function defineReport(session: Session, name: string, { file, ...words }: DefineWords, print: Print): Promise<void> {
  const { client, every, zone, hour, description, toFolder = [], toTeam = [], toPerson = [], toWebhook = [] } = words;
  const targets: readonly DeliveryTarget[] = [
    ...toFolder.map((folder) => ({ by: 'folder' as const, folder })),
    ...toTeam.map((team) => ({ by: 'email' as const, to: { kind: 'team' as const, team } })),
    ...toPerson.map((id) => ({ by: 'email' as const, to: { kind: 'person' as const, person: { id } } })),
    ...toWebhook.map((webhook) => ({ by: 'webhook' as const, webhook })),
  ];
  const said = omitUndefined({ client, every, zone, hour, description, deliverTo: targets.length > 0 ? targets : undefined });
  const schedule: unknown = file === undefined ? {} : await readJson(file);
  // The server reports a body that is not an object.
  const body = checked(DefineReport, typeof schedule === 'object' && schedule !== null ? { ...schedule, ...said } : schedule);
  const changed = await sent(session, name, 'DefineReport', body);
  const { state } = await readAggregate(session.store, report, name);
  const { dueAt } = shown(state);
  print(`${changed ? 'Defined' : 'Nothing has changed'}${dueAt === undefined ? '' : `; the next one is due ${dueAt}`}\n`);
}

/** Pauses, resumes or retires a report. @throws Complaint */
export async function changeReport(
  session: Session,
  name: string,
  change: 'PauseReport' | 'ResumeReport' | 'RetireReport',
  print: Print,
): Promise<void> {
  const changed = await sent(session, name, change, {});
  const done = { PauseReport: 'Paused', ResumeReport: 'Resumed', RetireReport: 'Retired; its runs stay' }[change];
  print(changed ? `${done}\n` : 'Nothing has changed\n');
}

/** Requests a report now. @param on a date of the period; default: the last complete one @throws Complaint */
export async function requestRun(session: Session, name: string, on: string | undefined, print: Print): Promise<void> {
  const body = checked(RequestReportRun, omitUndefined({ on }));
  const isNew = await sent(session, name, 'RequestReportRun', body);
  const { state } = await readAggregate(session.store, report, name);
  const asked = state?.requests.at(-1);
  const period = asked === undefined || state === null ? '' : ` of ${datesInWords({ ...asked, zone: state.zone })}`;
  print(isNew ? `A run${period} is requested: a worker makes it\n` : 'It is requested already: a worker makes it\n');
}

/** Prints the reports with their due dates, and the outcome of the last run. @param all includes retired ones */
export async function listReports(
  session: Session,
  { all = false, json = false }: { readonly all?: boolean; readonly json?: boolean },
  signal: AbortSignal,
  { print, colours }: Pick<Terminal, 'print' | 'colours'>,
): Promise<void> {
  await viewsCaughtUp(session, await session.startWorkerIfAlone(), signal, [reportViews]);
  const found = await session.mongo.db.collection<{ readonly _id: string }>(reports.name).find().sort({ _id: 1 }).toArray();
  const known = await Promise.all(found.map(async ({ _id }) => shown((await readAggregate(session.store, report, _id)).state)));
  const listed = known.filter(({ state }) => all || state !== 'retired');
  if (json) return print(`${JSON.stringify(listed, null, 2)}\n`);
  print(listed.length === 0 ? 'There are no reports\n' : `${tableOf(listed, colours)}\n`);
}

function tableOf(listed: readonly ReportNow[], { bold, red }: Colours): string {
  const table = new Table({
    head: ['report', 'client', 'every', 'next due', 'last run', 'outcome'].map(bold),
    style: { head: [], border: [], compact: true },
  });
  for (const { report: name, client, every, state, dueAt = state, lastRun } of listed) {
    const failed = lastRun?.deliveries?.some((one) => one.failed) === true;
    const outcome = lastRun === undefined ? '' : outcomeOf(lastRun);
    table.push([
      name,
      client,
      every,
      dueAt,
      lastRun ? `${lastRun.run}: ${datesInWords(lastRun)}` : 'none',
      failed ? red(outcome) : outcome,
    ]);
  }
  return table.toString();
}

/** The outcome of a run: where delivery failed and why, otherwise its progress. */
function outcomeOf({ madeAt, deliverTo = [], deliveries = [] }: ReportRun): string {
  const made = `made ${madeAt}`;
  if (deliverTo.length === 0) return made;
  const failed = deliveries.flatMap(({ target, failed }) => {
    const to = deliverTo[target];
    return failed === undefined || to === undefined ? [] : [`${nameOf(to)}: ${failed.because}`];
  });
  const delivered = deliveries.length - failed.length;
  return [made, `delivered to ${delivered} of ${deliverTo.length}`, ...failed].join('; ');
}

function nameOf(target: DeliveryTarget): string {
  if (target.by === 'folder') return `folder ${target.folder}`;
  if (target.by === 'webhook') return `webhook ${target.webhook}`;
  return target.to.kind === 'person'
    ? `e-mail to ${target.to.person.id}`
    : `e-mail to ${target.to.kind === 'team' ? target.to.team : target.to.kind}`;
}

function shown(state: Parameters<typeof reports.document>[0]): ReportNow {
  return reports.document(state) as ReportNow;
}

type Commands = CommandsOf<typeof report>;

/** @returns whether anything has changed @throws Complaint */
async function sent<Name extends keyof Commands>({ store }: Session, id: string, name: Name, body: Commands[Name]): Promise<boolean> {
  const done = await runCommand(store, { aggregate: report, id, name, body, context: asOperator() });
  if (isRefusal(done)) throw new Complaint(inWords(done));
  return done.events.length > 0;
}

/** The body of a command, as over HTTP. @throws Complaint that names the fields */
function checked<Body extends object>(type: new () => Body, value: unknown): Body {
  try {
    return new JsonBody(type).transform(value);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Complaint(inWords({ message: 'Invalid report', ...(error.faults && { faults: error.faults }) }));
  }
}

function inWords({ message, faults = [] }: Pick<Refusal, 'message' | 'faults'>): string {
  // Rules for the whole body name the field themselves.
  const told = faults.map(({ field, message }) => (message.startsWith(`${field} `) ? `  ${message}` : `  ${field}: ${message}`));
  return [message, ...told].join('\n');
}
