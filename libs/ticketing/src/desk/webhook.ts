import {
  type Aggregate,
  commandsOn,
  epochMillis,
  event,
  type EventDefinition,
  type EventsOf,
  type Fault,
  type Instant,
  instantFrom,
  refuse,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Flag, Name, Pattern, SomeOf, Text, TextList, Uuid } from '../command-fields.js';
import { HOUR } from '../contract/contract.js';
import { CLIENTS_NOT_NAMED, clientsNamed } from '../identity/principal.js';
import { omitUndefined, without } from '../plain-json.js';
import { about, count, instant, listOf, literal, oneOf, open, optional, refer, type Static, text, unionOf } from '../schema.js';
import { actorSchema, PRIORITIES, type Priority, prioritySchema, type Tier, TIERS, tierSchema } from '../vocabulary.js';

/** How long the previous secret still signs after a rotation. */
const OVERLAP = 24 * HOUR;
/** Secrets that sign at the same time: each request has one signature per secret in its header. */
const MOST_SECRETS = 10;
/** Pending requests to resend dead letters that are kept: the worker handles them within seconds. */
const MOST_REPLAYS = 100;

const filterSchema = open({
  types: optional(about(listOf(text), 'Event types, as stored: `TicketEscalated`')),
  ticket: optional(about(text, 'Only events of this ticket')),
  tiers: optional(about(listOf(refer(tierSchema)), 'Only events of tickets at one of these tiers right after the event')),
  team: optional(about(text, 'Only events of tickets assigned to this team right after the event')),
  priorities: optional(about(listOf(refer(prioritySchema)), 'Only events of tickets with one of these priorities right after the event')),
});

const replaySchema = open({
  number: about(count, 'Number of the request, from 1'),
  events: optional(about(listOf(text), 'Ids of the events; default: all dead letters')),
});

export const webhookSchema = about(
  open({
    webhook: about(text, 'Id of the webhook'),
    url: about(text, 'URL that events are sent to'),
    description: optional(about(text, 'What it is for')),
    filter: about(filterSchema, 'Which events are sent'),
    clients: about(unionOf([literal('all'), listOf(text)]), 'Clients whose events are sent, or `all`'),
    from: about(text, 'Where it starts: at the `start` of the log, after a position, or with events recorded from an instant on'),
    generation: about(count, '1, incremented each time it is rewound'),
    secretVersion: about(count, '1, incremented each time its secret is rotated'),
    overlapUntil: optional(about(instant, 'Until when the previous secret also signs')),
    olderSecrets: optional(
      about(
        listOf(open({ version: about(count, 'Number of that secret'), until: about(instant, 'Until when it still signs') })),
        'Earlier secrets that still signed at the time of the rotation',
      ),
    ),
    state: about(oneOf(['active', 'paused']), 'Whether events are sent'),
    pings: about(count, 'Number of test events requested'),
    replays: about(listOf(replaySchema), 'Latest requests to resend dead letters'),
    subscribedAt: about(instant, 'When it was subscribed'),
    subscribedBy: about(refer(actorSchema), 'Who subscribed it'),
  }),
  'A subscription that sends events to a URL',
);

/** A subscription that sends events to a URL. */
export type Webhook = Static<typeof webhookSchema>;

/** What is left of one that was deleted: whose it was, so that whoever deletes it, perhaps twice, still sees it. */
type DeletedWebhook = Pick<Webhook, 'clients'> & { readonly state: 'deleted' };

/** Never subscribed, subscribed, or deleted. */
export type WebhookState = Webhook | DeletedWebhook | null;

@JSONSchema({
  description:
    'Subscribes a URL to events: each is sent by signed POST and retried until accepted. Covers the named clients or all of them; events of no client are sent only if it covers all.',
  examples: [{ url: 'https://hooks.example/tierline', types: ['com.tierline.ticket.escalated.v1'], clients: ['northwind'], from: 'end' }],
})
export class SubscribeWebhook {
  @Pattern(/^https?:\/\/[^\s@/?#]+(?:[/?][^\s#]*)?$/, 'must be a URL such as https://hooks.example/tierline', {
    description: 'URL that events are sent to. Without TLS only to hosts allowed in the configuration',
  })
  url!: string;

  @Text({ description: 'What it is for', max: 500, optional: true })
  description?: string;

  @TextList({ description: 'Clients whose events are sent', max: 200, atLeastOne: true, optional: true })
  clients?: readonly string[];

  @Flag({ description: 'Instead of `clients`: events of all clients are sent', optional: true })
  allClients?: boolean;

  @TextList({
    description:
      'Event types, such as com.tierline.ticket.escalated.v1; default: all. If empty, only runs of reports that name the webhook are sent',
    max: 200,
    optional: true,
  })
  types?: readonly string[];

  @Uuid('a ticket', { description: 'Only events of this ticket', optional: true })
  ticket?: string;

  @SomeOf(TIERS, { description: 'Only events of tickets at one of these tiers right after the event', optional: true })
  tiers?: readonly Tier[];

  @Name({ description: 'Only events of tickets assigned to this team right after the event', optional: true })
  team?: string;

  @SomeOf(PRIORITIES, { description: 'Only events of tickets with one of these priorities right after the event', optional: true })
  priorities?: readonly Priority[];

  @Name({
    description: 'Where to start: `start`, `end` (default), after a position such as 1234/1234, or at an instant',
    max: 60,
    optional: true,
  })
  from?: string;
}

@JSONSchema({ description: 'Resends everything from a given place on.', examples: [{ from: '2026-11-21T10:00:00Z' }] })
export class RewindWebhook {
  @Name({ description: '`start`, `end`, after a position such as 1234/1234, or at an instant', max: 60 })
  from!: string;
}

@JSONSchema({ description: 'Resends dead letters.', examples: [{}] })
export class ReplayDeadLetters {
  @TextList({ description: 'Ids of the events; default: all dead letters', max: 100, atLeastOne: true, optional: true })
  events?: readonly string[];
}

/** Ids of the named events that are dead letters. */
export type DeadLetters = ReadonlySet<string>;

/** What a subscription needs from the log and the event types. */
export interface FeedFacts {
  /** Stored names of the event types that were named. */
  readonly types?: readonly string[];
  /** The start that was named, as a place or instant, in stored form. */
  readonly from: string;
  /** Faults of the start, the types and the address. */
  readonly faults: readonly Fault[];
}

type Subscribed = Pick<Webhook, 'webhook' | 'url' | 'description' | 'filter' | 'clients' | 'from'>;

type ChangeDefinition<Data> = Omit<EventDefinition<WebhookState, Data>, 'evolve'> & {
  readonly evolve: (webhook: Webhook, data: Data, when: { readonly effectiveAt: Instant }) => WebhookState;
};

const change = <Data>({ evolve, ...definition }: ChangeDefinition<Data>) =>
  event<WebhookState, Data>({ ...definition, evolve: (state, data, when) => (isSubscribed(state) ? evolve(state, data, when) : state) });

const events = {
  WebhookSubscribed: event<WebhookState, Subscribed>({
    personal: null,
    evolve: (_state, subscribed, { actor, effectiveAt }) => ({
      ...subscribed,
      generation: 1,
      secretVersion: 1,
      state: 'active',
      pings: 0,
      replays: [],
      subscribedAt: effectiveAt,
      subscribedBy: actor,
    }),
  }),
  WebhookPaused: change<{ readonly webhook: string }>({ personal: null, evolve: (webhook) => ({ ...webhook, state: 'paused' }) }),
  WebhookResumed: change<{ readonly webhook: string }>({ personal: null, evolve: (webhook) => ({ ...webhook, state: 'active' }) }),
  WebhookSecretRotated: change<{ readonly webhook: string; readonly version: number; readonly overlapUntil: Instant }>({
    personal: null,
    evolve: (webhook, { version, overlapUntil }, { effectiveAt }) => {
      const olderSecrets = secretsBefore(webhook, effectiveAt).slice(0, MOST_SECRETS - 2);
      return {
        ...without(webhook, 'olderSecrets'),
        secretVersion: version,
        overlapUntil,
        ...(olderSecrets.length > 0 && { olderSecrets }),
      };
    },
  }),
  WebhookRewound: change<{ readonly webhook: string; readonly from: string; readonly generation: number }>({
    personal: null,
    evolve: (webhook, { from, generation }) => ({ ...webhook, from, generation }),
  }),
  WebhookPinged: change<{ readonly webhook: string; readonly ping: number }>({
    personal: null,
    evolve: (webhook, { ping }) => ({ ...webhook, pings: ping }),
  }),
  DeadLettersReplayed: change<{ readonly webhook: string; readonly number: number; readonly events?: readonly string[] }>({
    personal: null,
    evolve: (webhook, replay) => ({ ...webhook, replays: [...webhook.replays, without(replay, 'webhook')].slice(-MOST_REPLAYS) }),
  }),
  WebhookDeleted: change<{ readonly webhook: string }>({ personal: null, evolve: ({ clients }) => ({ clients, state: 'deleted' }) }),
};

const command = commandsOn<WebhookState, EventsOf<{ readonly events: typeof events }>>();

const noWebhook = () => refuse('webhook-not-found', 'There is no such webhook');
type Nothing = Readonly<Record<never, never>>;

/**
 * A subscription that sends events to an address. It belongs to no client, but sends only events of its clients. One stream each:
 * `webhook-<id>`.
 */
export const webhook = {
  category: 'webhook',
  noun: 'webhook',
  idName: 'webhook',
  initial: null,
  client: () => '',
  events,
  commands: {
    SubscribeWebhook: command({
      body: SubscribeWebhook,
      route: 'POST /v1/webhooks',
      refuses: ['webhook-invalid', 'webhook-exists'],
      needs: 'feed-facts',
      decide(
        { url, description, clients: some, allClients, ticket, tiers, team, priorities },
        state,
        { id = '' },
        { from, types, faults }: FeedFacts = { from: 'start', faults: [] },
      ) {
        if (state !== null) return refuse('webhook-exists', 'The webhook already exists');
        const clients = clientsNamed(some, allClients);
        if (clients === undefined)
          return refuse('webhook-invalid', 'Say whose events are sent: clients or allClients', [CLIENTS_NOT_NAMED]);
        if (faults.length > 0) return refuse('webhook-invalid', 'Invalid subscription', faults);
        const filter = omitUndefined({ types, ticket, tiers, team, priorities });
        return [
          {
            type: 'WebhookSubscribed',
            data: omitUndefined({ webhook: id, url, description, filter, clients, from }),
          },
        ];
      },
    }),
    PauseWebhook: command({
      route: 'POST /v1/webhooks/{webhook}/pause',
      refuses: ['webhook-not-found'],
      decide(_command: Nothing, state) {
        if (!isSubscribed(state)) return noWebhook();
        return state.state === 'paused' ? [] : [{ type: 'WebhookPaused', data: { webhook: state.webhook } }];
      },
    }),
    ResumeWebhook: command({
      route: 'POST /v1/webhooks/{webhook}/resume',
      refuses: ['webhook-not-found'],
      decide(_command: Nothing, state) {
        if (!isSubscribed(state)) return noWebhook();
        return state.state === 'active' ? [] : [{ type: 'WebhookResumed', data: { webhook: state.webhook } }];
      },
    }),
    RotateWebhookSecret: command({
      route: 'POST /v1/webhooks/{webhook}/secret',
      refuses: ['webhook-not-found'],
      decide(_command: Nothing, state, { effectiveAt }) {
        if (!isSubscribed(state)) return noWebhook();
        const overlapUntil = instantFrom(epochMillis(effectiveAt) + OVERLAP);
        return [{ type: 'WebhookSecretRotated', data: { webhook: state.webhook, version: state.secretVersion + 1, overlapUntil } }];
      },
    }),
    RewindWebhook: command({
      body: RewindWebhook,
      route: 'POST /v1/webhooks/{webhook}/rewind',
      refuses: ['webhook-not-found', 'webhook-invalid'],
      needs: 'feed-facts',
      decide(_command, state, _context, { from, faults }: FeedFacts = { from: 'start', faults: [] }) {
        if (!isSubscribed(state)) return noWebhook();
        if (faults.length > 0) return refuse('webhook-invalid', 'Invalid starting point', faults);
        return [{ type: 'WebhookRewound', data: { webhook: state.webhook, from, generation: state.generation + 1 } }];
      },
    }),
    PingWebhook: command({
      route: 'POST /v1/webhooks/{webhook}/ping',
      refuses: ['webhook-not-found'],
      decide(_command: Nothing, state) {
        if (!isSubscribed(state)) return noWebhook();
        return [{ type: 'WebhookPinged', data: { webhook: state.webhook, ping: state.pings + 1 } }];
      },
    }),
    ReplayDeadLetters: command({
      body: ReplayDeadLetters,
      route: 'POST /v1/webhooks/{webhook}/replay',
      refuses: ['webhook-not-found', 'dead-letter-not-found'],
      needs: 'dead-letters',
      decide({ events }, state, _context, dead?: DeadLetters) {
        if (!isSubscribed(state)) return noWebhook();
        const faults = (events ?? []).flatMap((id, index) =>
          dead === undefined || dead.has(id) ? [] : [{ field: `events[${index}]`, message: `${id} is not a dead letter of the webhook` }],
        );
        if (faults.length > 0) return refuse('dead-letter-not-found', 'Nothing was resent: some of the ids are not dead letters', faults);
        const number = (state.replays.at(-1)?.number ?? 0) + 1;
        return [{ type: 'DeadLettersReplayed', data: omitUndefined({ webhook: state.webhook, number, events }) }];
      },
    }),
    DeleteWebhook: command({
      route: 'DELETE /v1/webhooks/{webhook}',
      refuses: ['webhook-not-found'],
      decide(_command: Nothing, state) {
        if (state === null) return noWebhook();
        return isSubscribed(state) ? [{ type: 'WebhookDeleted', data: { webhook: state.webhook } }] : [];
      },
    }),
  },
} satisfies Aggregate<WebhookState>;

/** The earlier secrets that also sign at an instant, latest first. */
export function secretsBefore(
  { secretVersion, overlapUntil, olderSecrets = [] }: Pick<Webhook, 'secretVersion' | 'overlapUntil' | 'olderSecrets'>,
  at: Instant,
): readonly { readonly version: number; readonly until: Instant }[] {
  const latest = overlapUntil === undefined ? [] : [{ version: secretVersion - 1, until: overlapUntil }];
  return [...latest, ...olderSecrets].filter(({ until }) => at < until);
}

export function isSubscribed(state: WebhookState): state is Webhook {
  return state !== null && state.state !== 'deleted';
}
