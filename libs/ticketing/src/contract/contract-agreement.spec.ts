import { type CommandsOf, type Instant, instantFrom, refuse } from '#eventsourcing';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { defaultContract, HOUR } from './contract.js';
import { agreedWith, contract, contractInForce, everInForce } from './contract-agreement.js';
import type { Rule } from './rule.js';

const start = Date.parse('2026-11-21T08:00:00.000Z');
const at = (hours: number): Instant => instantFrom(start + hours * HOUR);
const given = scenariosOf(contract, { id: 'northwind', actor: { id: 'ada', kind: 'agent' }, start, step: HOUR });
type Agreement = Omit<CommandsOf<typeof contract>['AgreeContract'], 'client'>;

const agreement = (terms: Agreement, hours: number) => ['AgreeContract', { client: 'northwind', ...terms }, hours * HOUR] as const;
/** The contract after agreements, an hour apart. */
const agreed = (...agreements: readonly Agreement[]) => given(...agreements.map(agreement));

const patient = { targets: { ...defaultContract.targets, low: { response: HOUR, resolution: { businessDays: 3 } } } };

describe('AgreeContract', () => {
  it('makes a version, with the terms of the default contract where it says nothing', () => {
    expect(
      agreed()
        .when(...agreement({ terms: { reopen: 'continue' }, note: 'pilot' }, 0))
        .events(),
    ).toEqual([
      {
        type: 'ContractAgreed',
        data: { client: 'northwind', version: 1, effectiveFrom: at(0), terms: { ...defaultContract, reopen: 'continue' }, note: 'pilot' },
      },
    ]);
    const second = agreement({ terms: patient, effectiveFrom: '2027-01-01T00:00:00+01:00' }, 5);
    expect(
      agreed({ terms: {} })
        .when(...second)
        .events(),
    ).toMatchObject([{ data: { version: 2, effectiveFrom: '2026-12-31T23:00:00.000Z', terms: patient } }]);
  });

  it('stays quiet when the same is agreed already', () => {
    const again = (terms: Agreement) =>
      agreed({ terms: patient })
        .when(...agreement(terms, 7))
        .events();
    expect(again({ terms: patient })).toEqual([]);
    expect(again({ terms: patient, effectiveFrom: at(0) })).toEqual([]);
    expect(again({ terms: patient, effectiveFrom: at(9) })).toHaveLength(1);
    expect(again({ terms: {} })).toHaveLength(1);
  });

  it('refuses invalid terms, and names each', () => {
    const { critical: _, ...gap } = defaultContract.targets;
    const monday = [
      { from: '09:00', to: '13:00' },
      { from: '12:00', to: '17:00' },
    ];
    const terms = {
      targets: { ...gap, low: { response: 0, resolution: HOUR } },
      calendar: { zone: 'Europe/Nowhere', week: { monday } },
      discount: 5,
    };
    const { refused, faults } = agreed().when('AgreeContract', { client: 'northwind', terms }).refusal();
    expect(refused).toBe('contract-invalid');
    expect(faults?.map(({ field }) => field)).toEqual([
      'terms.calendar.zone',
      'terms.calendar.week.monday[1]',
      'terms.targets.critical',
      'terms.targets.low.response',
      'terms.discount',
    ]);
  });

  it('refuses terms too large to go with every ticket', () => {
    const holidays = Array.from({ length: 3000 }, (_, day) => ({
      date: new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10),
      name: 'closed',
    }));
    const terms = { calendar: { zone: 'UTC', week: { monday: [{ from: '09:00', to: '17:00' }] }, holidays } };
    expect(agreed().when('AgreeContract', { client: 'northwind', terms }).refusal()).toMatchObject({
      refused: 'contract-invalid',
      faults: [{ field: 'terms' }],
    });
  });
});

const rule = { name: 'vpn', on: 'TicketOpened', then: [{ do: 'triage', category: 'network/vpn' }] } as const satisfies Rule;
const changed: Rule = { ...rule, on: 'TicketReopened' };
const other: Rule = { ...rule, name: 'other' };
const replayed = (...rules: readonly Rule[]) => ({
  rules,
  tickets: 3,
  touched: rules.map(({ name }) => ({ rule: name, tickets: 2, fired: 2 })),
});
const simulation = (hours: number, ...rules: readonly Rule[]) =>
  ['SimulateRules', { client: 'northwind', terms: { rules } }, hours * HOUR, replayed(...rules)] as const;

describe('SimulateRules', () => {
  it('records what the rules would have done to past tickets', () => {
    const period = { from: '2026-11-01T00:00:00.000Z', to: '2026-11-20T00:00:00.000Z' } as Record<'from' | 'to', Instant>;
    const [name, body, offset, outside] = simulation(1, rule, other);
    const events = given()
      .when(name, { ...body, ...period }, offset, { ...outside, ...period })
      .events();
    expect(events).toEqual([
      {
        type: 'ContractRulesSimulated',
        data: { client: 'northwind', ...replayed(rule, other), ...period },
      },
    ]);
  });

  it('is no agreement', () => {
    const { state } = given(simulation(1, rule));
    expect([agreedWith(state), contractInForce(state, at(2)), everInForce(state, '2025b')]).toEqual([null, undefined, []]);
    expect(agreedWith(given(simulation(1, rule), agreement({ terms: {} }, 2)).state)?.versions).toMatchObject([{ version: 1 }]);
  });

  it('is recorded once, and anew when it is done again', () => {
    const once = given(simulation(1, rule));
    expect(once.when(...simulation(1, rule)).events()).toEqual([]);
    expect(once.when(...simulation(2, rule)).events()).toHaveLength(1);
    expect(once.when(...simulation(1, rule, other)).events()).toHaveLength(1);
  });

  it('refuses what cannot be simulated', () => {
    expect(
      given()
        .when(...simulation(1))
        .refusal(),
    ).toMatchObject({ refused: 'contract-invalid', faults: [{ field: 'terms.rules' }] });
    const nothing = { ...replayed(rule), from: '2026-11-01T00:00:00.000Z' as Instant, tickets: 0 };
    expect(given().when('SimulateRules', { client: 'northwind', terms: {} }, 0, nothing).refusal()).toMatchObject({
      refused: 'contract-invalid',
      faults: [{ field: 'from' }],
    });
    const tooLong = refuse('simulation-too-long', 'too long');
    expect(given().when('SimulateRules', { client: 'northwind', terms: {} }, 0, tooLong).refusal()).toBe(tooLong);
  });
});

describe('rules that are agreed', () => {
  const agreeing = (...rules: readonly Rule[]) => agreement({ terms: { rules } }, 5);
  const faultsAfter = (past: readonly Sent<typeof contract>[], ...rules: readonly Rule[]) => {
    const { refused, faults } = given(...past)
      .when(...agreeing(...rules))
      .refusal();
    expect(refused).toBe('rules-not-simulated');
    return faults;
  };

  it('refuses rules not simulated in this form, and names each', () => {
    expect(faultsAfter([], rule)).toEqual([{ field: 'terms.rules[0]', message: 'was not simulated yet' }]);
    expect(faultsAfter([simulation(1, rule)], rule, other)).toMatchObject([{ field: 'terms.rules[1]' }]);
    const later = [{ field: 'terms.rules[0]', message: 'has changed since it was simulated' }];
    expect(faultsAfter([simulation(1, rule)], changed)).toEqual(later);
    expect(faultsAfter([simulation(1, rule), simulation(2, changed)], rule)).toEqual(later);
  });

  it('accepts rules that were simulated, or were in an earlier version', () => {
    const agreed = given(simulation(1, rule, other), agreeing(rule));
    expect(agreed.state?.versions).toMatchObject([{ version: 1, terms: { rules: [rule] } }]);
    const without = agreed.and(simulation(6, changed), agreement({ terms: {} }, 7));
    expect(without.when(...agreement({ terms: { rules: [other, rule] } }, 8)).events()).toMatchObject([{ data: { version: 3 } }]);
    expect(agreed.when(...agreement({ terms: { rules: [{ ...rule, if: [] }] } }, 8)).refusal()).toMatchObject({
      refused: 'rules-not-simulated',
    });
  });
});

describe('the version in force', () => {
  it('is the newest of those in effect', () => {
    const { state } = agreed(
      { terms: {} },
      { terms: patient, effectiveFrom: at(10) },
      { terms: { thresholds: [80] }, effectiveFrom: at(5) },
    );
    const versionAt = (hours: number) => contractInForce(state, at(hours))?.version;
    expect([-1, 0, 4, 5, 9, 10, 100].map(versionAt)).toEqual([undefined, 1, 1, 3, 3, 3, 3]);
    expect(contractInForce(null, at(0))).toBeUndefined();
  });

  it('is, at every instant, what is known to have been in force then', () => {
    const { state } = agreed(
      { terms: {}, effectiveFrom: at(10) },
      { terms: patient, effectiveFrom: at(20) },
      { terms: { thresholds: [80] }, effectiveFrom: at(15) },
      { terms: {}, effectiveFrom: at(30) },
    );
    const known = everInForce(state, '2025b');
    expect(known.map(({ from, contract }) => [from, contract.version, contract.tzdata])).toEqual([
      [at(10), 1, '2025b'],
      [at(15), 3, '2025b'],
      [at(30), 4, '2025b'],
    ]);
    for (let hours = 0; hours < 40; hours++)
      expect(known.findLast(({ from }) => from <= at(hours))?.contract.version).toBe(contractInForce(state, at(hours))?.version);
    expect(everInForce(null, '2025b')).toEqual([]);
  });
});
