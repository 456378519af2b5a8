import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { jsonSchema } from '#ticketing';
import { importLog, type ImportOptions, type ImportResult } from './import-log.js';
import { caseToEvents } from './case-to-events.js';
import { compileMapping, type UntimedRow } from './mapped-rows.js';
import { type Mapping, mappingSchema, readMapping } from './mapping.js';
import { readLog } from './read-log.js';
import { READY_MAPPINGS } from './ready-mappings.js';
import { hasTime, inOrder, RowSpool } from './row-spool.js';
import { temporaryFolder } from './testing/log-files.js';

const files = temporaryFolder();
afterAll(() => files.remove());
let number = 0;

const acme = (name: string) => ({ name, client: 'acme' });

async function dryRun(mapping: Mapping, text: string, options: Partial<ImportOptions> = {}): Promise<ImportResult> {
  return importLog({ file: files.write(`log-${number++}`, text), mapping, source: acme(mapping.name), ...options });
}

/** `time Type (deviations)` of each event, case by case. */
async function outline(mapping: Mapping, text: string, zone?: string): Promise<Record<string, string[]>> {
  const cases = new Map<string, UntimedRow[]>();
  for await (const read of readLog(files.write(`log-${number++}`, text), mapping, compileMapping(mapping, zone)))
    if ('row' in read) cases.set(read.caseId, [...(cases.get(read.caseId) ?? []), read.row]);
  const ordered = [...cases].map(([caseId, rows]) => inOrder(caseId, rows)).filter(hasTime);
  return Object.fromEntries(
    ordered.map((one) => [
      one.caseId,
      caseToEvents(one, acme(mapping.name)).events.map(
        ({ type, effectiveAt, imported: { deviations = [] } }) =>
          `${effectiveAt.slice(0, 16)} ${type}${deviations.length === 0 ? '' : ` (${deviations.join(', ')})`}`,
      ),
    ]),
  );
}

describe('ready mappings', () => {
  it('are those that the command line offers', async () => {
    const found = readdirSync(new URL('../../mappings/', import.meta.url)).map((file) => file.replace('.yaml', ''));
    expect(found.sort()).toEqual(Object.keys(READY_MAPPINGS).sort());
    for (const name of found) {
      const mapping = await readMapping(name);
      expect(mapping.name).toBe(name);
      compileMapping(mapping);
    }
  });

  it('have the schema that is published', () => {
    const file = new URL('../../../../docs/import-mapping.schema.json', import.meta.url);
    const published = { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'Mapping of a log', ...jsonSchema(mappingSchema) };
    const text = `${JSON.stringify(published, null, 2)}\n`;
    if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(file, text);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(text));
  });

  it('read a log of ServiceNow: a row for each update, days before months, final values on every row', async () => {
    const header =
      'number,incident_state,sys_mod_count,reassignment_count,reopen_count,made_sla,caller_id,opened_at,sys_updated_by,sys_updated_at,contact_type,category,subcategory,cmdb_ci,impact,urgency,priority,assignment_group,assigned_to,closed_code,resolved_at,closed_at';
    const row = (state: string, mod: number, reassigned: number, reopened: number, at: string, group: string, agent: string): string =>
      `INC7,${state},${mod},${reassigned},${reopened},true,Caller 9,29/2/2016 01:16,Updated by 3,${at},Phone,Category 55,Subcategory 170,?,2 - Medium,2 - Medium,3 - Moderate,${group},${agent},code 5,29/2/2016 11:29,5/3/2016 12:00`;
    const log = [
      header,
      row('New', 0, 0, 0, '29/2/2016 01:23', 'Group 56', '?'),
      row('Active', 1, 0, 0, '29/2/2016 08:53', 'Group 56', 'Resolver 89'),
      row('Awaiting User Info', 2, 0, 0, '29/2/2016 09:00', 'Group 56', 'Resolver 89'),
      row('Active', 3, 1, 0, '29/2/2016 10:00', 'Group 70', 'Resolver 12'),
      row('Resolved', 4, 1, 0, '29/2/2016 11:29', 'Group 70', 'Resolver 12'),
      row('Active', 5, 1, 1, '1/3/2016 11:29', 'Group 70', 'Resolver 12'),
      row('Resolved', 6, 1, 1, '1/3/2016 12:29', 'Group 70', 'Resolver 12'),
      row('Closed', 7, 1, 1, '5/3/2016 12:00', 'Group 70', 'Resolver 12'),
      '',
    ].join('\n');
    const mapping = await readMapping('servicenow');
    expect(await outline(mapping, log)).toEqual({
      INC7: [
        '2016-02-29T01:16 TicketOpened',
        '2016-02-29T01:23 ImportedNoteRecorded',
        '2016-02-29T08:53 WorkStarted',
        '2016-02-29T09:00 TicketPutOnHold',
        '2016-02-29T10:00 TicketResumed',
        '2016-02-29T10:00 TicketAssigned',
        '2016-02-29T10:00 WorkStarted',
        '2016-02-29T11:29 TicketResolved (resolution-incomplete)',
        '2016-03-01T11:29 TicketReopened',
        '2016-03-01T11:29 WorkStarted',
        '2016-03-01T12:29 TicketResolved (resolution-incomplete)',
        '2016-03-05T12:00 TicketClosed',
      ],
    });
    const { figures } = await dryRun(mapping, log);
    expect(figures.filter(({ inLog, inTickets }) => inLog !== inTickets)).toEqual([]);
    expect(figures).toContainEqual({ name: 'reassignments, as the log counts them', inLog: 1, inTickets: 1 });
    expect(figures).toContainEqual({ name: 'reopenings, as the log counts them', inLog: 1, inTickets: 1 });
    expect((await dryRun(mapping, log.replace(',1,1,', ',3,1,'))).figures).toContainEqual({
      name: 'reassignments, as the log counts them',
      inLog: 3,
      inTickets: 1,
    });
  });

  it.each([
    [
      'jira-service-management',
      'key,issue_type,status,status_category,priority_name,resolution,reporter_name,assignee_name,created_date,updated_date,resolution_date\nIT-1,[System] Incident,Closed,Done,High,Done,jane,ada,2026-03-02T08:00:00Z,2026-03-02T11:00:00Z,2026-03-02T10:00:00Z\n',
      'IT-1',
    ],
    [
      'zammad',
      '{"number":"22001","title":"Printer","group":"Users","state":"closed","priority":"3 high","owner":"ada@example.com","customer":"jane@example.com","create_article_type":"phone","created_at":"2026-03-02T08:00:00Z","first_response_at":null,"close_at":"2026-03-02T10:00:00Z"}\n',
      '22001',
    ],
    [
      'glpi',
      '"ID";"Title";"Status";"Type";"Opening date";"Resolution date";"Closing date";"Priority";"Assigned to - Technician";"Category"\n"7";"Printer";"Closed";"Incident";"2026-03-02 09:00";"2026-03-02 11:00";"2026-03-02 11:00";"High";"ada";"Hardware > Printer"\n',
      '7',
    ],
    [
      'freshservice',
      '{"id":42,"subject":"Printer","type":"Incident","status":5,"priority":3,"source":3,"requester_id":1,"responder_id":2,"group_id":3,"created_at":"2026-03-02T08:00:00Z","stats":{"resolved_at":"2026-03-02T10:00:00Z","closed_at":"2026-03-02T10:00:00Z"}}\n',
      '42',
    ],
  ])('read a list of tickets of %s', async (name, log, key) => {
    const [opened, ...rest] = (await outline(await readMapping(name), log, 'Europe/Berlin'))[key] ?? [];
    expect(opened).toBe('2026-03-02T08:00 TicketOpened');
    expect(rest.map((one) => one.split(' (')[0])).toEqual([
      '2026-03-02T08:00 TicketAssigned',
      '2026-03-02T10:00 TicketResolved',
      '2026-03-02T10:00 TicketClosed',
    ]);
  });
});

describe('a mapping', () => {
  const simple: Mapping = {
    name: 'simple',
    columns: { id: 'id', at: 'at', state: 'state', prio: 'prio' },
    optional: ['prio'],
    case: 'id',
    fields: { priority: { column: 'prio', words: { P1: 'critical', P2: 'high', '': '' } } },
    steps: [{ time: { column: 'at', formats: ['d.M.yyyy H:mm'], zone: 'Europe/Berlin' }, state: 'state' }],
  };
  const log = (...rows: string[]): string => ['id,at,state,prio', ...rows, ''].join('\n');

  it('takes the rows of a case wherever they stand, and marks what was out of order', async () => {
    const rows = [
      'a,1.7.2026 10:00,queued,P2',
      'b,1.7.2026 10:00,queued,',
      'a,1.7.2026 12:00,resolved,P2',
      'a,1.7.2026 11:00,in-progress,P2',
    ];
    expect(await outline(simple, log(...rows))).toEqual({
      a: [
        '2026-07-01T08:00 TicketOpened',
        '2026-07-01T09:00 WorkStarted (out-of-order)',
        '2026-07-01T10:00 TicketResolved (resolution-incomplete)',
      ],
      b: ['2026-07-01T08:00 TicketOpened'],
    });
  });

  it('makes a fact or a named deviation of every row', async () => {
    const rows = [
      'a,1.7.2026 10:00,queued,P9',
      'a,soon,in-progress,',
      'a,1.7.2026 11:00,pondering,',
      'a,1.7.2026 11:00,in-progress,P1',
      'a,1.7.2026 12:00',
      ',1.7.2026 11:00,queued,',
      'c,never,queued,',
    ];
    expect((await outline(simple, log(...rows)))['a']).toEqual([
      '2026-07-01T08:00 TicketOpened (priority-unknown)',
      '2026-07-01T08:00 WorkStarted (time-invalid)',
      '2026-07-01T09:00 ImportedNoteRecorded (state-unknown)',
      '2026-07-01T09:00 TicketTriaged',
      '2026-07-01T10:00 ImportedNoteRecorded (cells-miscounted, value-missing)',
    ]);
    const result = await dryRun(simple, log(...rows));
    expect(result).toMatchObject({ cases: 1, rows: 6, imported: 1, events: 5, deviating: 1, complete: true });
    expect(result.leftOut).toEqual({
      'case-missing': { rows: 1, line: 7, message: 'id is missing' },
      'time-missing': { rows: 1, line: 8, message: 'no row of case c has a time' },
    });
    expect(result.figures.find(({ name }) => name === 'rows')).toEqual({ name: 'rows', inLog: 5, inTickets: 5 });
  });

  it('reads lines of JSON, and names those that are none', async () => {
    const lines = '{"id":"a","at":"1.7.2026 10:00","state":"queued"}\nnone\n[]\n';
    expect((await dryRun(simple, lines)).leftOut).toEqual({
      'not-json': { rows: 2, line: 2, message: expect.stringContaining('not JSON') },
    });
  });

  it.each<[string, Partial<Mapping>, RegExp]>([
    ['speaks of a column that it does not have', { case: 'key' }, /speaks of a column key/],
    ['has an expression that is none', { fields: { team: { expression: 'row.' } } }, /expression of team in the mapping is wrong/],
    ['has an expression of another type', { fields: { team: { expression: '1 + 1' } } }, /it is of type int, not string/],
    ['reaches for more than the row', { fields: { team: { expression: 'process.env.HOME' } } }, /Unknown variable: process/],
    ['makes a priority of what is none', { fields: { priority: { value: 'urgent' } } }, /makes priority "urgent", which is not one of/],
    ['has a zone that there is not', { steps: [{ time: { column: 'at', zone: 'Mars/Base' }, state: 'state' }] }, /no time zone Mars\/Base/],
  ])('that %s is refused', (_, wrong, message) => {
    expect(() => compileMapping({ ...simple, ...wrong })).toThrow(message);
  });

  it('that does not have the schema is refused, and the place named', async () => {
    const file = files.write(
      'wrong.yaml',
      'name: x\ncolumns: { id: id }\ncase: id\nfields: { mood: id }\nsteps: [{ time: id, state: id }]\n',
    );
    await expect(readMapping(file)).rejects.toThrow(/is wrong at fields\.mood/);
    await expect(readMapping('nowhere')).rejects.toThrow(/cannot be read/);
  });
});

it('rows that were put aside come back whole and case by case, however many parts there are', async () => {
  const spool = await RowSpool.open(200 << 20);
  const row = (id: number): UntimedRow => ({ line: id, at: '2026-07-01T08:00:00.000Z' as never, state: 'queued', said: { text: 'å\n"' } });
  for (let id = 0; id < 3_000; id++) await spool.add(`case-${id % 1_000}`, row(id));
  const found = new Map<string, number[]>();
  for await (const one of spool.cases())
    if (hasTime(one))
      found.set(
        one.caseId,
        one.rows.map(({ line }) => line),
      );
  await spool.close();
  expect(found.size).toBe(1_000);
  for (const [caseId, lines] of found) expect(lines.map((line) => line % 1_000)).toEqual(Array(3).fill(Number(caseId.slice(5))));
});
