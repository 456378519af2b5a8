import { JSONSchema } from 'class-validator-jsonschema';
import { DateTime, Flag, Name, OneOf, SomeOf, Text, TextList } from '../command-fields.js';
import { omitUndefined } from '../plain-json.js';
import { type Tier, TIERS } from '../vocabulary.js';
import { clientsNamed, type Principal, type Role, ROLES } from './principal.js';

const KEY_KINDS = ['service', 'assistant'] as const;

@JSONSchema({
  description: 'Issues an API key for a service or an assistant. The key is only in this response: it cannot be read again.',
  examples: [{ label: 'Monitoring', id: 'monitoring', roles: ['service'], clients: ['northwind'], expiresAt: '2099-01-01T00:00:00Z' }],
})
export class IssueKey {
  @Text({ description: 'What it is for', max: 200 })
  label!: string;

  @Name({ description: 'Id of the service, as used in events', example: 'monitoring' })
  id!: string;

  @Name({ description: 'Name of the service', optional: true })
  name?: string;

  @OneOf(KEY_KINDS, { description: 'Kind of holder; default: a service', optional: true })
  kind?: (typeof KEY_KINDS)[number];

  @SomeOf(ROLES, { description: 'Roles of the key' })
  roles!: readonly Role[];

  @TextList({ description: 'Clients whose data it gives access to', max: 100, atLeastOne: true, optional: true })
  clients?: readonly string[];

  @Flag({ description: 'Instead of `clients`: it gives access to the data of all clients', optional: true })
  allClients?: boolean;

  @SomeOf(TIERS, { description: 'Tiers it works at; default: all', optional: true })
  tiers?: readonly Tier[];

  @TextList({ description: 'Ids of the teams it belongs to', max: 100, optional: true })
  teams?: readonly string[];

  @Flag({ description: 'Whether it may act on behalf of others', optional: true })
  onBehalfOf?: boolean;

  @TextList({
    description: 'Only these routes and everything below them are allowed, such as `GET /v1/tickets`',
    max: 200,
    atLeastOne: true,
    optional: true,
  })
  routes?: readonly string[];

  @DateTime({ description: 'When it expires; absent: never', optional: true })
  expiresAt?: string;
}

/** Whether this is a route that a key can name: a method and a path, such as `GET /v1/tickets`. */
export function isRouteOfKey(text: string): boolean {
  return /^(GET|POST|PUT|DELETE) \/[\x21-\x7e]*$/.test(text);
}

/** The principal of a key; undefined if it names both some clients and all, or none. */
export function principalOfKey({
  kind = 'service',
  id,
  name,
  roles,
  clients: some,
  allClients,
  tiers,
  teams,
  onBehalfOf,
}: IssueKey): Principal | undefined {
  const clients = clientsNamed(some, allClients);
  if (clients === undefined) return undefined;
  return omitUndefined({
    kind,
    id,
    name,
    roles,
    clients,
    tiers: tiers ?? ('all' as const),
    teams: teams ?? [],
    onBehalfOf,
  });
}
