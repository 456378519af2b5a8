import type { CommandsOf, Instant } from '#eventsourcing';
import { type Scenario, scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { datesOf, dueRun, report, type Report, reportDueAt, periodBefore, targetsAt } from './report.js';

const at = (text: string) => new Date(text).toISOString() as Instant;
const given = scenariosOf(report, { id: 'r', actor: { id: 'ada', kind: 'agent' }, start: 0, step: 0 });
type Reports = Scenario<typeof report>;

const define = (every: Report['every'], more: Partial<CommandsOf<typeof report>['DefineReport']> = {}) =>
  ['DefineReport', { client: 'northwind', every, zone: 'Europe/Berlin', ...more }] as const;
const reported = (every: Report['every'], moment: string, more?: Partial<CommandsOf<typeof report>['DefineReport']>): Reports =>
  given([...define(every, more), Date.parse(moment)]);
/** Its state, as it is there. */
const of = ({ state }: Reports): Report => state as Report;
const document = { position: '9/9', evaluatedAt: at('2026-01-01T00:00:00Z'), sha256: 'a'.repeat(64), bytes: 1 };
/** Makes what is due, until nothing is. */
function madeBy(reports: Reports, moment: string): { readonly reports: Reports; readonly periods: readonly string[] } {
  const periods: string[] = [];
  let now = reports;
  for (let due = dueRun(of(now), at(moment)); due !== undefined; due = dueRun(of(now), at(moment))) {
    periods.push(`${due.from.slice(0, 16)} ${due.to.slice(0, 16)}`);
    now = now.and(['RecordReportRun', { ...due, ...document }, Date.parse(moment)]);
  }
  return { reports: now, periods };
}

describe('a scheduled report', () => {
  it('begins with the period in which it is defined, and is due at its hour of the day on which that ends', () => {
    const monthly = of(reported('month', '2026-11-20T10:00:00Z'));
    expect(monthly).toMatchObject({ next: '2026-10-31T23:00:00.000Z', hour: 6, zone: 'Europe/Berlin', state: 'active', runs: [] });
    expect(reportDueAt(monthly)).toBe('2026-12-01T05:00:00.000Z');
    expect(dueRun(monthly, at('2026-12-01T04:59:59.999Z'))).toBeUndefined();
    expect(dueRun(monthly, at('2026-12-01T05:00:00Z'))).toEqual({ from: at('2026-10-31T23:00Z'), to: at('2026-11-30T23:00Z') });
    // From Monday.
    expect(of(reported('week', '2026-11-22T10:00:00Z'))).toMatchObject({ next: at('2026-11-15T23:00Z') });
    const october = { from: at('2026-09-30T22:00Z'), to: at('2026-10-31T23:00Z') };
    expect(periodBefore(monthly, { from: october.to })).toEqual(october);
    expect(datesOf({ ...october, zone: 'Europe/Berlin' })).toEqual({ first: '2026-10-01', last: '2026-10-31' });
    expect(datesOf(october)).toEqual({ first: '2026-09-30', last: '2026-10-31' });
  });

  it('has days of 23 and 25 hours where summer time begins and ends, and is made at an hour that was skipped once it is over', () => {
    const spring = madeBy(reported('day', '2026-03-28T12:00:00Z', { hour: 2 }), '2026-03-30T12:00:00Z');
    expect(spring.periods).toEqual(['2026-03-27T23:00 2026-03-28T23:00', '2026-03-28T23:00 2026-03-29T22:00']);
    expect(reportDueAt(of(reported('day', '2026-03-28T12:00:00Z', { hour: 2 })))).toBe('2026-03-29T01:00:00.000Z');
    const autumn = madeBy(reported('day', '2026-10-25T12:00:00Z', { hour: 2 }), '2026-10-26T12:00:00Z');
    expect(autumn.periods).toEqual(['2026-10-24T22:00 2026-10-25T23:00']);
    // The first of the two hours that clocks show.
    expect(reportDueAt(of(reported('day', '2026-10-24T12:00:00Z', { hour: 2 })))).toBe('2026-10-25T00:00:00.000Z');
  });

  it('is made once for each period, even by several workers', () => {
    const daily = reported('day', '2026-11-20T10:00:00Z');
    const due = dueRun(of(daily), at('2026-11-21T06:00:00Z'));
    if (due === undefined) throw new Error('nothing is due');
    const made = daily.and(['RecordReportRun', { ...due, ...document }, Date.parse('2026-11-21T06:00:00Z')]);
    expect(of(made).runs).toEqual([{ run: 1, ...due, ...document, zone: 'Europe/Berlin', madeAt: at('2026-11-21T06:00:00Z') }]);
    expect(made.when('RecordReportRun', { ...due, ...document, sha256: 'b'.repeat(64) }).events()).toEqual([]);
    expect(dueRun(of(made), at('2026-11-21T06:00:01Z'))).toBeUndefined();
  });

  it('makes reports missed during downtime, oldest first, and at most the last 31', () => {
    const { reports, periods } = madeBy(reported('month', '2026-01-15T00:00:00Z'), '2026-04-10T00:00:00Z');
    expect(periods).toEqual([
      '2025-12-31T23:00 2026-01-31T23:00',
      '2026-01-31T23:00 2026-02-28T23:00',
      '2026-02-28T23:00 2026-03-31T22:00',
    ]);
    expect(of(reports).runs.map(({ run }) => run)).toEqual([1, 2, 3]);
    const days = madeBy(reported('day', '2026-01-01T12:00:00Z'), '2026-04-10T12:00:00Z');
    expect(days.periods).toHaveLength(31);
    expect(days.periods[0]).toBe('2026-03-09T23:00 2026-03-10T23:00');
  });

  it('makes nothing up for the time in which it was paused', () => {
    const paused = reported('day', '2026-11-01T12:00:00Z').and(['PauseReport', {}, Date.parse('2026-11-01T13:00:00Z')]);
    expect(dueRun(of(paused), at('2026-11-10T12:00:00Z'))).toBeUndefined();
    expect(reportDueAt(of(paused))).toBeUndefined();
    const resumed = paused.and(['ResumeReport', {}, Date.parse('2026-11-10T12:00:00Z')]);
    expect(reportDueAt(of(resumed))).toBe('2026-11-11T05:00:00.000Z');
    expect(paused.when('PauseReport', {}).events()).toEqual([]);
    expect(resumed.when('ResumeReport', {}).events()).toEqual([]);
  });

  it('is made on request of a period that is over, without moving its schedule', () => {
    const monthly = reported('month', '2026-11-20T10:00:00Z');
    const moment = '2026-11-20T11:00:00Z';
    const asked = monthly.and(['RequestReportRun', {}, Date.parse(moment)]);
    expect(asked.when('RequestReportRun', { on: '2026-10-31' }).events()).toEqual([]);
    const { reports, periods } = madeBy(asked.and(['RequestReportRun', { on: '2026-02-28' }]), moment);
    expect(periods).toEqual(['2026-09-30T22:00 2026-10-31T23:00', '2026-01-31T23:00 2026-02-28T23:00']);
    expect(reports.state).toMatchObject({ next: of(monthly).next, requests: [], requested: 2 });
    const refused = (on: string) => monthly.when('RequestReportRun', { on }).refusal().refused;
    expect(refused('2026-11-01')).toBe('report-period-not-over');
    expect(refused('2026-02-30')).toBe('report-invalid');
  });

  it('is changed and stays of its client; another period or zone begins anew', () => {
    const monthly = reported('month', '2026-10-20T10:00:00Z', { description: 'review' });
    const november = Date.parse('2026-11-20T10:00:00Z');
    expect(monthly.when(...define('month', { description: 'review' }), november).events()).toEqual([]);
    const { state: later } = monthly.and([...define('month', { hour: 9 }), november]);
    expect(later).toMatchObject({ hour: 9, next: of(monthly).next });
    expect(later).not.toHaveProperty('description');
    expect(monthly.and([...define('week'), november]).state).toMatchObject({ every: 'week', next: at('2026-11-15T23:00Z') });
    for (const other of [{ client: 'contoso' }, { zone: 'Mars/Base' }])
      expect(monthly.when(...define('month', other), november).refusal().refused).toBe('report-invalid');
  });

  it('tells where each was delivered, or why not, once', () => {
    const deliverTo = [
      { by: 'folder', folder: 'northwind' },
      { by: 'email', to: { kind: 'team', team: 'northwind' } },
    ] as const;
    const { reports } = madeBy(reported('day', '2026-11-20T10:00:00Z', { deliverTo }), '2026-11-21T10:00:00Z');
    expect(of(reports).runs[0]).toMatchObject({ deliverTo });
    const moment = '2026-11-21T11:00:00Z';
    const once = reports.and(['RecordReportDelivery', { run: 1, target: 0 }, Date.parse(moment)]);
    expect(once.when('RecordReportDelivery', { run: 1, target: 0, failed: { because: 'given-up' } }).events()).toEqual([]);
    const both = once.and(['RecordReportDelivery', { run: 1, target: 1, failed: { because: 'no-address' } }]);
    expect(of(both).runs[0]?.deliveries).toEqual([
      { target: 0, at: at(moment) },
      { target: 1, at: at(moment), failed: { because: 'no-address' } },
    ]);
    expect(both.when('RecordReportDelivery', { run: 2, target: 0 }).refusal().refused).toBe('report-run-not-found');
    const elsewhere = define('day', { deliverTo: [{ by: 'email', to: { kind: 'on-call', schedule: 'noc' } }] });
    expect(
      given()
        .when(...elsewhere)
        .refusal().refused,
    ).toBe('report-invalid');
  });

  it('goes to webhooks, and tells of what was given up and arrives after all', () => {
    const webhook = '6F9619FF-8B86-4D01-B42D-00CF4FC964FF';
    const { reports } = madeBy(
      reported('day', '2026-11-20T10:00:00Z', { deliverTo: [{ by: 'webhook', webhook }] }),
      '2026-11-21T10:00:00Z',
    );
    const [run] = of(reports).runs;
    expect(run?.deliverTo).toEqual([{ by: 'webhook', webhook: webhook.toLowerCase() }]);
    expect(targetsAt(webhook.toLowerCase(), run ?? {})).toEqual([0]);
    expect(targetsAt('another', run ?? {})).toEqual([]);
    const failed = { run: 1, target: 0, failed: { because: 'given-up' } } as const;
    const moment = Date.parse('2026-11-24T11:00:00Z');
    const given = reports.and(['RecordReportDelivery', failed, moment]);
    expect(given.when('RecordReportDelivery', failed).events()).toEqual([]);
    const arrived = given.and(['RecordReportDelivery', { run: 1, target: 0 }, moment + 1_000]);
    expect(of(arrived).runs[0]?.deliveries).toEqual([{ target: 0, at: at('2026-11-24T11:00:01Z') }]);
    expect(arrived.when('RecordReportDelivery', failed).events()).toEqual([]);
  });

  it('keeps what was made when it is retired, and goes on counting when it is defined again', () => {
    const { reports } = madeBy(reported('day', '2026-11-20T10:00:00Z'), '2026-11-21T10:00:00Z');
    const retired = reports.and(['RetireReport', {}, Date.parse('2026-11-22T10:00:00Z')]);
    expect(retired.state).toMatchObject({ state: 'retired', runs: [{ run: 1 }] });
    expect(dueRun(of(retired), at('2026-12-22T10:00:00Z'))).toBeUndefined();
    for (const none of [retired, given()])
      for (const name of ['PauseReport', 'ResumeReport', 'RequestReportRun'] as const)
        expect(none.when(name, {}).refusal().refused).toBe('report-not-found');
    expect(given().when('RetireReport', {}).refusal().refused).toBe('report-not-found');
    expect(retired.when('RetireReport', {}).events()).toEqual([]);
    const again = madeBy(retired.and(define('day', { zone: 'UTC' })), '2026-11-23T10:00:00Z');
    expect(of(again.reports).runs.map(({ run }) => run)).toEqual([1, 2]);
  });
});
