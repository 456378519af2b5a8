import { type DecisionContext, evolve, type Instant, instantFrom, isRefusal } from '#eventsourcing';
import { defaultContract, HOUR } from './contract.js';
import { contract, type ContractCommands, contractInForce, type ContractState, everInForce } from './contract-agreement.js';

const start = Date.parse('2026-11-21T08:00:00.000Z');
const at = (hours: number): Instant => instantFrom(start + hours * HOUR);
const context = (hours: number): DecisionContext => ({ commandId: 'c', actor: { id: 'ada', kind: 'agent' }, effectiveAt: at(hours) });
type Agreement = Omit<ContractCommands['AgreeContract'], 'client'>;

function agree(state: ContractState, agreement: Agreement, hours: number) {
  return contract.commands.AgreeContract.decide({ client: 'northwind', ...agreement }, state, context(hours));
}

/** The contract after agreements, an hour apart. */
function agreed(...agreements: readonly Agreement[]): ContractState {
  return agreements.reduce<ContractState>((state, agreement, index) => {
    const decision = agree(state, agreement, index);
    if (isRefusal(decision)) throw new Error(JSON.stringify(decision));
    return decision.reduce<ContractState>(
      (folded, event) => evolve(contract, folded, event, { ...context(index), recordedAt: at(index) }),
      state,
    );
  }, null);
}

const patient = { targets: { ...defaultContract.targets, low: { response: HOUR, resolution: { businessDays: 3 } } } };

describe('AgreeContract', () => {
  it('makes a version, with the terms of the default contract where it says nothing', () => {
    expect(agree(null, { terms: { reopen: 'continue' }, note: 'pilot' }, 0)).toEqual([
      {
        type: 'ContractAgreed',
        data: { client: 'northwind', version: 1, effectiveFrom: at(0), terms: { ...defaultContract, reopen: 'continue' }, note: 'pilot' },
      },
    ]);
    expect(agree(agreed({ terms: {} }), { terms: patient, effectiveFrom: '2027-01-01T00:00:00+01:00' }, 5)).toMatchObject([
      { data: { version: 2, effectiveFrom: '2026-12-31T23:00:00.000Z', terms: patient } },
    ]);
  });

  it('stays quiet when the same is agreed already', () => {
    const state = agreed({ terms: patient });
    expect(agree(state, { terms: patient }, 7)).toEqual([]);
    expect(agree(state, { terms: patient, effectiveFrom: at(0) }, 7)).toEqual([]);
    expect(agree(state, { terms: patient, effectiveFrom: at(9) }, 7)).toHaveLength(1);
    expect(agree(state, { terms: {} }, 7)).toHaveLength(1);
  });

  it('refuses invalid terms, and names each', () => {
    const { critical: _, ...gap } = defaultContract.targets;
    const decision = agree(
      null,
      {
        terms: {
          targets: { ...gap, low: { response: 0, resolution: HOUR } },
          calendar: {
            zone: 'Europe/Nowhere',
            week: {
              monday: [
                { from: '09:00', to: '13:00' },
                { from: '12:00', to: '17:00' },
              ],
            },
          },
          discount: 5,
        },
      },
      0,
    );
    expect(decision).toMatchObject({ refused: 'contract-invalid' });
    expect(isRefusal(decision) && decision.faults?.map(({ field }) => field)).toEqual([
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
    const decision = agree(null, { terms: { calendar: { zone: 'UTC', week: { monday: [{ from: '09:00', to: '17:00' }] }, holidays } } }, 0);
    expect(decision).toMatchObject({ refused: 'contract-invalid', faults: [{ field: 'terms' }] });
  });
});

describe('the version in force', () => {
  it('is the newest of those that have begun', () => {
    const state = agreed({ terms: {} }, { terms: patient, effectiveFrom: at(10) }, { terms: { thresholds: [80] }, effectiveFrom: at(5) });
    const versionAt = (hours: number) => contractInForce(state, at(hours))?.version;
    expect([-1, 0, 4, 5, 9, 10, 100].map(versionAt)).toEqual([undefined, 1, 1, 3, 3, 3, 3]);
    expect(contractInForce(null, at(0))).toBeUndefined();
  });

  it('is, at every instant, what is known to have been in force then', () => {
    const state = agreed(
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
