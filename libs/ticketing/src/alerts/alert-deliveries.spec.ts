import fc from 'fast-check';
import { instantFrom } from '#eventsourcing';
import { readDelivery } from './alert-deliveries.js';
import type { AlertSettings, AlertSource } from './alert-source.js';

const settings: AlertSettings = {
  format: 'alertmanager',
  ticketPer: 'alert',
  onResolve: 'resolve',
  ticket: { impact: 'medium', urgency: 'medium' },
  labels: { service: 'service', component: 'instance' },
  rules: [
    { labels: { severity: 'critical' }, set: { impact: 'high', urgency: 'critical' } },
    { labels: { severity: 'critical', service: 'printing' }, set: { tier: 'L2', impact: 'major' } },
  ],
};
const sourceWith = (more: Partial<AlertSettings> = {}): AlertSource => ({
  source: 'prometheus',
  client: 'northwind',
  settings: { ...settings, ...more },
  definedBy: { id: 'ada', kind: 'agent' },
  definedAt: instantFrom(0),
});
const fired = (fingerprint: string, labels: Record<string, string> | null = {}, more: object = {}) => ({
  fingerprint,
  status: 'firing',
  startsAt: '2026-11-20T10:00:00.123456789+01:00',
  endsAt: '0001-01-01T00:00:00Z',
  labels,
  annotations: { summary: 'Disk\nfull' },
  generatorURL: 'http://prometheus/graph',
  ...more,
});
const webhook = (...alerts: readonly object[]) => ({
  version: '4',
  groupKey: 'g',
  status: 'firing',
  receiver: 'tierline',
  truncatedAlerts: 2,
  groupLabels: {},
  commonLabels: {},
  externalURL: 'http://alertmanager',
  alerts,
});

const read = (body: unknown, more?: Partial<AlertSettings>) => {
  const groups = readDelivery(sourceWith(more), body);
  if ('faults' in groups) throw new Error(JSON.stringify(groups.faults));
  return groups;
};
const faults = (body: unknown, more?: Partial<AlertSettings>) => {
  const groups = readDelivery(sourceWith(more), body);
  return 'faults' in groups ? groups.faults.map(({ field }) => field) : [];
};

describe('a delivery of Alertmanager', () => {
  it('has an alert with its ticket for each fingerprint, or group', () => {
    const fact = { fingerprint: 'a', status: 'firing', startsAt: '2026-11-20T09:00:00.123Z' };
    const [first, ...others] = read(webhook(fired('a', { instance: 'print-1' }), fired('b')));
    expect(first).toMatchObject({ key: 'a', truncatedAlerts: 2, alerts: [fact] });
    expect(others.map(({ key }) => key)).toEqual(['b']);
    expect(first?.alerts[0]?.opening).toEqual({
      client: 'northwind',
      kind: 'incident',
      summary: 'Disk full',
      description: 'instance: print-1\nhttp://prometheus/graph\nFingerprint: a',
      reporter: { id: 'alert-source:prometheus', name: 'prometheus' },
      channel: 'monitoring',
      impact: 'medium',
      urgency: 'medium',
      component: 'print-1',
    });
    expect(read(webhook(fired('a'), fired('b')), { ticketPer: 'group' })).toMatchObject([{ key: 'g', alerts: [{}, {}] }]);
  });

  it('makes tickets by labels and rules, the later rule last', () => {
    const opening = (labels: Record<string, string> | null) => read(webhook(fired('a', labels)))[0]?.alerts[0]?.opening;
    expect(opening({ severity: 'critical', service: 'mail' })).toMatchObject({ impact: 'high', urgency: 'critical', service: 'mail' });
    const printing = opening({ severity: 'critical', service: 'printing' });
    expect(printing).toMatchObject({
      impact: 'major',
      urgency: 'critical',
      tier: 'L2',
      entryReason: expect.stringContaining('prometheus'),
    });
    expect(opening(null)).not.toHaveProperty('tier');
    expect(opening({ service: 'two\nlines' })).not.toHaveProperty('service');
  });

  it('names every field that is wrong', () => {
    expect(faults(null)).toEqual(['']);
    expect(faults({ ...webhook(), version: '3' })).toEqual(['version']);
    expect(faults(webhook(fired('a', {}, { startsAt: 'today' }), fired(' ')))).toEqual(['alerts[0].startsAt', 'alerts[1].fingerprint']);
  });
});

describe('a delivery of JSON', () => {
  const fields = {
    alerts: 'data.events',
    fingerprint: 'check.id',
    status: 'up',
    firing: ['false'],
    resolved: ['true'],
    startsAt: 'since',
    endsAt: 'until',
    labels: 'tags',
    group: 'data.site',
  };
  const json = { format: 'json', fields } as const;
  const event = (more: object = {}) => ({ check: { id: 7 }, up: false, since: 1795800000, tags: { region: 'eu', deep: {} }, ...more });
  const body = (...events: readonly object[]) => ({ data: { site: 'milan', events } });

  it('is read where its source says what stands', () => {
    const since = instantFrom(1795800000_000);
    expect(read(body(event(), event({ up: true, until: 1795800060_000 })), json)).toMatchObject([
      {
        key: '7',
        alerts: [
          { status: 'firing', startsAt: since, opening: { summary: '7', description: 'region: eu\nFingerprint: 7' } },
          { status: 'resolved', startsAt: since, endsAt: instantFrom(1795800060_000) },
        ],
      },
    ]);
    expect(read(body(event()), { ...json, ticketPer: 'group' })).toMatchObject([{ key: 'milan' }]);
  });

  it('names every field that is wrong', () => {
    expect(faults({}, json)).toEqual(['data.events']);
    expect(faults(body(event({ up: 'perhaps', since: '2026' }), event({ check: {} })), json)).toEqual([
      'data.events[0].up',
      'data.events[0].since',
      'data.events[1].check.id',
    ]);
  });
});

it('of anything at all is read, or refused with its fields', () => {
  const some = fc.oneof(
    fc.jsonValue(),
    fc.record({ version: fc.constant('4'), groupKey: fc.string(), status: fc.constant('firing'), alerts: fc.array(fc.jsonValue()) }),
    fc.jsonValue().map((value) => webhook(fired('a', value as never))),
  );
  fc.assert(
    fc.property(some, fc.boolean(), (value, asJson) => {
      const fields = { fingerprint: 'a.b', status: 'c', firing: ['x'], resolved: ['y'], startsAt: '__proto__' };
      const groups = readDelivery(sourceWith(asJson ? { format: 'json', fields } : {}), value);
      const refused = 'faults' in groups;
      if (refused) for (const { message } of groups.faults) expect(message).not.toBe('');
      expect(refused || groups.every(({ alerts }) => alerts.length > 0)).toBe(true);
    }),
  );
});
