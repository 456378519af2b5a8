import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { eventually } from '../eventually.js';
import { build, keyIn, Program, runFileIn } from './built-program.js';

const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe('npm start', () => {
  let dataDir: string;
  const started: Program[] = [];
  const start = (env: Record<string, string> = {}): Program => {
    const program = Program.standalone({ DATA_DIR: dataDir, ...env });
    started.push(program);
    return program;
  };

  beforeAll(() => build(), 300_000);
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tierline-boot-'));
  });
  afterEach(async () => {
    for (const program of started.splice(0)) await program.end('SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  });

  it('refuses a wrong configuration, and names every fault', async () => {
    const program = start({ HOST: '0.0.0.0', PORT: '99999', LOG_LEVEL: 'loud', MONGODB_URL: 'http://localhost' });
    expect(await program.exited).toEqual({ code: 1, signal: null });
    for (const name of ['HOST', 'PORT', 'LOG_LEVEL', 'MONGODB_URL']) expect(program.stderr).toContain(`  ${name} must be`);
    expect(program.stdout).toBe('');
    expect(program.stderr).not.toMatch(/^\s+at /m);
  });

  it.each([
    ['CHAT_CHANNELS_FILE', { CHAT_CHANNELS_FILE: '/nowhere/channels.json' }],
    ['MAIL_SENDERS_FILE', { MAIL_SENDERS_FILE: '/nowhere/senders.json', MAILBOX_URL: 'imaps://desk:secret@127.0.0.1:1/INBOX' }],
    ['SECOND_FACTOR_ROLES', { SECOND_FACTOR_ROLES: 'king' }],
    ['SEALING_KEY_FILE', { SEALING_KEY_FILE: tmpdir() }],
    ['REPORTS_DIR', { REPORTS_DIR: '/dev/null' }],
  ])('refuses a wrong %s, which one of its threads finds, in the same words', async (variable, env) => {
    const program = start(env);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toMatch(new RegExp(`^The configuration is wrong:\n  ${variable} must be [^\n]*\n$`));
  });

  it.each(['WEBHOOK_KEY_FILE', 'LOG_IN_KEY_FILE'])('refuses a %s that holds no key', async (variable) => {
    const file = join(dataDir, 'no-key');
    await writeFile(file, 'short');
    const program = start({ [variable]: file });
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toBe(`The key that ${variable} names cannot be used (${file} holds no key: 32 bytes in hexadecimal).\n`);
  });

  it('refuses a key that cannot be created, before it is needed', async () => {
    const program = start({ WEBHOOK_KEY_FILE: '/dev/null/key' });
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toMatch(/^The key that WEBHOOK_KEY_FILE names cannot be [^\n]*ENOTDIR[^\n]*\n$/);
  });

  it.each(['PORT', 'EMBEDDED_EVENTSTOREDB_PORT', 'EMBEDDED_MONGODB_PORT'])(
    'names the port that is taken, and that %s sets it',
    async (variable) => {
      const taken: Server = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const { port } = taken.address() as AddressInfo;
      try {
        const program = start({ [variable]: String(port) });
        expect(await program.exited).toEqual({ code: 1, signal: null });
        expect(program.stderr).toMatch(new RegExp(`^Port ${port} for .* is taken.* set ${variable} to another port[^\n]*\n$`));
      } finally {
        taken.close();
      }
      // The API is the last to listen: by then all else was open, and it has let go of everything.
      if (variable === 'PORT') await start().ready(dataDir);
    },
  );

  it('builds nothing if up to date, and logs nothing before the banner', async () => {
    const built = statSync('dist/.built').mtimeMs;
    const program = start();
    await program.ready(dataDir);
    while (!program.stdout.includes('Ctrl-C stops')) await pause(20);
    expect(program.stdout).toContain('Tierline is running.');
    const lines = program.stderr.trim().split('\n');
    expect(lines.slice(0, -1)).toEqual([]);
    expect(statSync('dist/.built').mtimeMs).toBe(built);
  });

  it('serves what it serves from its sources: schemas under the names of their classes, pages and templates from their files', async () => {
    const { api } = await start().ready(dataDir);
    const get = (path: string): Promise<Response> => fetch(`${api}${path}`, { headers: keyIn(dataDir) });
    const { components } = (await (await get('/openapi.json')).json()) as { components: { schemas: Record<string, object> } };
    const names = Object.keys(components.schemas);
    expect(names).toEqual(expect.arrayContaining(['OpenTicket', 'StartWork', 'LinkTicketToProblem', 'ForgetPerson']));
    expect(names.filter((name) => /[0-9_]$/.test(name))).toEqual([]);
    expect((await get('/docs/swagger-ui.css')).status).toBe(200);
    expect((await get('/login/page.css')).status).toBe(200);
  });

  it('names the process that holds the data directory', async () => {
    const first = start();
    await first.ready(dataDir);
    const second = start();
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.stderr).toContain(`${dataDir} is in use by process ${first.pid}`);
    expect(runFileIn(dataDir)?.pid).toBe(first.pid);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops in order on %s, and starts again', async (signal) => {
    const first = start();
    const { api } = await first.ready(dataDir);
    // A reader that stays connected does not keep it from stopping.
    const feed = await fetch(`${api}/v1/events`, { headers: keyIn(dataDir) });
    expect(await first.end(signal)).toEqual({ code: 0, signal: null });
    await feed.body?.cancel().catch(() => {});
    expect(runFileIn(dataDir)).toBeUndefined();
    await start().ready(dataDir);
  });

  it('names the server that it could not reach', async () => {
    const program = start({ TIERLINE_EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false' });
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toMatch(/EventStoreDB does not answer .* Is TIERLINE_EVENTSTORE_URL right/);
  });

  (hasCurl ? it : it.skip)('prints three curl lines that work as they stand', async () => {
    const program = start();
    await program.ready(dataDir);
    while (!program.stdout.includes('Ctrl-C stops')) await pause(20);
    const lines = program.stdout.split('\n').map((line) => line.trim());
    const [open = '', queue = '', follow = ''] = lines.filter((line) => line.startsWith('curl '));
    const run = async (line: string): Promise<string> => (await promisify(execFile)('sh', ['-c', line])).stdout;

    const opened = await run(open);
    expect(opened).toMatch(/^HTTP\/1.1 201 /);
    const { ticketId } = JSON.parse(opened.slice(opened.indexOf('{'))) as { ticketId: string };
    expect(await run(open)).toContain('"repeated":true');
    // It does not end: on a busy machine a second may be too short.
    await eventually(async () =>
      expect(await run(follow.replace('curl ', 'curl --silent --max-time 1 ') + ' || true')).toMatch(
        new RegExp(`event: com\\.tierline\\.ticket\\.opened\\.v1\\ndata: .*"subject":"ticket/${ticketId}"`),
      ),
    );
    // The view follows the log.
    const queued = async () => (JSON.parse(await run(queue)) as { items: { _id: string }[] }).items.map(({ _id }) => _id);
    while ((await queued()).length === 0) await pause(20);
    expect(await queued()).toEqual([ticketId]);
    for (const place of [
      /EventStoreDB +esdb:\/\/tierline:\*\*\*@localhost/,
      /MongoDB +mongodb:\/\/tierline:\*\*\*@127/,
      /Reports +mongodb:\/\/reports:\*\*\*@127/,
      /Docs +http.*\/docs/,
      /Log level +warn/,
    ])
      expect(program.stdout).toMatch(place);
    expect(program.stdout).toContain(dataDir);
  });
});
