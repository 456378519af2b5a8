import { type Aggregate, commandsOn, epochMillis, type EventsOf, type Fault, type Instant, instantFrom, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Name, OneOf, Pattern, Text, WholeNumber } from '../command-fields.js';
import { zoneSchema } from '../contract/business-calendar.js';
import { escalationTargetSchema, UNDELIVERED } from '../contract/escalation-policy.js';
import { dateBegins, hourOfDay, periodAt } from '../periods.js';
import { omitUndefined, same, without } from '../plain-json.js';
import { publishedChangesOf, publishedEvent } from '../published-event.js';
import {
  about,
  boundedList,
  count,
  faultsOf,
  fields,
  instant,
  listOf,
  literal,
  matching,
  oneOf,
  oneOfKinds,
  open,
  optional,
  refer,
  type Static,
  text,
  withRule,
} from '../schema.js';
import { actorSchema } from '../vocabulary.js';

/** Period of a report. */
export const REPORT_PERIODS = ['day', 'week', 'month'] as const;

/** Default hour at which a report is made, late enough to include events recorded during the night. */
const USUAL_HOUR = 6;
/** After a downtime at most this many missed periods are reported, the latest ones. */
const MOST_MADE_UP = 31;

const WEBHOOK = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;
const FOLDER = /^[\w-][\w. -]{0,99}$/;

export const deliveryTargetSchema = oneOfKinds(
  'by',
  [
    fields({
      by: about(literal('folder'), 'Delivers it as a file'),
      folder: about(matching(FOLDER, 'must be the name of a folder, without slashes'), 'Name of a subfolder of the configured folder'),
    }),
    fields({
      by: about(literal('email'), 'Delivers it by e-mail'),
      to: about(escalationTargetSchema, 'A person or a team, at their contact address'),
    }),
    fields({
      by: about(literal('webhook'), 'Delivers a signed event with the location of the document'),
      webhook: about(matching(WEBHOOK, 'must be the id of a webhook'), "Id of a webhook that receives the client's events"),
    }),
  ],
  'must be one of folder, email, webhook',
);

/** Where a report is delivered to. */
export type DeliveryTarget = Static<typeof deliveryTargetSchema>;

export const isDeliveryTarget = (value: unknown): value is DeliveryTarget => faultsOf(deliveryTargetSchema, value, '').length === 0;

const deliveriesSchema = withRule(boundedList(deliveryTargetSchema, 0, 20, 'targets'), (targets) =>
  targets.flatMap((target, index) =>
    target.by === 'email' && target.to.kind !== 'person' && target.to.kind !== 'team'
      ? [{ at: [index, 'to'], message: 'must be a person or a team' }]
      : [],
  ),
);

const deliverySchema = open({
  target: about(count, 'Index of the target in `deliverTo`, from 0'),
  at: about(instant, 'When it was delivered or abandoned'),
  failed: optional(
    about(
      open({ because: about(oneOf(UNDELIVERED), 'Why'), detail: optional(about(text, 'Response of the receiver')) }),
      'Why it could not be delivered',
    ),
  ),
});

export const reportRunSchema = open({
  run: about(count, 'Number of the run, from 1'),
  from: about(instant, 'Start of the period'),
  to: about(instant, 'End of the period (exclusive)'),
  zone: optional(about(text, 'IANA time zone of its days; absent from runs made before this was recorded')),
  request: optional(about(count, 'Number of the request that started it; absent for scheduled runs')),
  position: about(text, 'Position in the log its figures were computed at'),
  evaluatedAt: about(instant, 'Instant up to which events were counted'),
  sha256: about(text, 'SHA-256 of the document, in hexadecimal'),
  bytes: about(count, 'Size of the document in bytes'),
  madeAt: about(instant, 'When it was made'),
  deliverTo: optional(about(listOf(refer(deliveryTargetSchema)), 'Delivery targets')),
  deliveries: optional(about(listOf(deliverySchema), 'Deliveries and failures')),
});

/** A finished report. */
export type ReportRun = Static<typeof reportRunSchema>;

const requestSchema = open({
  request: about(count, 'Number of the request, from 1'),
  from: about(instant, 'Start of the period'),
  to: about(instant, 'End of the period (exclusive)'),
  at: about(instant, 'When it was requested'),
});

const scheduleSchema = open({
  report: about(text, 'Name of the report'),
  client: about(text, 'Client (tenant) the report covers'),
  every: about(oneOf(REPORT_PERIODS), 'Period of each report, and how often the report runs'),
  zone: about(text, 'IANA time zone of its days'),
  hour: about(count, 'Hour, in that time zone, at which it runs on the day a period ends'),
  description: optional(about(text, 'Purpose')),
  deliverTo: optional(about(listOf(refer(deliveryTargetSchema)), 'Delivery targets')),
});

/** The settings of a scheduled report. */
type Schedule = Static<typeof scheduleSchema>;

export const reportSchema = about(
  open({
    ...scheduleSchema.entries,
    state: about(oneOf(['active', 'paused', 'retired']), 'Whether it runs'),
    next: about(instant, 'Start of the first period not yet reported'),
    requests: about(listOf(requestSchema), 'Requested runs not made yet, oldest first'),
    requested: about(count, 'Number of requests so far'),
    definedAt: about(instant, 'When it was defined'),
    definedBy: about(refer(actorSchema), 'Who defined it'),
    dueAt: optional(about(instant, 'When the next run is due')),
    lastRun: optional(about(refer(reportRunSchema), 'The latest run')),
  }),
  'A scheduled report for a client',
);

/** A scheduled report, for display. */
export type ReportNow = Static<typeof reportSchema>;

/** A scheduled report with all of its runs. */
export interface Report extends Omit<ReportNow, 'dueAt' | 'lastRun'> {
  readonly runs: readonly ReportRun[];
}
export type ReportState = Report | null;

/** The next period to report on. */
export type DueRun = Pick<ReportRun, 'from' | 'to' | 'request'>;

@JSONSchema({
  description:
    'Defines or changes a scheduled report for a client. It runs once after each day, week (from Monday) or month in its time zone.',
  examples: [{ client: 'northwind', every: 'month', description: 'For the service review' }],
})
export class DefineReport {
  @Name({ description: 'Client (tenant) the report covers. Cannot be changed later', max: 100, example: 'northwind' })
  client!: string;

  @OneOf(REPORT_PERIODS, { description: 'Period of each report, and how often the report runs' })
  every!: (typeof REPORT_PERIODS)[number];

  @Name({ description: "IANA time zone; default: that of the client's contract", max: 100, optional: true })
  zone?: string;

  @WholeNumber({
    description: `Hour, in that time zone, at which it runs on the day a period ends; default: ${USUAL_HOUR}`,
    min: 0,
    max: 23,
    optional: true,
  })
  hour?: number;

  @Text({ description: 'Purpose', max: 500, optional: true })
  description?: string;

  @Fields({
    description:
      'Delivery targets: `{"by": "folder", "folder": "northwind"}`, `{"by": "email", "to": {"kind": "team", "team": "northwind"}}`, or `{"by": "webhook", "webhook": "<its id>"}`',
    list: true,
    optional: true,
  })
  deliverTo?: readonly DeliveryTarget[];
}

@JSONSchema({
  description: 'Runs a report now, for the last completed period or the one that contains a given day. The schedule is not affected.',
  examples: [{}],
})
export class RequestReportRun {
  @Pattern(/^\d{4}-\d\d-\d\d$/, 'must be a date such as 2026-11-21', {
    description: "A date within the period, in the report's time zone",
    optional: true,
  })
  on?: string;
}

/** What only the report maker reports: the result. */
export type RecordReportRun = Omit<ReportRun, 'run' | 'zone' | 'madeAt' | 'deliverTo' | 'deliveries'>;

/** What only the deliverer reports: the outcome for one target of a run. */
export type RecordReportDelivery = Omit<NonNullable<ReportRun['deliveries']>[number], 'at'> & Pick<ReportRun, 'run'>;

/** What a schedule needs from elsewhere: the default zone, and the faults of the webhooks it names. */
export interface ReportFacts {
  readonly zone: string;
  readonly faults: readonly Fault[];
}

type Named = Pick<Report, 'report'>;
type Begun = Schedule & Pick<Report, 'next'>;
type Completed = Named & Omit<ReportRun, 'madeAt' | 'deliveries'>;

/** With the path of its document, below the API's base address. */
const withDocument = (data: Completed) => ({
  ...data,
  document: `/v1/reports/${encodeURIComponent(data.report)}/runs/${data.run}/document`,
  mediaType: 'text/html',
});

const change = publishedChangesOf<Report>();

function deliveryTold(
  state: Report,
  { run: number, target, failed }: RecordReportDelivery,
  { effectiveAt }: { readonly effectiveAt: Instant },
): Report {
  const delivery = omitUndefined({ target, at: effectiveAt, failed });
  const others = ({ deliveries = [] }: ReportRun) => deliveries.filter((one) => one.target !== target);
  const runs = state.runs.map((one) => (one.run === number ? { ...one, deliveries: [...others(one), delivery] } : one));
  return { ...state, runs };
}

const events = {
  ReportDefined: publishedEvent<ReportState, Begun, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (state, begun, { actor, effectiveAt }) => ({
      ...begun,
      state: 'active',
      requests: [],
      requested: state?.requested ?? 0,
      definedAt: effectiveAt,
      definedBy: actor,
      runs: state?.runs ?? [],
    }),
  }),
  ReportChanged: change<Begun, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (state, begun) => ({ ...without(state, 'description', 'deliverTo'), ...begun }),
  }),
  ReportPaused: change<Named, 'none'>({ publicData: 'none', personal: null, evolve: (state) => ({ ...state, state: 'paused' }) }),
  ReportResumed: change<Pick<Report, 'report' | 'next'>, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (state, { next }) => ({ ...state, state: 'active', next }),
  }),
  ReportRetired: change<Named, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (state) => ({ ...state, state: 'retired', requests: [] }),
  }),
  ReportRunRequested: change<Named & Omit<Report['requests'][number], 'at'>, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (state, { request, from, to }, { effectiveAt }) => ({
      ...state,
      requests: [...state.requests, { request, from, to, at: effectiveAt }],
      requested: request,
    }),
  }),
  ReportRunDelivered: change<Named & Pick<RecordReportDelivery, 'run' | 'target'>, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: deliveryTold,
  }),
  ReportRunUndelivered: change<Named & RecordReportDelivery, 'none'>({ publicData: 'none', personal: null, evolve: deliveryTold }),
  ReportRunCompleted: change<Completed, typeof withDocument>({
    publicData: withDocument,
    personal: null,
    evolve: (state, { report: _, ...run }, { effectiveAt }) => ({
      ...state,
      ...(run.request === undefined ? { next: run.to } : { requests: state.requests.filter(({ request }) => request !== run.request) }),
      runs: [...state.runs, { ...run, madeAt: effectiveAt }],
    }),
  }),
};

/** What must be made by an instant: requests first, then each period that has ended, oldest first. */
export function dueRun(report: Report, at: Instant): DueRun | undefined {
  const [asked] = report.requests;
  if (asked !== undefined) return { from: asked.from, to: asked.to, request: asked.request };
  if (report.state !== 'active') return undefined;
  const ended: { readonly from: number; readonly to: number }[] = [];
  for (
    let period = nextPeriod(report);
    madeAt(report, period) <= epochMillis(at);
    period = periodAt(report.every, report.zone, period.to)
  ) {
    ended.push(period);
    if (ended.length > MOST_MADE_UP) ended.shift();
  }
  const [first] = ended;
  return first && { from: instantFrom(first.from), to: instantFrom(first.to) };
}

/** When the next run is due; undefined if there will be none. */
export function reportDueAt(report: Report): Instant | undefined {
  const [asked] = report.requests;
  if (asked !== undefined) return asked.at;
  return report.state === 'active' ? instantFrom(madeAt(report, nextPeriod(report))) : undefined;
}

/** The period of the same length that ended at the start of another one. */
export function periodBefore(
  { every, zone }: Pick<Report, 'every' | 'zone'>,
  { from }: Pick<ReportRun, 'from'>,
): Pick<ReportRun, 'from' | 'to'> {
  return { from: instantFrom(periodAt(every, zone, epochMillis(from) - 1).from), to: from };
}

/** The first and last date of a run's period, in its zone. */
export function datesOf({ from, to, zone = 'UTC' }: Pick<ReportRun, 'from' | 'to' | 'zone'>): {
  readonly first: string;
  readonly last: string;
} {
  const dateOf = (at: number) => periodAt('day', zone, at).key;
  return { first: dateOf(epochMillis(from)), last: dateOf(epochMillis(to) - 1) };
}

/** The dates of a run's period, in its zone: `2026-11-16 to 2026-11-22`, or one date. */
export function datesInWords(run: Parameters<typeof datesOf>[0]): string {
  const { first, last } = datesOf(run);
  return first === last ? first : `${first} to ${last}`;
}

/** Indexes of a run's targets that are this webhook. */
export function targetsAt(webhook: string, { deliverTo = [] }: Pick<ReportRun, 'deliverTo'>): readonly number[] {
  return deliverTo.flatMap((target, index) => (target.by === 'webhook' && target.webhook === webhook ? [index] : []));
}

function nextPeriod({ every, zone, next }: Pick<Report, 'every' | 'zone' | 'next'>) {
  return periodAt(every, zone, epochMillis(next));
}

function madeAt({ zone, hour }: Pick<Report, 'zone' | 'hour'>, { to }: { readonly to: number }): number {
  return hourOfDay(zone, to, hour);
}

/** A report starts with the period in which it is defined, changed or resumed. */
function beginNow({ every, zone }: Pick<Report, 'every' | 'zone'>, at: Instant): Instant {
  return instantFrom(periodAt(every, zone, epochMillis(at)).from);
}

const command = commandsOn<ReportState, EventsOf<{ readonly events: typeof events }>>();
const noReport = () => refuse('report-not-found', 'There is no such report');
const invalid = (...faults: readonly Fault[]) => refuse('report-invalid', 'Invalid report', faults);
type Nothing = Readonly<Record<never, never>>;

/** A recurring report about a client. One stream per report: `report-<name>`. */
export const report = {
  category: 'report',
  noun: 'report',
  idName: 'report',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    DefineReport: command({
      body: DefineReport,
      route: 'PUT /v1/reports/{report}',
      refuses: ['report-invalid'],
      needs: 'report-facts',
      decide(
        { client, every, zone: asked, hour = USUAL_HOUR, description, deliverTo },
        state,
        { id = '', effectiveAt },
        { zone, faults: unknown }: ReportFacts = { zone: asked ?? 'UTC', faults: [] },
      ) {
        if (state !== null && state.client !== client) return invalid({ field: 'client', message: `must stay ${state.client}` });
        const faults = [...faultsOf(zoneSchema, zone, 'zone'), ...faultsOf(deliveriesSchema, deliverTo ?? [], 'deliverTo')];
        if (faults.length > 0) return invalid(...faults);
        if (unknown.length > 0) return invalid(...unknown);
        const targets = deliverTo?.map((target) =>
          target.by === 'webhook' ? { ...target, webhook: target.webhook.toLowerCase() } : target,
        );
        const schedule: Schedule = omitUndefined({ report: id, client, every, zone, hour, description, deliverTo: targets });
        const next = beginNow(schedule, effectiveAt);
        if (!isKept(state)) return [{ type: 'ReportDefined', data: { ...schedule, next } }];
        if (same(schedule, without(state, 'state', 'next', 'requests', 'requested', 'definedAt', 'definedBy', 'runs'))) return [];
        const isOtherPeriod = state.every !== every || state.zone !== zone;
        return [{ type: 'ReportChanged', data: { ...schedule, next: isOtherPeriod ? next : state.next } }];
      },
    }),
    PauseReport: command({
      route: 'POST /v1/reports/{report}/pause',
      refuses: ['report-not-found'],
      decide(_command: Nothing, state) {
        if (!isKept(state)) return noReport();
        return state.state === 'paused' ? [] : [{ type: 'ReportPaused', data: { report: state.report } }];
      },
    }),
    ResumeReport: command({
      route: 'POST /v1/reports/{report}/resume',
      refuses: ['report-not-found'],
      decide(_command: Nothing, state, { effectiveAt }) {
        if (!isKept(state)) return noReport();
        if (state.state === 'active') return [];
        const now = beginNow(state, effectiveAt);
        return [{ type: 'ReportResumed', data: { report: state.report, next: now > state.next ? now : state.next } }];
      },
    }),
    RetireReport: command({
      route: 'DELETE /v1/reports/{report}',
      refuses: ['report-not-found'],
      decide(_command: Nothing, state) {
        if (state === null) return noReport();
        return state.state === 'retired' ? [] : [{ type: 'ReportRetired', data: { report: state.report } }];
      },
    }),
    RequestReportRun: command({
      body: RequestReportRun,
      route: 'POST /v1/reports/{report}/runs',
      refuses: ['report-not-found', 'report-invalid', 'report-period-not-over'],
      decide({ on }, state, { effectiveAt }) {
        if (!isKept(state)) return noReport();
        const { every, zone } = state;
        const now = epochMillis(effectiveAt);
        const within = on === undefined ? periodAt(every, zone, now).from - 1 : dateBegins(zone, on);
        if (within === undefined) return invalid({ field: 'on', message: 'must be a date' });
        const period = periodAt(every, zone, within);
        if (period.to > now) return refuse('report-period-not-over', `The ${every} ends at ${instantFrom(period.to)}`);
        const [from, to] = [instantFrom(period.from), instantFrom(period.to)];
        if (state.requests.some((request) => request.from === from && request.to === to)) return [];
        return [{ type: 'ReportRunRequested', data: { report: state.report, request: state.requested + 1, from, to } }];
      },
    }),
    RecordReportRun: command({
      refuses: ['report-not-found'],
      decide(made: RecordReportRun, state, { effectiveAt }) {
        if (state === null) return noReport();
        const due = dueRun(state, effectiveAt);
        // Another process has made it, or it is no longer wanted.
        if (due?.from !== made.from || due.to !== made.to || due.request !== made.request) return [];
        const run = (state.runs.at(-1)?.run ?? 0) + 1;
        const { report, zone, deliverTo } = state;
        return [{ type: 'ReportRunCompleted', data: omitUndefined({ report, run, ...made, zone, deliverTo }) }];
      },
    }),
    RecordReportDelivery: command({
      refuses: ['report-run-not-found'],
      decide({ run, target, failed }: RecordReportDelivery, state) {
        const made = state?.runs.find((one) => one.run === run);
        if (state === null || made === undefined) return refuse('report-run-not-found', 'There is no such report run');
        // A delivery that was given up may be sent again by hand, and arrive.
        if (made.deliveries?.some((one) => one.target === target && (one.failed === undefined || failed !== undefined))) return [];
        const told = { report: state.report, run, target };
        return [
          failed === undefined ? { type: 'ReportRunDelivered', data: told } : { type: 'ReportRunUndelivered', data: { ...told, failed } },
        ];
      },
    }),
  },
} satisfies Aggregate<ReportState>;

export type ReportEvents = EventsOf<typeof report>;

/** Whether it exists and is not retired. */
export function isKept(state: ReportState): state is Report {
  return state !== null && state.state !== 'retired';
}
