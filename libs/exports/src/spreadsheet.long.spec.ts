import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SaxesParser } from 'saxes';
import { columnsOf, FORMATS, type Row } from './index.js';

/** What the spreadsheet program makes of a cell. */
interface Cell {
  readonly type: string | undefined;
  readonly formula: string | undefined;
  readonly text: string;
}

// A spec with a real program: of a machine without LibreOffice it says nothing.
const withLibreOffice = spawnSync('soffice', ['--version']).status === 0 ? it : it.skip;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'spreadsheet-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Opens CSV as whoever double-clicks it, in UTF-8 with commas. */
function opened(csv: string): readonly (readonly Cell[])[] {
  const file = join(directory, 'export.csv');
  writeFileSync(file, csv);
  const profile = pathToFileURL(join(directory, 'profile')).href;
  execFileSync(
    'soffice',
    [`-env:UserInstallation=${profile}`, '--headless', '--convert-to', 'fods', '--infilter=CSV:44,34,76,1', '--outdir', directory, file],
    { stdio: 'pipe' },
  );
  const rows: Cell[][] = [];
  const parser = new SaxesParser();
  let lines: string[] = [];
  let inLine = false;
  let attributes: Readonly<Record<string, string>> = {};
  parser.on('opentag', ({ name, attributes: own }) => {
    if (name === 'table:table-row') rows.push([]);
    if (name === 'table:table-cell') {
      attributes = own as Record<string, string>;
      lines = [];
    }
    if (name === 'text:p') {
      lines.push('');
      inLine = true;
    }
    if (name === 'text:s') lines[lines.length - 1] += ' '.repeat(Number((own as Record<string, string>)['text:c'] ?? 1));
    if (name === 'text:tab') lines[lines.length - 1] += '\t';
  });
  parser.on('text', (text) => {
    if (inLine) lines[lines.length - 1] += text;
  });
  parser.on('closetag', ({ name }) => {
    if (name === 'text:p') inLine = false;
    if (name === 'table:table-cell')
      rows.at(-1)?.push({ type: attributes['office:value-type'], formula: attributes['table:formula'], text: lines.join('\n') });
  });
  parser.write(readFileSync(join(directory, 'export.fods'), 'utf8')).close();
  return rows;
}

async function csvOf(rows: readonly Row[]): Promise<string> {
  const columns = columnsOf({
    properties: {
      text: { type: 'string', description: 'What somebody wrote' },
      number: { type: 'number', description: 'What was counted' },
      at: { type: 'string', format: 'date-time', description: 'When' },
    },
  });
  async function* batches() {
    yield rows;
  }
  let csv = '';
  for await (const piece of FORMATS.csv.write({ name: 'lines', says: 'Lines', columns }, batches())) csv += String(piece);
  return csv;
}

const HOSTILE = [
  '=1+1',
  '+1+1',
  '-1+1',
  '@SUM(1;1)',
  '=HYPERLINK("http://x";"y")',
  '\t=1+1',
  '\r=1+1',
  '＝1+1',
  '=cmd|"/c x"!A1',
  '"=1+1',
  ';=1+1',
  '=1+1,=1+1',
  'a\r=1+1',
  'a\n=1+1',
  '\n=1+1',
];
const PLAIN = ['The printer, "again"', 'two\nlines', 'Größe 木 مرحبا 😀', "it's"];

withLibreOffice('shows what was meant: texts as texts, and no formula among them; numbers as numbers', async () => {
  const csv = await csvOf([
    ...HOSTILE.map((text) => ({ text, number: -1, at: '2026-03-29T01:30:00.123Z' })),
    ...PLAIN.map((text) => ({ text, number: 1.5, at: '2026-03-29T01:30:00.123Z' })),
  ]);
  const [names, ...rows] = opened(csv);
  expect(names?.map(({ text }) => text)).toEqual(['text', 'number', 'at']);
  expect(rows).toHaveLength(HOSTILE.length + PLAIN.length);
  expect(rows.flat().filter(({ formula }) => formula !== undefined)).toEqual([]);
  expect(rows.filter(([text]) => text?.type !== 'string')).toEqual([]);
  expect(rows.map(([, number]) => number)).toEqual([
    ...HOSTILE.map(() => ({ type: 'float', formula: undefined, text: '-1' })),
    ...PLAIN.map(() => ({ type: 'float', formula: undefined, text: '1.5' })),
  ]);
  expect(rows.slice(HOSTILE.length).map(([text]) => text?.text)).toEqual(PLAIN);
});

withLibreOffice('would take them for formulas as they were written', () => {
  const [[cell] = []] = opened('=1+1\r\n');
  expect(cell).toMatchObject({ formula: 'of:=1+1', text: '2' });
});
