import { type Aggregate, instantFrom } from '#eventsourcing';
import { recorded, type Told } from '../../../eventsourcing/src/testing/given-projected.js';
import { alert } from '../alerts/alert.js';
import { aggregates } from '../desk/aggregates.js';
import { defaultContract } from '../contract/contract.js';
import type { Scope } from '../identity/principal.js';
import { type Audited, auditedAggregates } from './audited.js';

const all: Scope = { clients: 'all' };
const ofAlpha: Scope = { clients: ['alpha'] };

function read(audited: Audited, scope: Scope, events: readonly Told[]) {
  const one = audited.read(scope);
  return recorded(audited.stream('x'), events).map((event) => one(event));
}

describe('the history of an aggregate', () => {
  it('is there for each that people send commands to, and for alerts', () => {
    const commanded = (aggregates as readonly Aggregate[]).filter(
      (one) => one === alert || Object.values(one.commands).some(({ route }) => route),
    );
    expect(
      Object.values(auditedAggregates)
        .map(({ aggregate }) => aggregate.category)
        .sort(),
    ).toEqual(commanded.map(({ category }) => category).sort());
  });

  it('compares each version of a contract with the one before it', () => {
    const agreed = (version: number, terms: object) => ({
      type: 'ContractAgreed',
      data: { client: 'alpha', version, effectiveFrom: instantFrom(version), terms: { ...defaultContract, ...terms } },
    });
    const [, second] = read(auditedAggregates.contract, all, [agreed(1, {}), agreed(2, { reopen: 'continue' })]);
    expect(second?.changes).toEqual([
      { path: 'version', before: 1, after: 2 },
      { path: 'effectiveFrom', before: instantFrom(1), after: instantFrom(2) },
      { path: 'terms.reopen', before: 'new-cycle', after: 'continue' },
    ]);
  });

  it('of a ticket has its clocks', () => {
    const opening = { client: 'alpha', summary: 's', priority: 'high', tier: 'L1', impact: 'low', urgency: 'low', kind: 'incident' };
    const [first, second] = read(auditedAggregates.ticket, all, [
      { type: 'TicketOpened', data: { ...opening, reporter: { id: 'joe' }, channel: 'phone' } },
      { type: 'TicketPutOnHold', data: { reason: 'customer', note: 'away' }, at: instantFrom(60_000) },
    ]);
    expect(first?.changes).toContainEqual({ path: 'tier', after: 'L1' });
    expect(second?.changes).toContainEqual({ path: 'work.status', before: 'open', after: 'on-hold' });
    expect(second?.changes).toContainEqual({ path: 'clocks.resolution/1.state', before: 'running', after: 'paused' });
  });

  it('never has the hash of a secret', () => {
    const principal = { kind: 'service', id: 'p', roles: [], clients: ['alpha'], tiers: 'all', teams: [] };
    const events = [
      { type: 'CredentialIssued', data: { key: 'k', form: 'key', label: 'l', principal, hash: 'c0ffee' } },
      { type: 'CredentialRevoked', data: { key: 'k' } },
    ];
    for (const scope of [all, ofAlpha]) {
      const steps = read(auditedAggregates.key, scope, events);
      expect(steps).toMatchObject([{ event: { data: { label: 'l' } } }, { changes: [{ path: 'revokedAt' }] }]);
      expect(JSON.stringify(steps, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toContain('c0ffee');
    }
    expect(read(auditedAggregates.key, { clients: ['beta'] }, events)).toEqual([undefined, undefined]);
    const invited = [
      { type: 'AccountInvited', data: { account: 'ada', principal } },
      { type: 'AccountPasswordSet', data: { account: 'ada', hash: 'c0ffee' } },
    ];
    for (const scope of [all, ofAlpha]) {
      const steps = read(auditedAggregates.account, scope, invited);
      expect(steps[1]?.changes).toContainEqual({ path: 'hasPassword', before: false, after: true });
      expect(JSON.stringify(steps, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toContain('c0ffee');
    }
    expect(read(auditedAggregates.account, { clients: ['beta'] }, invited)).toEqual([undefined, undefined]);
  });

  it('names no hidden client, and nothing of a team that serves only others', () => {
    const defined = (...clients: string[]) => ({ type: 'TeamDefined', data: { team: 't', name: 'T', tiers: ['L1'], clients } });
    const [first, second, third] = read(auditedAggregates.team, ofAlpha, [
      defined('alpha', 'beta'),
      defined('alpha', 'gamma'),
      defined('beta'),
    ]);
    expect([first?.event.data, second?.changes, third]).toMatchObject([{ clients: ['alpha'] }, [], undefined]);
  });

  it('of a filter goes on when it is deleted, and hides what it asked for of another client', () => {
    const saved = (client: string) => ({ type: 'TicketFilterSaved', data: { name: 'f', query: { client } } });
    const events = [saved('alpha'), saved('beta'), { type: 'TicketFilterDeleted', data: { name: 'f' } }];
    expect(read(auditedAggregates.filter, all, events)[2]?.changes).toContainEqual({ path: 'query', before: { client: 'beta' } });
    const seen = read(auditedAggregates.filter, ofAlpha, events);
    expect([seen[0]?.changes, seen[1], seen[2]]).toMatchObject([[{ path: 'name' }, { path: 'query' }, {}, {}, {}], undefined, undefined]);
  });
});
