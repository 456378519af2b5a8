import { isName } from '#eventsourcing';
import type { ClaimsConfig } from '#platform';
import { type Principal, ROLES, TIERS } from '#ticketing';

/** An identity provider's claims about a user. */
export type Claims = Readonly<Record<string, unknown>>;

/**
 * The user according to the identity provider's claims; undefined if they contain no id that an event could have. Roles and tiers unknown
 * here are ignored: a user without a role may do nothing.
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

/** The texts of a claim: a list, a single text, or the words of `scope`. */
function valuesOf(claims: Claims, name: string): readonly string[] {
  const value = claimAt(claims, name);
  const values = name === 'scope' && typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? (value as unknown[]) : [value];
  return values.filter((one): one is string => typeof one === 'string' && one !== '');
}

/** A claim by its name, or by a path of names. */
function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  return name
    .split('.')
    .reduce<unknown>(
      (value, part) => (typeof value === 'object' && value !== null && Object.hasOwn(value, part) ? (value as Claims)[part] : undefined),
      claims,
    );
}
