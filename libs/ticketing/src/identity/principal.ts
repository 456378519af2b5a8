import type { Actor, Fault } from '#eventsourcing';
import { about, flag, listOf, literal, oneOf, open, optional, type Static, text, unionOf } from '../schema.js';
import { tierSchema } from '../vocabulary.js';

/**
 * Roles. `requester`: reports tickets and follows their own; `agent`: works on tickets of their tiers; `lead`: leads a desk; `auditor`:
 * reads everything of their clients and writes nothing; `service`: a program that brings in tickets and messages; `assistant`: a program
 * that works alongside agents; `administrator`: may do everything.
 */
export const ROLES = ['requester', 'agent', 'lead', 'auditor', 'service', 'assistant', 'administrator'] as const;
export type Role = (typeof ROLES)[number];

export const PRINCIPAL_KINDS = ['person', 'service', 'assistant', 'system'] as const;

/** `all`, or a list. */
export const orAll = <S extends Parameters<typeof listOf>[0]>(item: S) => unionOf([literal('all'), listOf(item)]);

export const principalSchema = about(
  open({
    kind: about(oneOf(PRINCIPAL_KINDS), 'A person, a service, an assistant, or the system itself'),
    id: about(text, 'Id, as used in events'),
    name: optional(about(text, 'Display name')),
    roles: about(listOf(oneOf(ROLES)), 'What they may do'),
    clients: about(orAll(text), 'Clients whose data they may see, or `all`'),
    tiers: about(orAll(tierSchema), 'Tiers they work at, or `all`'),
    teams: about(listOf(text), 'Ids of the teams they belong to'),
    onBehalfOf: optional(about(flag, 'Whether they may act on behalf of others')),
  }),
  'Who sends the request',
);

/** Who is asking, however they were authenticated. */
export type Principal = Static<typeof principalSchema>;

/** Part of the system itself: a policy or the timekeeper. */
export function systemPrincipal({ id, name }: Pick<Actor, 'id' | 'name'>): Principal {
  return {
    kind: 'system',
    id,
    ...(name === undefined ? {} : { name }),
    roles: [],
    clients: 'all',
    tiers: 'all',
    teams: [],
    onBehalfOf: true,
  };
}

/** Someone with access to the machine itself and its stores. */
export const OPERATOR: Principal = systemPrincipal({ id: 'operator', name: 'Operator of the machine' });

/** A principal as named in events. */
export function actorOf({ kind, id, name, roles }: Principal): Actor {
  const kinds = {
    person: roles.length > 0 && roles.every((role) => role === 'requester') ? 'requester' : 'agent',
    service: 'system',
    assistant: 'assistant',
    system: 'system',
  } as const;
  return { id, kind: kinds[kind], ...(name === undefined ? {} : { name }) };
}

/** Whether both are the same person or program, apart from their permissions, which change. */
export function isSamePrincipal(one: Pick<Principal, 'kind' | 'id'>, other: Pick<Principal, 'kind' | 'id'>): boolean {
  return one.kind === other.kind && one.id === other.id;
}

/** What may be seen: data of these clients; if a reporter is named, only that reporter's tickets. */
export interface Scope {
  readonly clients: Principal['clients'];
  /** Id of the reporter. */
  readonly reporter?: string;
}

/** The clients that are named: a list, or all; undefined if both are given, or neither. */
export function clientsNamed(clients: readonly string[] | undefined, allClients = false): Principal['clients'] | undefined {
  return (clients === undefined) === allClients ? (clients ?? 'all') : undefined;
}

/** The fault when `clientsNamed` finds none. */
export const CLIENTS_NOT_NAMED: Fault = { field: 'clients', message: 'either name clients or set allClients to true' };

/** Whether someone sees no client beyond one's own scope. */
export function isWithinReach({ clients }: Pick<Scope, 'clients'>, other: Pick<Scope, 'clients'>): boolean {
  return clients === 'all' || (other.clients !== 'all' && other.clients.every((client) => clients.includes(client)));
}

/** Whether something of a client may be seen. Everyone at the desk may see what belongs to no client. */
export function seesClient({ clients }: Pick<Scope, 'clients'>, client: string): boolean {
  return client === '' || clients === 'all' || clients.includes(client);
}
