import { instantFrom } from '#eventsourcing';
import { DAY } from '../contract/contract.js';
import type { MajorIncident } from './major-incident.js';
import { statusPageOf } from './status-page.js';

const at = instantFrom(100 * DAY);
const day = (days: number) => instantFrom(days * DAY);
const ada = { id: 'ada', kind: 'agent' } as const;
const incident = (service: string, more: Partial<MajorIncident> = {}): MajorIncident => ({
  majorIncident: 'm',
  client: 'northwind',
  service,
  status: 'declared',
  parent: 'p',
  tickets: ['t'],
  updates: [{ text: 'Back soon', at: day(99), by: ada }],
  beganAt: day(98),
  reason: 'private',
  ...more,
});
const window = (title: string, from: number, until: number, services?: readonly string[]) => ({
  window: title,
  title,
  from: day(from),
  until: day(until),
  plannedBy: ada,
  ...(services && { services }),
});

describe('a status page', () => {
  it('shows the state of services: down in a major incident, under maintenance in a window', () => {
    const page = statusPageOf('northwind', at, {
      services: ['mail', 'files', 'printing'],
      maintenance: { client: 'northwind', windows: [window('now', 99, 101, ['files', 'printing']), window('later', 101, 102, ['wiki'])] },
      majorIncidents: [incident('printing')],
    });
    expect(page.services).toEqual([
      { service: 'files', state: 'maintenance' },
      { service: 'mail', state: 'up' },
      { service: 'printing', state: 'down' },
      { service: 'wiki', state: 'up' },
    ]);
    const all = statusPageOf('northwind', at, {
      services: ['mail'],
      maintenance: { client: 'northwind', windows: [window('now', 99, 101), window('over', 1, 2)] },
      majorIncidents: [],
    });
    expect(all).toMatchObject({ services: [{ state: 'maintenance' }], maintenance: [{ title: 'now', from: day(99), until: day(101) }] });
  });

  it('shows only broadcasts about current and recent incidents', () => {
    const ended = (days: number) => incident('mail', { status: 'stood-down', endedAt: day(days), updates: [] });
    const page = statusPageOf('northwind', at, {
      services: [],
      maintenance: null,
      majorIncidents: [
        incident('printing'),
        ended(94),
        ended(93),
        incident('x', { status: 'proposed' }),
        incident('y', { status: 'dismissed', endedAt: at }),
      ],
    });
    expect(page.majorIncidents).toEqual([
      { service: 'printing', beganAt: day(98), updates: [{ text: 'Back soon', at: day(99) }] },
      { service: 'mail', beganAt: day(98), endedAt: day(94), updates: [] },
    ]);
    expect(JSON.stringify(page)).not.toMatch(/private|ada/);
  });
});
