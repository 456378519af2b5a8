import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { instantFrom, isRefusal } from '#eventsourcing';
import { noColours } from '#platform';
import { contractTerms, defaultContract } from '#ticketing';
import { simulate } from '#ticketing-app';
import { type TestStores, testStores } from '../../../../test/stores.js';
import { importLog } from '../import/import-log.js';
import { BPIC2013 } from '../import/ready-mappings.js';
import { bpic2013 } from '../import/testing/log-files.js';
import { runSimulation, type SimulateOptions } from './simulate-command.js';

const smallLog = new URL('../import/fixtures/small.csv', import.meta.url).pathname;
const examples = new URL('../../../../examples/what-if/', import.meta.url).pathname;
const minute = { work: 60_000 };
const l2WorkAMinute = { tierTargets: { L2: { critical: minute, high: minute, medium: minute, low: minute } } };
const plain = noColours;
const signal = new AbortController().signal;
const asOf = instantFrom(Date.parse('2026-11-21T00:00:00Z'));

let stores: TestStores;

beforeAll(async () => {
  stores = await testStores({ empty: true });
  await importLog({ mapping: bpic2013, source: BPIC2013, file: smallLog, store: stores.store });
});
afterAll(() => stores.close());

async function printed(changes: Partial<SimulateOptions>): Promise<string> {
  let text = '';
  const print = (more: string) => (text += more);
  await runSimulation({
    session: stores,
    contractFile: file(JSON.stringify(l2WorkAMinute)),
    asOf,
    limit: 10,
    json: false,
    colours: plain,
    print,
    signal,
    ...changes,
  });
  return text;
}

let files = 0;
function file(content: string): string {
  const path = join(stores.directory, `contract-${++files}.json`);
  writeFileSync(path, content);
  return path;
}

describe('tierline simulate', () => {
  it('says what would have become of the clocks, in words and as JSON', async () => {
    const words = await printed({});
    expect(words).toMatch(/^4 tickets replayed, as of 2026-11-21T00:00:00.000Z: 2 breaches gained, 2 lost, on 2 tickets\n/);
    // What the default contract promises at the other tiers, and in taking work over, the proposed one does not.
    expect(words).toMatch(/\n│ of L2 +│ +3 │ +1 │ +0 │ +0 │ +2 │ +0 │ +2 │ +1 │\n/);
    expect(words).toMatch(
      /\n {2}[0-9a-f-]{36} {2}volvo-it-belgium, \w+, opened \S+: lost tier-accept L2 at \S+; gained tier-work L2 at 201\d-\S+\n/,
    );
    const { totals, items } = JSON.parse(await printed({ json: true }));
    expect(totals).toMatchObject({
      tickets: 4,
      changed: 2,
      gained: 2,
      byTier: [
        { tier: 'L1', gained: 0 },
        { tier: 'L2', gained: 2 },
        { tier: 'L3', gained: 0 },
      ],
    });
    expect(items).toHaveLength(2);
    expect(items[0].clocks).toContainEqual(expect.objectContaining({ kind: 'tier-work', tier: 'L2', breach: 'gained' }));
  });

  it('says which steps of escalation policies would have fired, also over an imported log', async () => {
    const untouched = {
      name: 'untouched',
      trigger: { on: 'opened' },
      steps: [{ after: 1, targets: [{ kind: 'team', team: 'leads' }], escalateToNextTier: true }],
    };
    const words = await printed({ contractFile: file(JSON.stringify({ escalationPolicies: [untouched] })) });
    expect(words).toMatch(/: 0 breaches gained, 0 lost, on [1-4] tickets?\n/);
    expect(words).toMatch(/\n│ untouched +│ hierarchical │ +0 │ +[1-4] │ +[1-4] │ +0 │\n/);
    expect(words).toMatch(/: gained untouched step 1 at \S+; gained untouched step 1 handing on to L2 at \S+/);
  });

  it('finds nothing that changes under the contract that they had', async () => {
    expect(await printed({ contractFile: file('{}') })).toMatch(/: 0 breaches gained, 0 lost, on 0 tickets\n/);
    expect(await printed({ contractFile: file(JSON.stringify(defaultContract)), limit: 0 })).not.toContain('Tickets with a difference');
  });

  it('comes to the same however few tickets it holds in memory at once', async () => {
    const contract = contractTerms(l2WorkAMinute);
    if (isRefusal(contract)) throw new Error(contract.message);
    const request = { contract, asOf, limit: 10 };
    const whole = await simulate(stores.store, request, { signal });
    for (const atOnce of [1, 2, 4]) expect(await simulate(stores.store, request, { signal }, atOnce)).toEqual(whole);
  });

  it('stops when it is told to', async () => {
    const reason = new Error('interrupted');
    await expect(printed({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it.each([
    ['{"tierTarget": {}}', /terms\.tierTarget is not a known field/],
    ['{"thresholds": [0]}', /terms\.thresholds\[0\] must be/],
    ['[]', /must hold a JSON object/],
    ['{', /is not JSON/],
  ])('refuses the contract %s', async (content, complaint) => {
    await expect(printed({ contractFile: file(content) })).rejects.toThrow(complaint);
  });

  it('takes the examples', async () => {
    for (const example of readdirSync(examples))
      expect(await printed({ contractFile: join(examples, example) })).toContain('4 tickets replayed');
  });

  it('says when there is no such file', async () => {
    await expect(printed({ contractFile: join(stores.directory, 'none.json') })).rejects.toThrow(/none\.json cannot be read/);
  });
});
