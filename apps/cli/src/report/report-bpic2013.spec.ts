import { projectGroup } from '#mongo';
import { noColours } from '#platform';
import { ticket, ticketViews } from '#ticketing';
import { execute, instantFrom, isRefusal } from '#eventsourcing';
import { eventually } from '../../../../test/eventually.js';
import { type TestStores, testStores } from '../../../../test/stores.js';
import { ticketIdOfCase } from '../import/case-to-events.js';
import { importLog } from '../import/import-log.js';
import { BPIC2013 } from '../import/ready-mappings.js';
import { bpic2013 } from '../import/testing/log-files.js';
import type { Figure } from './bpic2013-figures.js';
import { readBpic2013Figures, renderFigures, reportBpic2013 } from './report-bpic2013.js';
import { totalsOf } from './log-totals.js';
import { importedCourses, reportImported, totalsOfFile } from './report-log.js';

const smallLog = new URL('../import/fixtures/small.csv', import.meta.url).pathname;
const plain = noColours;
const found = (figures: readonly Figure[]): Record<string, string> =>
  Object.fromEntries(figures.map((figure) => [figure.name, figure.found]));

describe('the report of the small log, from the read models on their servers', () => {
  let stores: TestStores;
  let store: TestStores['store'];
  let mongo: TestStores['mongo'];

  beforeAll(async () => {
    stores = await testStores({ empty: true });
    ({ store, mongo } = stores);
    const log = { info() {}, warn() {}, error: console.error };
    await importLog({ file: smallLog, mapping: bpic2013, source: BPIC2013, store });
    const projector = projectGroup({ db: mongo.db, store, group: ticketViews, log, owner: 'spec' });
    stores.onClose(() => projector.stop());
    await eventually(
      async () =>
        (await mongo.db.collection('ticket_history').countDocuments({})) === 41 &&
        (await mongo.db.collection('ticket_details').countDocuments({ revision: { $gt: 0 } })) === 4,
      Boolean,
    );
  });
  afterAll(() => stores.close());

  const expected = {
    cases: '4',
    'cases, as tickets': '4',
    events: '29',
    from: '2011-01-03',
    to: '2012-05-01',
    offsets: '+01:00, +02:00',
    'impact medium': '1',
    'impact major': '1',
    'impact changes': '0',
    'Accepted/In Progress': '9',
    'Accepted/Wait': '1',
    'Unmatched/Unmatched': '1',
    'starts at line 1': '3',
    'starts at line 2': '0',
    'starts at line 3': '1',
    'stays on 1st line': '1 (25.0 %)',
    'any upward move': '2 (50.0 %)',
    'any downward move': '1 (25.0 %)',
    'touches the 3rd line': '2',
    'ping-pong cases': '1 (25.0 %)',
    'ping-pong bounces': '1',
    'never reassigned': '2',
    'reassignments, mean': '1.50',
    'reassignments, max': '5',
    reopened: '1 (50.0 % of 2)',
    'duration, max': '63 d',
    'Wait - User, cases': '1',
  };

  it('has the figures that one counts by hand', async () => {
    expect(found(await readBpic2013Figures(mongo.db))).toMatchObject(expected);
  });

  it('prints them beside the reference, says which differ, and that they do', async () => {
    let printed = '';
    const agree = await reportBpic2013({ db: mongo.db, print: (text) => (printed += text), colours: plain });
    expect(agree).toBe(false);
    expect(printed).toMatch(/cases +│ +7,554 │ +4 │ ✗/);
    expect(printed).toMatch(/impact changes +│ +0 │ +0 │ ✓/);
    expect(printed).toMatch(/\d+ of 41 figures differ from the reference:\n {2}cases: tickets in ticket_history/);
  });

  it('is made of the same totals as that of any log, from the read models or straight from the file', async () => {
    const fromModels = await totalsOf(importedCourses(mongo.db, BPIC2013.name));
    const fromFile = await totalsOfFile(smallLog, 'bpic2013', undefined, new AbortController().signal);
    // Cases come in another order.
    expect({ ...fromFile, durations: fromFile.durations.toSorted() }).toEqual({
      ...fromModels,
      durations: fromModels.durations.toSorted(),
    });
    let printed = '';
    const options = {
      system: BPIC2013.name,
      colours: plain,
      print: (text: string) => (printed += text),
      signal: new AbortController().signal,
    };
    await reportImported({ ...options, session: { store, mongo } });
    expect(printed).toMatch(/cases +│ +4/);
    expect(printed).toMatch(/ping-pong \(A → B → A\) +│ +1 \(25.0 %\), 1 times/);
    expect(printed).toContain('TicketOpened → ');
    await expect(reportImported({ ...options, system: 'none', session: { store, mongo } })).rejects.toThrow(
      'No ticket was imported from none',
    );
  });

  it('says what the service levels of its clients would have been under a contract', async () => {
    let printed = '';
    const contractFile = new URL('../../../../examples/what-if/l2-work-8h.json', import.meta.url).pathname;
    await reportImported({
      system: BPIC2013.name,
      contractFile,
      session: { store, mongo },
      colours: plain,
      print: (text) => (printed += text),
      signal: new AbortController().signal,
    });
    expect(printed).toMatch(
      /\nThe service levels of volvo-it-belgium under that contract:\n4 tickets replayed, as of \S+: \d+ breaches gained, \d+ lost/,
    );
    expect(printed).toMatch(/│ of L2 +│/);
  });

  it('does not count what happened after the import', async () => {
    const id = ticketIdOfCase(BPIC2013.name, '1-100');
    const now = instantFrom(Date.parse('2012-04-03T10:00:00Z'));
    const by = {
      commandId: 'b2f0fc2e-7b7f-4b7c-9f0e-000000000001',
      actor: { id: 'ada', kind: 'agent' },
      effectiveAt: now,
      recordedAt: now,
      correlationId: 'x',
      causationId: 'x',
    } as const;
    const done = await execute(store, ticket, id, 'ReopenTicket', { reason: 'The fault is back' }, by);
    expect(isRefusal(done)).toBe(false);
    await eventually(async () => (await mongo.db.collection('ticket_history').countDocuments({})) === 42, Boolean);
    expect(found(await readBpic2013Figures(mongo.db))).toMatchObject(expected);
  });
});

it('prints that all agree when they do', () => {
  const figure = { name: 'cases', definition: 'tickets', reference: '1', found: '1', agrees: true };
  expect(renderFigures([figure], plain)).toContain('All 1 figures agree with the reference.');
});
