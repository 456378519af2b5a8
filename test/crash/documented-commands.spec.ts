import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build, Program } from './built-program.js';

const root = resolve(import.meta.dirname, '../..');

/** Blocks that are read and not run, by how they begin, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'npm ci && npm start': 'installs; what it starts is what all others are sent to',
  'npm ci && npm test': 'installs, and runs all tests',
  'npm run bench': 'takes minutes',
  'npx tierline eventstore': 'runs until it is stopped: eventstore-command.spec.ts',
  'npx tierline mongodb': 'runs until it is stopped: mongodb-command.spec.ts',
  'npx tierline mcp': 'runs until its input ends: tierline.spec.ts',
  'npx tierline import': 'needs a log: import-log.spec.ts, mappings.spec.ts',
  'npx tierline verify pack.ndjson --key': 'the key is that of the log it was run on: sealing.spec.ts',
  'python3 examples/verify_pack.py': 'ends with 1, as it says, and needs a package of Python: tampered-packs.long.spec.ts',
  'npx tierline report bpic2013': 'needs the real log: report-bpic2013.spec.ts',
  'npx tierline report log': 'needs a log: report-bpic2013.spec.ts',
};

/** Commands of a fenced block, each whole: over several lines while a quote is open or a line ends with a backslash. */
function commandsIn(block: string, prompted: boolean): readonly string[] {
  const commands: string[] = [];
  let open = '';
  for (const line of block.split('\n')) {
    if (open === '' && (line.trim() === '' || (prompted && !line.startsWith('$ ')))) continue;
    open += open === '' ? line.replace(/^\$ /, '') : `\n${line}`;
    const quotes = open.replace(/\\'/g, '').split("'").length - 1;
    if (line.endsWith('\\') || quotes % 2 === 1) continue;
    commands.push(open);
    open = '';
  }
  return commands;
}

async function documented(): Promise<readonly (readonly [string, string])[]> {
  const pages = ['README.md', ...(await readdir(join(root, 'docs'))).filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`)];
  const found = await Promise.all(
    pages.map(async (page) => {
      const text = await readFile(join(root, page), 'utf8');
      return [...text.matchAll(/^```(sh|console)\n(.*?)^```$/gms)].flatMap(([, language, block = '']) =>
        commandsIn(block, language === 'console').map((command) => [page, command] as const),
      );
    }),
  );
  return found.flat();
}

/** Every command that the documents show does what it says, against the demo. */
describe('the commands in README and docs', () => {
  let directory = '';
  let standalone: Program | undefined;
  let api = '';
  let ticket = '';
  let resolved = '';
  let problem = '';
  let key = '';

  beforeAll(async () => {
    await build();
    directory = await mkdtemp(join(tmpdir(), 'tierline-docs-'));
    standalone = Program.standalone({ DATA_DIR: join(directory, 'data') });
    ({ api } = await standalone.ready(join(directory, 'data')));
    const demo = Program.tierline(['demo'], { DATA_DIR: join(directory, 'data') });
    await demo.exited;
    ticket = /replay ([0-9a-f-]{36})\s+a fault that went up to the vendor/.exec(demo.stdout)?.[1] ?? '';
    resolved = /replay ([0-9a-f-]{36})\s+a major incident, whose children were resolved/.exec(demo.stdout)?.[1] ?? '';
    const issued = Program.tierline(['keys', 'issue', 'Docs', '--id', 'docs', '--roles', 'service'], { DATA_DIR: join(directory, 'data') });
    await issued.exited;
    key = /^tierline_([0-9a-f]+)_/.exec(issued.stdout)?.[1] ?? '';
    const token = (await readFile(join(directory, 'data', 'admin.token'), 'utf8')).trim();
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
    const body = JSON.stringify({ client: 'northwind', title: 'Printers stop' });
    problem = ((await (await fetch(`${api}/v1/problems`, { method: 'POST', headers, body })).json()) as { problemId: string }).problemId;
    // What the commands name in the folder that they are run in.
    await symlink(join(root, 'examples'), join(directory, 'examples'));
    await writeFile(join(directory, 'spooler.log'), 'spooler: 0x00000709\n');
    await writeFile(join(directory, 'message.eml'), 'From: j.doe@northwind.example\r\nSubject: Cannot print\r\n\r\nIt prints nothing.\r\n');
    await writeFile(join(directory, 'contract.json'), '{ "reopen": "continue" }');
  }, 300_000);
  afterAll(async () => {
    await standalone?.end('SIGTERM');
    await rm(directory, { recursive: true, force: true });
  });

  const run = (command: string) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
      // A stream of events has no end; every other answer has a status.
      const shell = `
        npx() { shift; node '${root}/bin/tierline.js' "$@"; }
        npm() { node '${root}/bin/tierline.js' "$2"; }
        curl() { command curl -sS --max-time 8 -o body -w '%{http_code}' "$@"; local code=$?; [ $code = 28 ] && [ -s body ] && code=0; return $code; }
        ID='${ticket}' RESOLVED='${resolved}' PROBLEM_ID='${problem}'
        ${command}`;
      const { PORT: _port, EVENTSTORE_URL: _events, MONGODB_URL: _views, API_URL: _api, ...inherited } = process.env;
      const env = { ...inherited, DATA_DIR: join(directory, 'data'), NO_COLOR: '1', NODE_OPTIONS: '' };
      execFile('bash', ['-c', shell], { cwd: directory, env, timeout: 240_000 }, (error, stdout, stderr) =>
        done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr }),
      );
    });

  /** As it is typed: with a ticket of the demo, on the port that is free here. */
  const filledIn = (command: string): string =>
    command
      .replace(/(?:localhost|127\.0\.0\.1):3000/g, new URL(api).host)
      .replace(/\s\[(?:--[^\]\n]*|[A-Z]+)\]/g, '')
      .replace(/\bTICKET\b/g, ticket)
      .replace(/\bPROBLEM\b/g, problem)
      .replace(/\bKEY\b/g, key)
      .replace(/\bINSTANT\b/g, new Date(Date.now() + 60_000).toISOString())
      .replace(/\bPACK\b/g, 'readme.ndjson')
      .replace(/\bROLES\b/g, 'service')
      .replace(/\bFILE\b/g, 'contract.json')
      .replace(/\bDIRECTORY\b/g, 'copy');

  it('can be run, and each exception has a reason', async () => {
    const commands = (await documented()).map(([, command]) => command);
    expect(commands.length).toBeGreaterThan(30);
    for (const beginning of Object.keys(NOT_RUN)) expect(commands.some((command) => command.startsWith(beginning))).toBe(true);
    // An id that the demo makes depends on the day.
    for (const command of commands) expect(command).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
  });

  it('do what they say', async () => {
    expect([ticket, resolved, problem, key]).not.toContain('');
    const failed: object[] = [];
    for (const [page, command] of await documented()) {
      if (Object.keys(NOT_RUN).some((beginning) => command.startsWith(beginning))) continue;
      const { code, stdout, stderr } = await run(filledIn(command));
      const status = /\bcurl\b/.test(command) ? stdout.slice(-3) : '200';
      if (code !== 0 || !/^20\d$/.test(status)) {
        const body = await readFile(join(directory, 'body'), 'utf8').catch(() => '');
        failed.push({ page, command, code, stderr: stderr.slice(-500), ...(status === '200' ? {} : { status, body: body.slice(0, 500) }) });
      }
    }
    expect(failed).toEqual([]);
  }, 600_000);
});
