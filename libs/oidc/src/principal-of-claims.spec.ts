import { principalOfClaims } from './principal-of-claims.js';

const names = { id: 'sub', roles: 'roles', clients: 'clients', tiers: 'tiers', teams: 'teams' };

describe('the principal of claims', () => {
  it('has the roles, clients, tiers and teams that they name, and no others', () => {
    const claims = {
      sub: 'ada',
      name: 'Ada',
      roles: ['agent', 'root', 7, 'agent'],
      clients: ['northwind', 'northwind'],
      tiers: ['L2', 'L9'],
      teams: ['network'],
    };
    expect(principalOfClaims(claims, names)).toEqual({
      kind: 'person',
      id: 'ada',
      name: 'Ada',
      roles: ['agent'],
      clients: ['northwind'],
      tiers: ['L2'],
      teams: ['network'],
    });
  });

  it('may do and see nothing without claims', () => {
    expect(principalOfClaims({ sub: 'ada' }, names)).toEqual({
      kind: 'person',
      id: 'ada',
      roles: [],
      clients: [],
      tiers: 'all',
      teams: [],
    });
    expect(principalOfClaims({ sub: 'ada', tiers: [] }, names)).toMatchObject({ tiers: [] });
    for (const claims of [{}, { sub: '' }, { sub: 7 }, { sub: 'a\u202eb' }]) expect(principalOfClaims(claims, names)).toBeUndefined();
  });

  it('is read from nested claims, from names with dots, from a single text, and from the words of a scope', () => {
    expect(principalOfClaims({ sub: 'a', realm_access: { roles: ['lead'] } }, { ...names, roles: 'realm_access.roles' })?.roles).toEqual([
      'lead',
    ]);
    const auth0 = { sub: 'a', 'https://tierline.example/roles': 'auditor' };
    expect(principalOfClaims(auth0, { ...names, roles: 'https://tierline.example/roles' })?.roles).toEqual(['auditor']);
    expect(principalOfClaims({ sub: 'a', scope: 'openid service' }, { ...names, roles: 'scope' })).toMatchObject({
      kind: 'service',
      roles: ['service'],
    });
    expect(principalOfClaims({ sub: 'a', roles: 'lead agent' }, names)?.roles).toEqual([]);
    expect(principalOfClaims({ sub: 'a' }, { ...names, roles: '__proto__.constructor.name' })?.roles).toEqual([]);
  });

  it('has what groups stand for', () => {
    const mapping = {
      ...names,
      roles: 'groups',
      clients: 'groups',
      roleOf: new Map([
        ['desk', 'agent'],
        ['bots', 'assistant'],
      ]),
      clientOf: new Map([
        ['staff', '*'],
        ['nw', 'northwind'],
      ]),
    };
    expect(principalOfClaims({ sub: 'a', groups: ['desk', 'nw', 'lead'] }, mapping)).toMatchObject({
      kind: 'person',
      roles: ['agent'],
      clients: ['northwind'],
    });
    expect(principalOfClaims({ sub: 'a', groups: ['bots', 'staff'] }, mapping)).toMatchObject({ kind: 'assistant', clients: 'all' });
  });
});
