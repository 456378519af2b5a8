import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import Papa from 'papaparse';
import { readParquet } from 'parquet-wasm';
import { SaxesParser } from 'saxes';
import { columnsOf, type DataSet, type FormatName, FORMATS, formatsOf, type Row } from './index.js';

const set: DataSet = {
  name: 'moves',
  says: 'Moves -- of pieces',
  columns: columnsOf({
    properties: {
      game: { type: 'string', description: 'Id of the game' },
      colour: { enum: ['black', 'white'], description: 'Whose move it was' },
      at: { type: 'string', format: 'date-time', description: 'When' },
      nodes: { type: 'integer', description: 'Nodes that were looked at' },
      check: { type: 'boolean', description: 'Whether it gives check' },
      note: { type: 'string', description: 'What was said' },
      takes: { type: 'array', description: 'What it takes' },
    },
  }),
  log: { case: 'game', ofCase: ['colour'], keys: { at: 'time:timestamp', note: 'concept:name' } },
};

const at = new Date('2026-03-29T01:30:00.123Z');
const rows: readonly Row[] = [
  { game: 'a', colour: 'white', at, nodes: 9_007_199_254_740_991, check: true, note: '=1+1', takes: [{ piece: 'pawn', at }] },
  { game: 'a', colour: 'white', at: at.toISOString(), nodes: 0, check: false, note: 'a, "b"\r\nc\t<&>\u0001 \u{1F600}', takes: [] },
  { game: 'b', colour: 'black', note: '' },
  { game: 'c', colour: 'black', note: '@cmd', nodes: -1 },
];

async function* batches(all: readonly Row[] = rows) {
  for (let from = 0; from < all.length; from += 3) yield all.slice(from, from + 3);
}

async function written(format: FormatName, all?: readonly Row[]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of FORMATS[format].write(set, batches(all))) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

it('writes XES only where rows are events', () => {
  expect(formatsOf({})).toEqual(['ndjson', 'csv', 'parquet']);
  expect(formatsOf(set)).toEqual(['ndjson', 'csv', 'parquet', 'xes']);
});

it('writes CSV that another parser reads as it was, with formulas as text', async () => {
  const text = String(await written('csv'));
  const { data, errors } = Papa.parse<Record<string, string>>(text, { header: true, skipEmptyLines: true });
  expect(errors).toEqual([]);
  expect(data).toHaveLength(rows.length);
  expect(data[0]).toEqual({
    game: 'a',
    colour: 'white',
    at: '2026-03-29T01:30:00.123Z',
    nodes: '9007199254740991',
    check: 'true',
    note: "'=1+1",
    takes: '[{"piece":"pawn","at":"2026-03-29T01:30:00.123Z"}]',
  });
  expect(data[1]).toMatchObject({ note: rows[1]?.['note'], takes: '[]' });
  expect(data[2]).toEqual({ game: 'b', colour: 'black', at: '', nodes: '', check: '', note: '', takes: '' });
  expect(data[3]).toMatchObject({ note: "'@cmd", nodes: '-1' });
  expect(String(await written('csv', []))).toBe('game,colour,at,nodes,check,note,takes\r\n');
});

it('ends a CSV row only at its end, whatever its cells contain: text after half a line break could be a formula', async () => {
  const note = fc.string({ unit: fc.constantFrom('\r', '\n', '"', ',', '=', '-', "'", ' ', 'a', '木') });
  await fc.assert(
    fc.asyncProperty(note, async (note) => {
      const outsideQuotes = String(await written('csv', [{ game: 'a', note, nodes: -1 }])).replace(/"(?:[^"]|"")*"/g, 'quoted');
      expect(outsideQuotes.split(/[\r\n]+/)).toEqual(['game,colour,at,nodes,check,note,takes', expect.stringMatching(/^a,,,-1,,/), '']);
    }),
  );
});

describe('Parquet', () => {
  const read = async (all?: readonly Row[]) => tableFromIPC(readParquet(await written('parquet', all)).intoIPCStream());

  it('is read by another program with types, nulls and descriptions of the columns', async () => {
    const table = await read();
    expect(table.schema.fields.map(({ name, type }) => `${name} ${String(type)}`)).toEqual([
      'game Utf8',
      'colour Utf8',
      'at Timestamp<MILLISECOND, UTC>',
      'nodes Int64',
      'check Bool',
      'note Utf8',
      'takes Utf8',
    ]);
    const found = table.toArray().map((row) => ({ ...row?.toJSON() }));
    expect(found).toEqual([
      {
        game: 'a',
        colour: 'white',
        at: +at,
        nodes: 9_007_199_254_740_991n,
        check: true,
        note: '=1+1',
        takes: JSON.stringify(rows[0]?.['takes']),
      },
      { game: 'a', colour: 'white', at: +at, nodes: 0n, check: false, note: rows[1]?.['note'], takes: '[]' },
      { game: 'b', colour: 'black', at: null, nodes: null, check: null, note: '', takes: null },
      { game: 'c', colour: 'black', at: null, nodes: -1n, check: null, note: '@cmd', takes: null },
    ]);
    const described = JSON.parse(table.schema.metadata.get('columns') ?? '{}') as object;
    expect(described).toMatchObject({ nodes: 'Nodes that were looked at' });
  });

  it('contains any number of rows, including none, group by group', async () => {
    expect((await read([])).numRows).toBe(0);
    const many = Array.from({ length: 12_345 }, (_, index) => ({ game: `game ${index % 7}`, colour: 'white', nodes: index }));
    const table = await read(many);
    expect(table.numRows).toBe(many.length);
    expect(table.getChild('nodes')?.toArray()).toEqual(BigInt64Array.from(many, ({ nodes }) => BigInt(nodes)));
  });
});

it('writes XES: one trace per case, with keys of the standard extensions, and only characters valid in XML', async () => {
  const text = String(await written('xes'));
  const traces: Record<string, string>[][] = [];
  let trace: Record<string, string>[] = [];
  let one: Record<string, string> = {};
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes: { key, value } }) => {
    if (name === 'trace') traces.push((trace = [(one = {})]));
    else if (name === 'event') trace.push((one = {}));
    else if (key !== undefined) one[`${name} ${key}`] = value ?? '';
  });
  parser.write(text).close();
  const complete = { 'string lifecycle:transition': 'complete' };
  expect(traces).toEqual([
    [
      { 'string game': 'a', 'string colour': 'white' },
      {
        'date time:timestamp': '2026-03-29T01:30:00.123Z',
        'int nodes': '9007199254740991',
        'boolean check': 'true',
        'string concept:name': '=1+1',
        'string takes': '[{"piece":"pawn","at":"2026-03-29T01:30:00.123Z"}]',
        ...complete,
      },
      {
        'date time:timestamp': '2026-03-29T01:30:00.123Z',
        'int nodes': '0',
        'boolean check': 'false',
        'string concept:name': 'a, "b"\r\nc\t<&>\uFFFD \u{1F600}',
        'string takes': '[]',
        ...complete,
      },
    ],
    [
      { 'string game': 'b', 'string colour': 'black' },
      { 'string concept:name': '', ...complete },
    ],
    [
      { 'string game': 'c', 'string colour': 'black' },
      { 'int nodes': '-1', 'string concept:name': '@cmd', ...complete },
    ],
  ]);
  expect(String(await written('xes', []))).toMatch(/<\/log>\n$/);
});
