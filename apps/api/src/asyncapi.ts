import { cloudEventType, publicEventSchemas, type PublicEventType, publicEventTypes, schemaUri, ticketEvents } from '#ticketing';

/** What other services are sent, as an AsyncAPI 3 document. */
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
        'Events of tiered IT support as CloudEvents 1.0, in the order of the log. Within a version of a type its data only grows. Errors of the HTTP interface, and all other routes, are in /openapi.json.',
    },
    defaultContentType: 'application/cloudevents+json',
    channels: {
      events: {
        address: '/v1/events',
        title: 'Event feed',
        description:
          'GET: server-sent events, or lines of JSON with `Accept: application/x-ndjson`; filters and places to begin are its query parameters. Takes a key (`Authorization: Bearer …`).',
        messages: ofChannel,
        bindings: { http: { bindingVersion: '0.3.0' } },
      },
      webhook: {
        address: '{url}',
        title: 'Webhook',
        description:
          'POST to the address of a subscription (`POST /v1/webhooks`), one event a request, signed after Standard Webhooks; any status 2xx takes it.',
        parameters: { url: { description: 'The address that was subscribed' } },
        messages: ofChannel,
        bindings: { http: { bindingVersion: '0.3.0' } },
      },
    },
    operations: {
      followEvents: {
        action: 'send',
        channel: { $ref: '#/channels/events' },
        summary: 'Sends what a reader asks for, from a place on',
        messages: refer('events'),
        bindings: { http: { method: 'GET', bindingVersion: '0.3.0' } },
      },
      deliverToWebhook: {
        action: 'send',
        channel: { $ref: '#/channels/webhook' },
        summary: 'Sends each event that was subscribed to, at least once, those of a subject in order',
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

/** What webhooks add. */
const signed = {
  headers: {
    type: 'object',
    properties: {
      'webhook-id': text('Of webhooks: the id of the event'),
      'webhook-timestamp': text('Of webhooks: when it was sent, in seconds since 1970'),
      'webhook-signature': text('Of webhooks: signatures after Standard Webhooks, with spaces between them'),
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
    id: text('The same however often the event is sent'),
    source: { const: '/tierline' },
    type: text('What happened, with the version of its data'),
    subject: text('What it happened to, such as `ticket/<id>`'),
    time: { type: 'string', format: 'date-time', description: 'When it happened' },
    datacontenttype: { const: 'application/json' },
    dataschema: text('Names the schema of the data; /schemas lists them'),
    recordedtime: { type: 'string', format: 'date-time', description: 'When it was told' },
    position: text('Where a reader resumes after it'),
    revision: { type: 'integer', minimum: 0, description: 'Number of the event in the stream of its subject' },
    client: text('The client that it belongs to; empty for what belongs to the whole desk'),
    tier: text('Of a ticket, right after the event'),
    team: text('Of a ticket, right after the event'),
    priority: text('Of a ticket, right after the event'),
    actorid: text('Who did it'),
    actorkind: text('What they are'),
    correlationid: text('Ties together all that follows from one thing that somebody did'),
    causationid: text('What led to it'),
    importedfrom: text('The system that it was imported from'),
  },
};
