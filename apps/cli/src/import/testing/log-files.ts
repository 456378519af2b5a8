import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { instantFrom } from '#eventsourcing';
import {
  LOG_FIELDS,
  LOG_IMPACTS,
  LOG_STATUSES,
  type LogCase,
  type LogField,
  type LogRow,
  type LogStatus,
  type LogSubStatus,
  supportLine,
} from '../log-case.js';

/** Files of a test, in a folder of their own. Call `remove` when done. */
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

/** Cases without what the format alone decides. */
export function withoutLines(cases: readonly LogCase[]): unknown[] {
  return cases.map(({ caseId, rows }) => ({ caseId, rows: rows.map(({ line: _, ...row }) => row) }));
}

const cellsOf = (row: LogRow): Record<LogField, string> => ({
  timestamp: row.saidAt,
  status: row.status,
  sub_status: row.subStatus,
  impact: row.impact,
  product: row.product,
  support_team: row.team,
  org_line: row.orgLine,
  function_div: row.functionDiv ?? '',
  owner: row.owner,
  owner_country: row.ownerCountry,
  org_country: row.orgCountry,
});

export function toCsv(cases: readonly LogCase[]): string {
  const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const lines = cases.flatMap(({ caseId, rows }) => rows.map((row) => [caseId, String(row.seq), ...Object.values(cellsOf(row))]));
  return [['case_id', 'seq', ...Object.keys(LOG_FIELDS)], ...lines].map((line) => `${line.map(quoted).join(',')}\r\n`).join('');
}

export function toXes(cases: readonly LogCase[]): string {
  const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
  const attribute = ([field, value]: [string, string]): string => {
    const kind = field === 'timestamp' ? 'date' : 'string';
    return value === '' ? '' : `<${kind} key="${LOG_FIELDS[field as LogField]}" value="${escaped(value)}"/>\n`;
  };
  const traces = cases.map(
    ({ caseId, rows }) =>
      `<trace>\n<string key="concept:name" value="${escaped(caseId)}"/>\n${rows.map((row) => `<event>\n${Object.entries(cellsOf(row)).map(attribute).join('')}</event>\n`).join('')}</trace>\n`,
  );
  return `<?xml version="1.0" encoding="UTF-8" ?>\n<log xes.version="1.0">\n<global scope="event">\n<string key="concept:name" value="UNKNOWN"/>\n</global>\n${traces.join('')}</log>\n`;
}

const TEAMS = ['D5', 'G96', 'G97 2nd', 'S2 2nd', 'O3 3rd', 'V13 2nd 3rd'];
const steps = Object.entries(LOG_STATUSES).flatMap(([status, subs]) =>
  subs.map((subStatus) => ({ status, subStatus }) as { status: LogStatus; subStatus: LogSubStatus }),
);

/** Text as it might stand in a cell, with what each format must escape; no line breaks, which XML does not keep in attributes. */
const cellText = fc
  .string({ unit: fc.constantFrom('a', 'Å', '"', ',', '&', '<', '>', "'", ' ', '𝒜', '-'), minLength: 1, maxLength: 8 })
  .filter((text) => text.trim() !== '');

/** Any case that the log's format allows: every status after every other, any walk between teams, at any pace. Lines are all 1. */
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
      impact: fc.constantFrom(...LOG_IMPACTS),
      product: cellText,
      rows: fc.array(row, { minLength: 1, maxLength: 25 }),
    })
    .map(({ caseId, begin, impact, product, rows }) => {
      let seconds = begin;
      const told = rows.map(({ wait, step, team, owner, functionDiv }, seq): LogRow => {
        seconds += wait;
        const at = instantFrom(seconds * 1000);
        return {
          line: 1,
          seq,
          at,
          saidAt: `${instantFrom((seconds + 7200) * 1000).slice(0, 19)}+02:00`,
          ...step,
          impact,
          product,
          team,
          supportLine: supportLine(team) ?? 1,
          orgLine: 'Org line C',
          ...(functionDiv === undefined ? {} : { functionDiv }),
          owner,
          ownerCountry: 'Sweden',
          orgCountry: 'se',
        };
      });
      return { caseId, rows: told as unknown as LogCase['rows'] };
    });
}

/** Several cases with ids of their own. */
export const anyLog: fc.Arbitrary<LogCase[]> = fc.uniqueArray(
  anyCase(fc.string({ unit: fc.constantFrom('1', '2', '-', '"', '&'), minLength: 1, maxLength: 6 })),
  {
    minLength: 1,
    maxLength: 4,
    selector: ({ caseId }) => caseId,
  },
);
