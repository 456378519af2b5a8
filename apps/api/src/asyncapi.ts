import { cloudEventType, publicEventSchemas, type PublicEventType, publicEventTypes, schemaUri, ticketEvents } from '#ticketing';

/** An AsyncAPI 3 document of what other services are sent. */
export function asyncApiDocument(): object {
  const messages = Object.fromEntries(publicEventTypes.map((type) => [type, messageOf(type)]));
  const refer = (channel: string) => publicEventTypes.map((type) => ({ $ref: `#/channels/${channel}/messages/${type}` }));
  const ofChannel = Object.fromEntries(publicEventTypes.map((type) => [type, { $ref: `#/components/messages/${type}` }]));
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Tierline',
      version: '1',
      description:
        'Events of tiered IT support as CloudEvents 1.0, in log order. Within a version of a type, data is only ever added. For errors and all other routes of the HTTP API, see /openapi.json.',
    },
    defaultContentType: 'application/cloudevents+json',
    channels: {
      events: {
        address: '/v1/events',
        title: 'Event feed',
        description:
          'GET: server-sent events, or NDJSON with `Accept: application/x-ndjson`; query parameters set filters and the starting point. Requires a key (`Authorization: Bearer …`).',
        messages: ofChannel,
        bindings: { http: { bindingVersion: '0.3.0' } },
      },
      webhook: {
        address: '{url}',
        title: 'Webhook',
        description:
          'POST to the URL of a subscription (`POST /v1/webhooks`), one event per request, signed according to Standard Webhooks; any 2xx status accepts it.',
        parameters: { url: { description: 'URL of the subscription' } },
        messages: ofChannel,
        bindings: { http: { bindingVersion: '0.3.0' } },
      },
    },
    operations: {
      followEvents: {
        action: 'send',
        channel: { $ref: '#/channels/events' },
        summary: 'Streams the requested events from a given place on',
        messages: refer('events'),
        bindings: { http: { method: 'GET', bindingVersion: '0.3.0' } },
      },
      deliverToWebhook: {
        action: 'send',
        channel: { $ref: '#/channels/webhook' },
        summary: 'Sends each subscribed event at least once, in order within a subject',
        messages: refer('webhook'),
        bindings: { http: { method: 'POST', bindingVersion: '0.3.0' } },
      },
    },
    components: { messages, messageTraits: { signed }, schemas: { CloudEvent: envelope } },
  };
}

function messageOf(type: PublicEventType): object {
  const name = cloudEventType(type);
  const { says } = (ticketEvents as Readonly<Record<string, { readonly says?: string }>>)[type] ?? {};
  return {
    name,
    title: type,
    ...(says === undefined ? {} : { summary: says }),
    contentType: 'application/cloudevents+json',
    traits: [{ $ref: '#/components/messageTraits/signed' }],
    payload: {
      allOf: [
        { $ref: '#/components/schemas/CloudEvent' },
        { type: 'object', properties: { type: { const: name }, dataschema: { const: schemaUri(name) }, data: publicEventSchemas[type] } },
      ],
    },
  };
}

const text = (description: string) => ({ type: 'string', description });

/** Headers added by webhooks. */
const signed = {
  headers: {
    type: 'object',
    properties: {
      'webhook-id': text('Webhooks: id of the event'),
      'webhook-timestamp': text('Webhooks: when it was sent, in seconds since 1970'),
      'webhook-signature': text('Webhooks: signatures according to Standard Webhooks, separated by spaces'),
    },
  },
};

const envelope = {
  type: 'object',
  required: [
    'specversion',
    'id',
    'source',
    'type',
    'subject',
    'time',
    'datacontenttype',
    'dataschema',
    'recordedtime',
    'position',
    'revision',
    'client',
    'actorid',
    'actorkind',
    'correlationid',
    'causationid',
    'data',
  ],
  properties: {
    specversion: { const: '1.0' },
    id: text('Id of the event, the same for every delivery'),
    source: { const: '/tierline' },
    type: text('Type of the event, with the version of its data'),
    subject: text('Subject of the event, such as `ticket/<id>`'),
    time: { type: 'string', format: 'date-time', description: 'When it happened' },
    datacontenttype: { const: 'application/json' },
    dataschema: text('Schema of the data; see /schemas'),
    recordedtime: { type: 'string', format: 'date-time', description: 'When it was recorded' },
    position: text('Position to resume from after this event'),
    revision: { type: 'integer', minimum: 0, description: "Revision of the event in its subject's stream" },
    client: text('Client of the event; empty for events of the whole desk'),
    tier: text('For tickets: the value right after the event'),
    team: text('For tickets: the value right after the event'),
    priority: text('For tickets: the value right after the event'),
    actorid: text('Who did it'),
    actorkind: text('Kind of actor'),
    correlationid: text('Shared by everything that followed from one request'),
    causationid: text('What directly caused it'),
    importedfrom: text('System it was imported from'),
  },
};
