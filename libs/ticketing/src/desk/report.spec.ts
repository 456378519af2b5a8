import { evolve, type Instant, isRefusal } from '#eventsourcing';
import { dueRun, report, type ReportCommands, type Report, reportDueAt, type ReportState, periodBefore } from './report.js';

type Sent = { [Name in keyof ReportCommands]: readonly [Name, ReportCommands[Name]] }[keyof ReportCommands];

const at = (text: string) => new Date(text).toISOString() as Instant;
const context = (when: string) => ({
  commandId: 'c',
  id: 'r',
  actor: { id: 'ada', kind: 'agent' as const },
  effectiveAt: at(when),
  recordedAt: at(when),
});

/** What a command to a report leads to. */
function when(state: ReportState, moment: string, [name, body]: Sent): ReportState | string {
  const decision = report.commands[name].decide(body as never, state, context(moment), undefined as never);
  if (isRefusal(decision)) return decision.refused;
  return decision.reduce<ReportState>((after, event) => evolve(report, after, event, context(moment)), state);
}
function reported(every: Report['every'], moment: string, more: Partial<ReportCommands['DefineReport']> = {}): Report {
  return when(null, moment, ['DefineReport', { client: 'northwind', every, zone: 'Europe/Berlin', ...more }]) as Report;
}
const document = { position: '9/9', evaluatedAt: at('2026-01-01T00:00:00Z'), sha256: 'a'.repeat(64), bytes: 1 };
/** Makes what is due, until nothing is. */
function madeBy(state: Report, moment: string): { readonly state: Report; readonly periods: readonly string[] } {
  const periods: string[] = [];
  let now = state;
  for (let due = dueRun(now, at(moment)); due !== undefined; due = dueRun(now, at(moment))) {
    periods.push(`${due.from.slice(0, 16)} ${due.to.slice(0, 16)}`);
    now = when(now, moment, ['RecordReportRun', { ...due, ...document }]) as Report;
  }
  return { state: now, periods };
}

describe('a scheduled report', () => {
  it('begins with the period in which it is defined, and is due at its hour of the day on which that ends', () => {
    const monthly = reported('month', '2026-11-20T10:00:00Z');
    expect(monthly).toMatchObject({ next: '2026-10-31T23:00:00.000Z', hour: 6, zone: 'Europe/Berlin', state: 'active', runs: [] });
    expect(reportDueAt(monthly)).toBe('2026-12-01T05:00:00.000Z');
    expect(dueRun(monthly, at('2026-12-01T04:59:59.999Z'))).toBeUndefined();
    expect(dueRun(monthly, at('2026-12-01T05:00:00Z'))).toEqual({ from: at('2026-10-31T23:00Z'), to: at('2026-11-30T23:00Z') });
    // From Monday.
    expect(reported('week', '2026-11-22T10:00:00Z')).toMatchObject({ next: at('2026-11-15T23:00Z') });
    expect(periodBefore(monthly, { from: at('2026-10-31T23:00Z') })).toEqual({
      from: at('2026-09-30T22:00Z'),
      to: at('2026-10-31T23:00Z'),
    });
  });

  it('has days of 23 and 25 hours where summer time begins and ends, and is made at an hour that was skipped once it is over', () => {
    const spring = madeBy(reported('day', '2026-03-28T12:00:00Z', { hour: 2 }), '2026-03-30T12:00:00Z');
    expect(spring.periods).toEqual(['2026-03-27T23:00 2026-03-28T23:00', '2026-03-28T23:00 2026-03-29T22:00']);
    expect(reportDueAt(reported('day', '2026-03-28T12:00:00Z', { hour: 2 }))).toBe('2026-03-29T01:00:00.000Z');
    const autumn = madeBy(reported('day', '2026-10-25T12:00:00Z', { hour: 2 }), '2026-10-26T12:00:00Z');
    expect(autumn.periods).toEqual(['2026-10-24T22:00 2026-10-25T23:00']);
    // The first of the two hours that clocks show.
    expect(reportDueAt(reported('day', '2026-10-24T12:00:00Z', { hour: 2 }))).toBe('2026-10-25T00:00:00.000Z');
  });

  it('is made once for each period, whoever else makes it too', () => {
    const daily = reported('day', '2026-11-20T10:00:00Z');
    const due = dueRun(daily, at('2026-11-21T06:00:00Z'));
    if (due === undefined) throw new Error('nothing is due');
    const made = when(daily, '2026-11-21T06:00:00Z', ['RecordReportRun', { ...due, ...document }]) as Report;
    expect(made.runs).toEqual([{ run: 1, ...due, ...document, madeAt: at('2026-11-21T06:00:00Z') }]);
    expect(when(made, '2026-11-21T06:00:01Z', ['RecordReportRun', { ...due, ...document, sha256: 'b'.repeat(64) }])).toBe(made);
    expect(dueRun(made, at('2026-11-21T06:00:01Z'))).toBeUndefined();
  });

  it('makes up what a downtime has missed, the oldest first, and no more than the last 31', () => {
    const { state, periods } = madeBy(reported('month', '2026-01-15T00:00:00Z'), '2026-04-10T00:00:00Z');
    expect(periods).toEqual([
      '2025-12-31T23:00 2026-01-31T23:00',
      '2026-01-31T23:00 2026-02-28T23:00',
      '2026-02-28T23:00 2026-03-31T22:00',
    ]);
    expect(state.runs.map(({ run }) => run)).toEqual([1, 2, 3]);
    const days = madeBy(reported('day', '2026-01-01T12:00:00Z'), '2026-04-10T12:00:00Z');
    expect(days.periods).toHaveLength(31);
    expect(days.periods[0]).toBe('2026-03-09T23:00 2026-03-10T23:00');
  });

  it('makes nothing up for the time in which it was paused', () => {
    const paused = when(reported('day', '2026-11-01T12:00:00Z'), '2026-11-01T13:00:00Z', ['PauseReport', {}]) as Report;
    expect(dueRun(paused, at('2026-11-10T12:00:00Z'))).toBeUndefined();
    expect(reportDueAt(paused)).toBeUndefined();
    const resumed = when(paused, '2026-11-10T12:00:00Z', ['ResumeReport', {}]) as Report;
    expect(reportDueAt(resumed)).toBe('2026-11-11T05:00:00.000Z');
    expect(when(paused, '2026-11-10T12:00:00Z', ['PauseReport', {}])).toBe(paused);
    expect(when(resumed, '2026-11-10T12:00:00Z', ['ResumeReport', {}])).toBe(resumed);
  });

  it('is made on request of a period that is over, without moving its schedule', () => {
    const monthly = reported('month', '2026-11-20T10:00:00Z');
    const moment = '2026-11-20T11:00:00Z';
    const asked = when(monthly, moment, ['RequestReportRun', {}]) as Report;
    expect(when(asked, moment, ['RequestReportRun', { on: '2026-10-31' }])).toBe(asked);
    const twice = when(asked, moment, ['RequestReportRun', { on: '2026-02-28' }]) as Report;
    const { state, periods } = madeBy(twice, moment);
    expect(periods).toEqual(['2026-09-30T22:00 2026-10-31T23:00', '2026-01-31T23:00 2026-02-28T23:00']);
    expect(state).toMatchObject({ next: monthly.next, requests: [], requested: 2 });
    expect(when(monthly, moment, ['RequestReportRun', { on: '2026-11-01' }])).toBe('report-period-not-over');
    expect(when(monthly, moment, ['RequestReportRun', { on: '2026-02-30' }])).toBe('report-invalid');
  });

  it('is changed and stays of its client; another period or zone begins anew', () => {
    const monthly = reported('month', '2026-10-20T10:00:00Z', { description: 'review' });
    const define = (more: object, moment = '2026-11-20T10:00:00Z', state: ReportState = monthly) =>
      when(state, moment, ['DefineReport', { client: 'northwind', every: 'month', zone: 'Europe/Berlin', ...more }]);
    expect(define({ description: 'review' })).toBe(monthly);
    const later = define({ hour: 9 }) as Report;
    expect(later).toMatchObject({ hour: 9, next: monthly.next });
    expect(later).not.toHaveProperty('description');
    expect(define({ every: 'week' })).toMatchObject({ every: 'week', next: at('2026-11-15T23:00Z') });
    expect(define({ client: 'contoso' })).toBe('report-invalid');
    expect(define({ zone: 'Mars/Base' })).toBe('report-invalid');
  });

  it('tells where each was delivered, or why not, once', () => {
    const deliverTo = [
      { by: 'folder', folder: 'northwind' },
      { by: 'email', to: { kind: 'team', team: 'northwind' } },
    ] as const;
    const { state } = madeBy(reported('day', '2026-11-20T10:00:00Z', { deliverTo }), '2026-11-21T10:00:00Z');
    expect(state.runs[0]).toMatchObject({ deliverTo });
    const moment = '2026-11-21T11:00:00Z';
    const once = when(state, moment, ['RecordReportDelivery', { run: 1, target: 0 }]) as Report;
    expect(when(once, moment, ['RecordReportDelivery', { run: 1, target: 0, failed: { because: 'given-up' } }])).toBe(once);
    const both = when(once, moment, ['RecordReportDelivery', { run: 1, target: 1, failed: { because: 'no-address' } }]) as Report;
    expect(both.runs[0]?.deliveries).toEqual([
      { target: 0, at: at(moment) },
      { target: 1, at: at(moment), failed: { because: 'no-address' } },
    ]);
    expect(when(both, moment, ['RecordReportDelivery', { run: 2, target: 0 }])).toBe('report-run-not-found');
    const elsewhere = { by: 'email', to: { kind: 'on-call', schedule: 'noc' } } as const;
    const define = { client: 'northwind', every: 'day', zone: 'Europe/Berlin', deliverTo: [elsewhere] } as const;
    expect(when(null, moment, ['DefineReport', define])).toBe('report-invalid');
  });

  it('keeps what was made when it is retired, and goes on counting when it is defined again', () => {
    const { state } = madeBy(reported('day', '2026-11-20T10:00:00Z'), '2026-11-21T10:00:00Z');
    const moment = '2026-11-22T10:00:00Z';
    const retired = when(state, moment, ['RetireReport', {}]) as Report;
    expect(retired).toMatchObject({ state: 'retired', runs: [{ run: 1 }] });
    expect(dueRun(retired, at('2026-12-22T10:00:00Z'))).toBeUndefined();
    for (const sent of [
      ['PauseReport', {}],
      ['ResumeReport', {}],
      ['RequestReportRun', {}],
    ] as const) {
      expect(when(retired, moment, sent)).toBe('report-not-found');
      expect(when(null, moment, sent)).toBe('report-not-found');
    }
    expect(when(null, moment, ['RetireReport', {}])).toBe('report-not-found');
    expect(when(retired, moment, ['RetireReport', {}])).toBe(retired);
    const again = when(retired, moment, ['DefineReport', { client: 'northwind', every: 'day', zone: 'UTC' }]) as Report;
    expect(madeBy(again, '2026-11-23T10:00:00Z').state.runs.map(({ run }) => run)).toEqual([1, 2]);
  });
});
