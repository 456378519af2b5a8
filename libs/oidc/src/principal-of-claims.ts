import { isName } from '#eventsourcing';
import type { ClaimsConfig } from '#platform';
import { type Principal, ROLES, TIERS } from '#ticketing';

/** What an identity provider says of somebody. */
export type Claims = Readonly<Record<string, unknown>>;

/**
 * Who somebody is by what their identity provider says; undefined when it gives them no id that could stand in an event. What it says that is
 * no role or tier of ours counts for nothing: who has no role may do nothing.
 */
export function principalOfClaims(claims: Claims, mapping: ClaimsConfig): Principal | undefined {
  const [id] = valuesOf(claims, mapping.id);
  if (id === undefined || !isName(id, 200)) return undefined;
  const { name } = claims;
  const given = new Set(mapped(valuesOf(claims, mapping.roles), mapping.roleOf));
  const roles = ROLES.filter((role) => given.has(role));
  const clients = mapped(valuesOf(claims, mapping.clients), mapping.clientOf);
  const tiers = valuesOf(claims, mapping.tiers);
  return {
    kind: roles.includes('assistant') ? 'assistant' : roles.length > 0 && roles.every((role) => role === 'service') ? 'service' : 'person',
    id,
    ...(typeof name === 'string' && isName(name, 200) ? { name } : {}),
    roles,
    clients: clients.includes('*') ? 'all' : [...new Set(clients)],
    tiers: claimAt(claims, mapping.tiers) === undefined ? 'all' : TIERS.filter((tier) => tiers.includes(tier)),
    teams: valuesOf(claims, mapping.teams),
  };
}

function mapped(values: readonly string[], to: ReadonlyMap<string, string> | undefined): readonly string[] {
  return to === undefined ? values : values.flatMap((value) => to.get(value) ?? []);
}

/** The texts of a claim: a list, one text, or the words of `scope`. */
function valuesOf(claims: Claims, name: string): readonly string[] {
  const value = claimAt(claims, name);
  const values = name === 'scope' && typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? (value as unknown[]) : [value];
  return values.filter((one): one is string => typeof one === 'string' && one !== '');
}

/** A claim by its name, or by the names that lead to it. */
function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  return name
    .split('.')
    .reduce<unknown>(
      (value, part) => (typeof value === 'object' && value !== null && Object.hasOwn(value, part) ? (value as Claims)[part] : undefined),
      claims,
    );
}
