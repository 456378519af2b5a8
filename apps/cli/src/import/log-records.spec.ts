import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { LogError, readLogText } from './log-text.js';
import { compileMapping } from './mapped-rows.js';
import { readLog } from './read-log.js';
import type { LogCase } from './row-spool.js';
import { anyLog, bpic2013, readCases, temporaryFolder, toCsv, toXes, withoutLines } from './testing/log-files.js';
import { runs } from '../../../../test/runs.js';

const csv = readFileSync(new URL('./fixtures/small.csv', import.meta.url), 'utf8');
const xes = readFileSync(new URL('./fixtures/small.xes', import.meta.url), 'utf8');
const files = temporaryFolder();
afterAll(() => files.remove());

let number = 0;
async function read(content: string | Buffer): Promise<LogCase[]> {
  return readCases(files.write(`log-${number++}`, content));
}

async function problem(content: string | Buffer): Promise<string> {
  const error = await read(content).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(LogError);
  return (error as LogError).message;
}

describe('reading the log', () => {
  it('finds the same cases in XES and CSV, gzipped or not, whatever the file is called', async () => {
    const [fromCsv, ...others] = await Promise.all([csv, xes, gzipSync(csv), gzipSync(xes)].map(read));
    expect(fromCsv!.map(({ caseId, rows }) => [caseId, rows.length])).toEqual([
      ['1-100', 2],
      ['1-101', 7],
      ['1-102', 18],
      ['1-103', 2],
    ]);
    for (const other of others) expect(withoutLines(other)).toEqual(withoutLines(fromCsv!));
  });

  it('reads a row with all that it says, and knows its line', async () => {
    const row = {
      at: '2012-03-25T01:10:00.000Z',
      state: 'in-progress',
      said: {
        at: '2012-03-25T03:10:00+02:00',
        status: 'Accepted',
        subStatus: 'In Progress',
        impact: 'High',
        product: 'PROD "8", EU',
        team: 'G97 2nd',
        orgLine: 'Org line C',
        owner: 'Börje & söner',
        ownerCountry: 'Sweden',
        orgCountry: 'se',
      },
      summary: 'Incident 1-101 with PROD "8", EU',
      impact: 'high',
      component: 'PROD "8", EU',
      tier: 'L2',
      team: 'G97 2nd',
      actor: 'Börje & söner',
    };
    const lineIn = (text: string, found: number): string => text.split(/\r?\n/)[found - 1]!;
    const [fromCsv, fromXes] = [(await read(csv))[1]!.rows[3]!, (await read(xes))[1]!.rows[3]!];
    expect(fromCsv).toEqual({ ...row, line: 7 });
    expect(lineIn(csv, fromCsv.line)).toContain('Börje');
    expect(fromXes).toEqual({ ...row, line: fromXes.line });
    expect(lineIn(xes, fromXes.line)).toContain('<event>');
    expect(
      xes
        .split('\n')
        .slice(fromXes.line, fromXes.line + 10)
        .join(),
    ).toContain('Börje');
  });

  it('reads back what any log says', async () => {
    await fc.assert(
      fc.asyncProperty(anyLog, async (cases) => {
        expect(withoutLines(await read(toCsv(cases)))).toEqual(withoutLines(cases));
        expect(withoutLines(await read(gzipSync(toXes(cases))))).toEqual(withoutLines(cases));
      }),
      { numRuns: runs(60) },
    );
  });

  it('accepts columns in another order, Unix line ends and a byte order mark', async () => {
    const turned = csv.replaceAll('\r\n', '\n').replace(/^(.*?),(.*)$/gm, '$2,$1');
    expect(withoutLines(await read(`\uFEFF${turned}`))).toEqual(withoutLines(await read(csv)));
    expect(withoutLines(await read(`\uFEFF${xes}`))).toEqual(withoutLines(await read(csv)));
  });
});

describe('a CSV log with a fault', () => {
  const line = (found: number): string => csv.split('\r\n')[found - 1]!;
  const withLine = (found: number, changed: string | undefined): string =>
    csv
      .split('\r\n')
      .flatMap((text, index) => (index === found - 1 ? (changed === undefined ? [] : [changed]) : [text]))
      .join('\r\n');

  it.each<[string, string | Buffer, RegExp]>([
    ['is empty', '', /^line 1: the log holds no rows/],
    ['has only a header', `${line(1)}\r\n`, /^line 1: the log holds no rows/],
    ['is something else', 'Dear all,\nplease find enclosed\n', /^line 1: column case_id or case:concept:name is missing/],
    ['lacks a column', withLine(1, line(1).replace(',owner,', ',owned,')), /^line 1: column owner or org:resource is missing/],
    ['has an unknown column', withLine(1, `${line(1)},mood`), /^line 1: unknown column "mood"/],
    ['has a column twice', withLine(1, `${line(1)},owner`), /^line 1: column "owner" twice/],
    ['has a row with a cell too few', withLine(9, line(9).replace('Sweden,', '')), /^line 9: case 1-101: 12 cells where the header has 13/],
    [
      'misspells a status',
      withLine(5, line(5).replace('Accepted', 'Acepted')),
      /^line 5: case 1-101: state "Acepted\/In Progress" is not one of Queued/,
    ],
    [
      'misspells a sub-status',
      withLine(8, line(8).replace('Wait - Vendor', 'Wait-Vendor')),
      /^line 8: case 1-101: state "Accepted\/Wait-Vendor" is not one of Queued/,
    ],
    [
      'has a sub-status of another status',
      withLine(8, line(8).replace('Wait - Vendor', 'Closed')),
      /^line 8: case 1-101: state "Accepted\/Closed"/,
    ],
    [
      'misspells an impact',
      withLine(2, line(2).replace('Medium', 'medium')),
      /^line 2: case 1-100: impact "medium" is not one of Low, Medium, High, Major/,
    ],
    [
      'misspells a support line',
      withLine(7, line(7).replace('G97 2nd', 'G97 2dn')),
      /^line 7: case 1-101: tier "2dn" is not one of 1st, 2nd, 3rd, 2nd 3rd/,
    ],
    ['has no time', withLine(3, line(3).replace('2012-04-02T09:04:30+02:00', 'yesterday')), /^line 3: case 1-100: time "yesterday" is not/],
    ['has a time without offset', withLine(3, line(3).replace('+02:00', '')), /^line 3: case 1-100: time "2012-04-02T09:04:30" is not/],
    ['has a time that no calendar has', withLine(3, line(3).replace('04-02', '04-31')), /^line 3: case 1-100: time/],
    ['leaves an owner empty', withLine(3, line(3).replace('Ada', '')), /^line 3: case 1-100: owner .* is missing/],
    ['leaves a case id empty', withLine(3, line(3).replace('1-100', '')), /^line 3: case is missing/],
    [
      'goes back in time',
      withLine(6, line(6).replace('2012-03-25T00:10', '2012-03-24T23:10')),
      /^line 6: case 1-101: out of order: .* on line 5/,
    ],
    [
      'goes back in time by its offset only',
      withLine(7, line(7).replace('03:10:00+02:00', '01:05:00+02:00')),
      /^line 7: case 1-101: out of order/,
    ],
    ['lacks a row', withLine(6, undefined), /^line 6: case 1-101: its number is "3" where 2 follows/],
    ['has a row twice', withLine(6, `${line(6)}\r\n${line(6)}`), /^line 7: case 1-101: its number is "2" where 3 follows/],
    ['comes back to a case', `${csv}${line(2)}\r\n`, /^line 31: case 1-100 is already on line 2/],
    ['opens a quote and never closes it', withLine(4, line(4).replace(', EU"', ', EU')), /^line 4: not well-formed CSV/],
    ['is cut off within a row', csv.slice(0, csv.indexOf('Fay') + 2), /^line 24: the log is cut off/],
    ['is cut off within its last cell', csv.slice(0, -3), /^line 30: the log is cut off/],
    [
      'is cut off within a character',
      Buffer.from(csv).subarray(0, Buffer.from(csv).indexOf('ö') + 1),
      /^line 7: the log is cut off within a character/,
    ],
    ['is not UTF-8', Buffer.from(csv, 'latin1'), /^line 7: the text is not UTF-8/],
  ])('that %s is refused, and the line named', async (_, content, expected) => {
    expect(content).not.toBe(csv);
    expect(await problem(content)).toMatch(expected);
    expect(await problem(gzipSync(content))).toMatch(expected);
  });
});

describe('a XES log with a fault', () => {
  const lineOf = (text: string, from = 0): number => xes.slice(0, xes.indexOf(text, from)).split('\n').length;

  it.each<[string, string, RegExp]>([
    ['is other XML', '<?xml version="1.0"?>\n<html><body/></html>\n', /^line 2: this is XML but not a XES log: its root is <html>/],
    ['has no traces', '<log>\n</log>\n', /^line 1: the log holds no rows/],
    [
      'misspells an attribute',
      xes.replace('key="org:group"', 'key="org:grup"'),
      new RegExp(`^line ${lineOf('<event>')}: case 1-100: unknown column "org:grup"`),
    ],
    [
      'lacks an attribute',
      xes.replace(/.*key="org:group".*\n/, ''),
      new RegExp(`^line ${lineOf('<event>')}: case 1-100: team \\(support_team or org:group\\) is missing`),
    ],
    [
      'has an attribute twice',
      xes.replace(/(.*key="org:group".*\n)/, '$1$1'),
      new RegExp(`^line ${lineOf('org:group') + 1}: attribute "org:group" twice`),
    ],
    [
      'nests attributes in an event',
      xes.replace('<string key="org:group" value="D5"/>', '<string key="org:group" value="D5"><string key="a" value="b"/></string>'),
      new RegExp(`^line ${lineOf('<event>')}: case 1-100: unknown column "org:group.a"`),
    ],
    [
      'has elements that are no attributes',
      xes.replace('<string key="org:group" value="D5"/>', '<number key="org:group" value="5"/>'),
      new RegExp(`^line ${lineOf('org:group')}: <number> is not an attribute`),
    ],
    [
      'misspells a status',
      xes.replace('value="Completed"', 'value="Complete"'),
      new RegExp(`^line ${lineOf('<event>', xes.indexOf('<event>') + 1)}: case 1-100: state "Complete/In Call"`),
    ],
    [
      'has a trace without name',
      xes.replace(/.*value="1-101".*\n/, ''),
      new RegExp(`^line ${lineOf('<event>', xes.indexOf('1-101')) - 1}: case is missing`),
    ],
    [
      'has a trace with two names',
      xes.replace(/(.*value="1-101".*\n)/, '$1$1'),
      new RegExp(`^line ${lineOf('1-101') + 1}: attribute "case:concept:name" twice`),
    ],
    [
      'has a trace twice',
      xes.replace('value="1-101"', 'value="1-100"'),
      new RegExp(
        `^line ${lineOf('<event>', xes.indexOf('1-101'))}: case 1-100: its number|^line ${lineOf('<event>', xes.indexOf('1-101'))}: case 1-100: out of order`,
      ),
    ],
    [
      'has a trace without events',
      xes.replace('</log>', '<trace><string key="concept:name" value="1-9"/></trace></log>'),
      new RegExp(`^line ${lineOf('</log>')}: a trace without events`),
    ],
    [
      'has an event outside of a trace',
      xes.replace('</log>', '<event/></log>'),
      new RegExp(`^line ${lineOf('</log>')}: an <event> outside`),
    ],
    [
      'goes back in time',
      xes.replace('2012-03-24T23:59:00+01:00', '2012-03-24T22:59:00+01:00'),
      new RegExp(`^line ${lineOf('23:59:00') - 11}: case 1-101: out of order`),
    ],
    ['is not well-formed', xes.replace('</trace>', '</track>'), new RegExp(`^line ${lineOf('</trace>')}: not well-formed XML`)],
    [
      'uses entities that nobody declared',
      xes.replace('value="Ada"', 'value="&ada;"'),
      new RegExp(`^line ${lineOf('value="Ada"')}: not well-formed XML: undefined entity`),
    ],
    ['is cut off between events', xes.slice(0, xes.indexOf('<event>', 3000)), /^line \d+: the log is cut off: the XML ends before <\/log>/],
    ['is cut off within a tag', xes.slice(0, xes.indexOf('Emil') + 2), new RegExp(`^line ${lineOf('Emil')}: the log is cut off`)],
    [
      'is cut off just before its end',
      xes.slice(0, xes.lastIndexOf('</log>')),
      new RegExp(`^line ${lineOf('</log>')}: the log is cut off`),
    ],
    ['goes on after its end', `${xes}<log/>`, new RegExp(`^line ${xes.split('\n').length}: not well-formed XML`)],
  ])('that %s is refused, and the line named', async (_, content, expected) => {
    expect(content).not.toBe(xes);
    expect(await problem(content)).toMatch(expected);
    expect(await problem(gzipSync(content))).toMatch(expected);
  });
});

describe('a log that is cut off anywhere', () => {
  /** Nothing is taken for whole that is not: a cut is told, and a line of what was there is named. */
  async function expectRefused(content: Buffer, length: number, lines: number): Promise<void> {
    const cut = content.subarray(0, length);
    const line = Number(/^line (\d+): /.exec(await problem(cut))?.[1]);
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines);
  }
  const lengths = (content: Buffer): fc.Arbitrary<number> => fc.nat(content.length - 1);

  it.each([
    ['XES', Buffer.from(xes.trimEnd())],
    ['gzipped XES', gzipSync(xes)],
    ['gzipped CSV', gzipSync(csv)],
  ])('is refused: %s', async (_, content) => {
    await fc.assert(
      fc.asyncProperty(lengths(content), (length) => expectRefused(content, length, 600)),
      { numRuns: runs(150) },
    );
  });

  it('is refused: CSV, but for a cut between two rows, which leaves a log with fewer rows', async () => {
    const content = Buffer.from(csv);
    await fc.assert(
      fc.asyncProperty(lengths(content), async (length) => {
        const rows = content.subarray(0, length).toString().split('\r\n').length - 2;
        if (content[length - 1] !== 0x0a || rows <= 0) return expectRefused(content, length, 31);
        const cases = await read(content.subarray(0, length));
        expect(cases.flatMap((one) => one.rows)).toHaveLength(rows);
      }),
      { numRuns: runs(300) },
    );
  });
});

it('knows the line of a byte that is not UTF-8 also when the text arrives in many pieces', async () => {
  // Characters of two and three bytes, so that pieces of any length begin within some of them.
  const header = csv.slice(0, csv.indexOf('\n') + 1);
  const good = Buffer.from(header + `${'€Å'.repeat(50)}\n`.repeat(2000));
  for (const at of [70_001, 131_071, 131_072, 131_073, 300_000]) {
    const damaged = Buffer.from(good);
    damaged[at] = 0xff;
    const line = good.subarray(0, at).toString('utf8').split('\n').length;
    const text = readLogText(files.write('pieces', damaged));
    await expect(
      (async () => {
        for await (const _piece of text);
      })(),
    ).rejects.toMatchObject({ line, problem: 'the text is not UTF-8' });
  }
});

describe('a compressed log that came over badly', () => {
  // Long enough that it is compressed in several blocks, so that there is something to read before the cut.
  const long = toXes(
    Array.from({ length: 400 }, (_, index) =>
      fc.sample(anyLog, { numRuns: 1, seed: index })[0]!.map((one) => ({ ...one, caseId: `${index}-${one.caseId}` })),
    ).flat(),
  );

  it.each([0.3, 0.6, 0.9, 0.9999])('names the line up to which it could be read when %d of it came', async (share) => {
    const whole = gzipSync(long);
    const message = await problem(whole.subarray(0, Math.floor(whole.length * share)));
    expect(message).toMatch(/^line \d+: the compressed file is cut off: it cannot be read beyond this line/);
    const lines = long.split('\n').length;
    const named = Number(/\d+/.exec(message)![0]) / lines;
    expect(Math.abs(named - share)).toBeLessThan(0.15);
  });

  it('is refused when a byte was changed', async () => {
    const damaged = Buffer.from(gzipSync(long));
    damaged[damaged.length - 6]! ^= 1; // In the checksum: all of the text arrives, and is not to be believed.
    expect(await problem(damaged)).toMatch(/^line \d+: the compressed file is damaged/);
  });

  it('is refused when the cut leaves whole lines only', async () => {
    const whole = gzipSync(csv);
    expect(await problem(whole.subarray(0, -8))).toMatch(/^line 31: the compressed file is cut off/);
  });
});

it('says so when there is no such file', async () => {
  await expect(readCases('/nowhere/at/all')).rejects.toMatchObject({ code: 'ENOENT' });
});

it('stops when it is told to', async () => {
  const stop = new AbortController();
  stop.abort(new Error('enough'));
  const rows = readLog(files.write('stopped', csv), bpic2013, compileMapping(bpic2013), { signal: stop.signal });
  await expect(rows.next()).rejects.toThrow('enough');
});
