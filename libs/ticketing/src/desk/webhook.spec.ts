import { evolve, type Instant, isRefusal } from '#eventsourcing';
import { type CommandsOf } from '#eventsourcing';
import { isWithinReach } from '../identity/principal.js';
import { webhook, type WebhookState } from './webhook.js';

const at = '2026-11-27T10:00:00.000Z' as Instant;
const context = { commandId: 'c', id: 'w', actor: { id: 'ada', kind: 'agent' as const }, effectiveAt: at };

type Commands = CommandsOf<typeof webhook>;

/** What a command to a webhook leads to. */
function when<Name extends keyof Commands>(state: WebhookState, name: Name, command: Commands[Name], given?: unknown) {
  const decision = webhook.commands[name].decide(command as never, state as never, context, given as never);
  if (isRefusal(decision)) return decision.refused;
  return decision.reduce<WebhookState>((after, event) => evolve(webhook, after, event, { ...context, recordedAt: at }), state);
}

const asked = { url: 'https://hooks.example/x', clients: ['northwind'] };
const facts = { from: '355/355', types: ['TicketEscalated'], faults: [] };
const subscribed = when(null, 'SubscribeWebhook', asked, facts) as Exclude<WebhookState, string | null>;

describe('a webhook', () => {
  it('is subscribed for some clients or for all, and not twice', () => {
    expect(subscribed).toEqual({
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
      subscribedBy: context.actor,
    });
    expect(when(null, 'SubscribeWebhook', { url: asked.url, allClients: true }, facts)).toMatchObject({ clients: 'all' });
    expect(when(null, 'SubscribeWebhook', { ...asked, allClients: true }, facts)).toBe('webhook-invalid');
    expect(when(null, 'SubscribeWebhook', { url: asked.url }, facts)).toBe('webhook-invalid');
    expect(when(null, 'SubscribeWebhook', asked, { ...facts, faults: [{ field: 'from', message: 'm' }] })).toBe('webhook-invalid');
    expect(when(subscribed, 'SubscribeWebhook', asked, facts)).toBe('webhook-exists');
  });

  it('pauses and goes on; doing so again changes nothing', () => {
    const paused = when(subscribed, 'PauseWebhook', {}) as WebhookState;
    expect(paused).toMatchObject({ state: 'paused' });
    expect(when(paused, 'PauseWebhook', {})).toBe(paused);
    expect(when(paused, 'ResumeWebhook', {})).toEqual(subscribed);
    expect(when(subscribed, 'ResumeWebhook', {})).toBe(subscribed);
  });

  it('has another secret, and for a day the one before, too', () => {
    expect(when(subscribed, 'RotateWebhookSecret', {})).toMatchObject({ secretVersion: 2, overlapUntil: '2026-11-28T10:00:00.000Z' });
  });

  it('begins again from a place', () => {
    expect(when(subscribed, 'RewindWebhook', { from: 'start' }, { from: 'start', faults: [] })).toMatchObject({
      from: 'start',
      generation: 2,
    });
    expect(when(subscribed, 'RewindWebhook', { from: 'x' }, { from: 'start', faults: [{ field: 'from', message: 'm' }] })).toBe(
      'webhook-invalid',
    );
  });

  it('counts test events and requests to send dead letters again', () => {
    expect(when(subscribed, 'PingWebhook', {})).toMatchObject({ pings: 1 });
    const once = when(subscribed, 'ReplayDeadLetters', { events: ['e'] }) as WebhookState;
    expect(when(once, 'ReplayDeadLetters', {})).toMatchObject({ replays: [{ number: 1, events: ['e'] }, { number: 2 }] });
  });

  it('is gone once it is deleted', () => {
    const deleted = when(subscribed, 'DeleteWebhook', {}) as WebhookState;
    expect(deleted).toBe('deleted');
    expect(when(deleted, 'DeleteWebhook', {})).toBe('deleted');
    for (const name of ['PauseWebhook', 'ResumeWebhook', 'PingWebhook', 'RotateWebhookSecret', 'ReplayDeadLetters'] as const) {
      expect(when(deleted, name, {})).toBe('webhook-not-found');
      expect(when(null, name, {})).toBe('webhook-not-found');
    }
    expect(when(null, 'DeleteWebhook', {})).toBe('webhook-not-found');
  });

  it('is seen by those who see all that it sends', () => {
    expect(isWithinReach({ clients: 'all' }, { clients: 'all' })).toBe(true);
    expect(isWithinReach({ clients: ['northwind', 'contoso'] }, { clients: ['northwind'] })).toBe(true);
    expect(isWithinReach({ clients: ['contoso'] }, { clients: ['northwind', 'contoso'] })).toBe(false);
    expect(isWithinReach({ clients: ['northwind'] }, { clients: 'all' })).toBe(false);
  });
});
