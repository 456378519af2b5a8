import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { instantFrom } from '#eventsourcing';
import { compileMapping, type LogRow } from '../mapped-rows.js';
import { readMapping } from '../mapping.js';
import { readLog } from '../read-log.js';
import { hasTime, inOrder, type LogCase } from '../row-spool.js';

export const bpic2013 = await readMapping('bpic2013');
const compiled = compileMapping(bpic2013);

/** The cases of a log of the BPI Challenge 2013, in the order of the file. */
export async function readCases(file: string): Promise<LogCase[]> {
  const rows = new Map<string, LogRow[]>();
  for await (const read of readLog(file, bpic2013, compiled)) {
    if ('leftOut' in read) throw new Error(read.leftOut.message);
    rows.set(read.caseId, [...(rows.get(read.caseId) ?? []), read.row as LogRow]);
  }
  return [...rows].map(([caseId, ofCase]) => inOrder(caseId, ofCase)).filter(hasTime);
}

/** Files of a test, in a temporary folder. Call `remove` when done. */
export function temporaryFolder(): { write(name: string, content: string | Buffer): string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'tierline-log-'));
  return {
    write(name, content) {
      const file = join(folder, name);
      writeFileSync(file, content);
      return file;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Cases without what depends on the format alone. */
export function withoutLines(cases: readonly LogCase[]): unknown[] {
  return cases.map(({ caseId, rows }) => ({ caseId, rows: rows.map(({ line: _, ...row }) => row) }));
}

const COLUMNS = [
  'timestamp',
  'status',
  'sub_status',
  'impact',
  'product',
  'support_team',
  'org_line',
  'function_div',
  'owner',
  'owner_country',
  'org_country',
] as const;
type Column = (typeof COLUMNS)[number];
const nameOf = Object.fromEntries(
  Object.entries(bpic2013.columns).flatMap(([name, [column]]) =>
    Array.isArray(bpic2013.columns[name]) ? [[column, name]] : [[name, name]],
  ),
) as Record<Column, string>;
const xesNameOf = (column: Column): string => [bpic2013.columns[nameOf[column]] ?? column].flat().at(-1) ?? column;

const cellsOf = ({ said }: LogRow): Record<Column, string> =>
  Object.fromEntries(COLUMNS.map((column) => [column, said[nameOf[column]] ?? ''])) as Record<Column, string>;

export function toCsv(cases: readonly LogCase[]): string {
  const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const lines = cases.flatMap(({ caseId, rows }) => rows.map((row, seq) => [caseId, String(seq), ...Object.values(cellsOf(row))]));
  return [['case_id', 'seq', ...COLUMNS], ...lines].map((line) => `${line.map(quoted).join(',')}\r\n`).join('');
}

export function toXes(cases: readonly LogCase[]): string {
  const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
  const attribute = ([field, value]: [string, string]): string => {
    const kind = field === 'timestamp' ? 'date' : 'string';
    return value === '' ? '' : `<${kind} key="${xesNameOf(field as Column)}" value="${escaped(value)}"/>\n`;
  };
  const traces = cases.map(
    ({ caseId, rows }) =>
      `<trace>\n<string key="concept:name" value="${escaped(caseId)}"/>\n${rows.map((row) => `<event>\n${Object.entries(cellsOf(row)).map(attribute).join('')}</event>\n`).join('')}</trace>\n`,
  );
  return `<?xml version="1.0" encoding="UTF-8" ?>\n<log xes.version="1.0">\n<global scope="event">\n<string key="concept:name" value="UNKNOWN"/>\n</global>\n${traces.join('')}</log>\n`;
}

const TEAMS = ['D5', 'G96', 'G97 2nd', 'S2 2nd', 'O3 3rd', 'V13 2nd 3rd'];
const [{ state } = { state: undefined }] = bpic2013.steps;
const steps = Object.keys((typeof state === 'object' ? state.words : undefined) ?? {}).map((words) => {
  const [status = '', sub_status = ''] = words.split('/');
  return { status, sub_status };
});

/** Text as in a cell, with what each format must escape; no line breaks, which XML does not keep in attributes. */
const cellText = fc
  .string({ unit: fc.constantFrom('a', 'Å', '"', ',', '&', '<', '>', "'", ' ', '𝒜', '-'), minLength: 1, maxLength: 8 })
  .filter((text) => text.trim() !== '');

/** Any case that the log's format allows: every status after every other, any path between teams, at any pace. Lines are all 1. */
export function anyCase(caseId: fc.Arbitrary<string> = fc.constant('1-1')): fc.Arbitrary<LogCase> {
  const row = fc.record({
    wait: fc.oneof(fc.constant(0), fc.nat(100_000), fc.nat(40 * 86_400)),
    step: fc.constantFrom(...steps),
    team: fc.constantFrom(...TEAMS),
    owner: fc.oneof(fc.constantFrom('Ada', 'Siebel'), cellText),
    functionDiv: fc.option(cellText, { nil: undefined }),
  });
  return fc
    .record({
      caseId,
      begin: fc.integer({ min: 1_270_000_000, max: 1_330_000_000 }),
      impact: fc.constantFrom('Low', 'Medium', 'High', 'Major'),
      product: cellText,
      rows: fc.array(row, { minLength: 1, maxLength: 25 }),
    })
    .map(({ caseId, begin, impact, product, rows }) => {
      let seconds = begin;
      const told = rows.flatMap(({ wait, step, team, owner, functionDiv }, seq) => {
        seconds += wait;
        const cells = {
          case_id: caseId,
          seq: String(seq),
          timestamp: `${instantFrom((seconds + 7200) * 1000).slice(0, 19)}+02:00`,
          ...step,
          impact,
          product,
          support_team: team,
          org_line: 'Org line C',
          function_div: functionDiv ?? '',
          owner,
          owner_country: 'Sweden',
          org_country: 'se',
        };
        return compiled.map({ line: 1, cells }).rows;
      });
      return { caseId, rows: told as unknown as LogCase['rows'] };
    });
}

/** Several cases with different ids. */
export const anyLog: fc.Arbitrary<LogCase[]> = fc.uniqueArray(
  anyCase(fc.string({ unit: fc.constantFrom('1', '2', '-', '"', '&'), minLength: 1, maxLength: 6 })),
  {
    minLength: 1,
    maxLength: 4,
    selector: ({ caseId }) => caseId,
  },
);
