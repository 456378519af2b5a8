import { type GivenOf, type Instant, instantFrom } from '#eventsourcing';
import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { isWithinReach } from '../identity/principal.js';
import { secretsBefore, type Webhook, webhook } from './webhook.js';

const at = '2026-11-27T10:00:00.000Z' as Instant;
const actor = { id: 'ada', kind: 'agent' } as const;
const given = scenariosOf(webhook, { id: 'w', actor, start: Date.parse(at), step: 0 });

const asked = { url: 'https://hooks.example/x', clients: ['northwind'] };
const facts = { from: '355/355', types: ['TicketEscalated'], faults: [] };
const faulty = [{ field: 'from', message: 'm' }];
const subscribe = ['SubscribeWebhook', asked, 0, facts] as const;
const subscribed = given(subscribe);
const paused = subscribed.and(['PauseWebhook', {}]);
const deleted = subscribed.and(['DeleteWebhook', {}]);

describe('a webhook', () => {
  it('is subscribed for some clients or for all, and not twice', () => {
    expect(subscribed.state).toEqual({
      webhook: 'w',
      url: 'https://hooks.example/x',
      filter: { types: ['TicketEscalated'] },
      clients: ['northwind'],
      from: '355/355',
      generation: 1,
      secretVersion: 1,
      state: 'active',
      pings: 0,
      replays: [],
      subscribedAt: at,
      subscribedBy: actor,
    });
    expect(given(['SubscribeWebhook', { url: asked.url, allClients: true }, 0, facts]).state).toMatchObject({ clients: 'all' });
    const refused = (body: object, outside: GivenOf<typeof webhook, 'SubscribeWebhook'> = facts) =>
      given()
        .when('SubscribeWebhook', { url: asked.url, ...body }, 0, outside)
        .refusal().refused;
    expect(refused({ clients: asked.clients, allClients: true })).toBe('webhook-invalid');
    expect(refused({})).toBe('webhook-invalid');
    expect(refused(asked, { ...facts, faults: faulty })).toBe('webhook-invalid');
    expect(subscribed.when(...subscribe).refusal().refused).toBe('webhook-exists');
  });

  it('pauses and goes on; doing so again changes nothing', () => {
    expect(paused.state).toMatchObject({ state: 'paused' });
    expect(paused.when('PauseWebhook', {}).events()).toEqual([]);
    expect(paused.and(['ResumeWebhook', {}]).state).toEqual(subscribed.state);
    expect(subscribed.when('ResumeWebhook', {}).events()).toEqual([]);
  });

  it('has another secret, and for a day the one before, too', () => {
    const { state } = subscribed.and(['RotateWebhookSecret', {}]);
    expect(state).toMatchObject({ secretVersion: 2, overlapUntil: '2026-11-28T10:00:00.000Z' });
    expect(state).not.toHaveProperty('olderSecrets');
  });

  it('lets each secret sign for a day after it was rotated, however often others are meanwhile', () => {
    const HOUR = 3_600_000;
    const rotatedAfter = (...hours: number[]) =>
      subscribed.and(...hours.map((hour) => ['RotateWebhookSecret', {}, hour * HOUR] as const)).state as Webhook;
    const sign = (state: Webhook, hour: number) =>
      secretsBefore(state, instantFrom(Date.parse(at) + hour * HOUR)).map(({ version }) => version);
    const twice = rotatedAfter(0, 1);
    expect([1, 23.9, 24, 24.9, 25].map((hour) => sign(twice, hour))).toEqual([[2, 1], [2, 1], [2], [2], []]);
    // What no longer signs is forgotten.
    expect(rotatedAfter(0, 1, 24.5).olderSecrets).toEqual([{ version: 2, until: instantFrom(Date.parse(at) + 25 * HOUR) }]);
    expect(sign(rotatedAfter(...Array(20).keys()), 19)).toHaveLength(9);
  });

  it('begins again from a place', () => {
    const rewound = subscribed.and(['RewindWebhook', { from: 'start' }, 0, { from: 'start', faults: [] }]);
    expect(rewound.state).toMatchObject({ from: 'start', generation: 2 });
    const refusal = subscribed.when('RewindWebhook', { from: 'x' }, 0, { from: 'start', faults: faulty }).refusal();
    expect(refusal.refused).toBe('webhook-invalid');
  });

  it('counts test events and requests to send dead letters again', () => {
    expect(subscribed.and(['PingWebhook', {}]).state).toMatchObject({ pings: 1 });
    const twice = subscribed.and(['ReplayDeadLetters', { events: ['e'] }], ['ReplayDeadLetters', {}]);
    expect(twice.state).toMatchObject({ replays: [{ number: 1, events: ['e'] }, { number: 2 }] });
  });

  it('is gone once it is deleted', () => {
    expect(deleted.state).toEqual({ clients: ['northwind'], state: 'deleted' });
    expect(deleted.when('DeleteWebhook', {}).events()).toEqual([]);
    for (const name of ['PauseWebhook', 'ResumeWebhook', 'PingWebhook', 'RotateWebhookSecret', 'ReplayDeadLetters'] as const) {
      expect(deleted.when(name, {}).refusal().refused).toBe('webhook-not-found');
      expect(given().when(name, {}).refusal().refused).toBe('webhook-not-found');
    }
    expect(given().when('DeleteWebhook', {}).refusal().refused).toBe('webhook-not-found');
  });

  it('is seen by those who see all that it sends', () => {
    expect(isWithinReach({ clients: 'all' }, { clients: 'all' })).toBe(true);
    expect(isWithinReach({ clients: ['northwind', 'contoso'] }, { clients: ['northwind'] })).toBe(true);
    expect(isWithinReach({ clients: ['contoso'] }, { clients: ['northwind', 'contoso'] })).toBe(false);
    expect(isWithinReach({ clients: ['northwind'] }, { clients: 'all' })).toBe(false);
  });
});
