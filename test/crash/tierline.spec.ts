import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { MongoClient } from 'mongodb';
import { ticketDetails } from '#ticketing';
import { build, Program, root, runFileIn } from './built-program.js';

/** `npx tierline` as a process of its own: on stores that run, on stores of its own, and when it is used wrongly. */
describe('npx tierline', () => {
  let dataDir = '';
  let standalone: Program | undefined;

  beforeAll(async () => {
    await build();
    dataDir = await mkdtemp(join(tmpdir(), 'tierline-cli-'));
  }, 300_000);

  afterAll(async () => {
    await standalone?.end('SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  });

  const run = async (...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string; complaints: string }> => {
    const program = Program.tierline(args, { DATA_DIR: dataDir, LOG_LEVEL: '' });
    const { code } = await program.exited;
    // Off a terminal, progress is told in lines on standard error, when there is time for it.
    const complaints = program.stderr.replace(/^[A-Z][^:\n]*: [\d,]+ .*\n/gm, '');
    return { code, stdout: program.stdout, stderr: program.stderr, complaints };
  };
  const start = async (): Promise<{ mongodbUrl: string; api: string }> => {
    standalone = Program.standalone({ DATA_DIR: dataDir });
    return standalone.ready(dataDir);
  };
  const idIn = (text: string): string => /replay ([0-9a-f-]{36})/.exec(text)?.[1] ?? '';

  let ticketId = '';

  it('fills the data directory with the demo day if nothing runs, and changes nothing the second time', async () => {
    const first = await run('demo');
    expect(first).toMatchObject({ code: 0, complaints: '' });
    expect(first.stdout).toMatch(/: (\d+) commands on 45 tickets\n/);
    expect(first.stdout).toMatch(/L1 +8 in the queue/);
    ticketId = idIn(first.stdout);
    const again = await run('demo');
    expect(again).toMatchObject({ code: 0, complaints: '' });
    expect(again.stdout).toContain('all of them known already, so nothing was done twice');
    expect(idIn(again.stdout)).toBe(ticketId);
  });

  it('replays a ticket from stores of its own', async () => {
    const { code, stdout } = await run('replay', ticketId);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Ticket .{36} {2}Scanners in the warehouse lose the network/);
    expect(stdout).toMatch(/tier +L2 -> L1/);
    // No colours and no questions where there is no terminal.
    expect(stdout).not.toContain('\u001b');

    const json = await run('replay', ticketId, '--json');
    const steps = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; effectiveAt: string });
    expect(steps[0]?.type).toBe('TicketOpened');
    const then = steps[2]?.effectiveAt ?? '';
    const until = await run('replay', `ticket-${ticketId}`, '--json', '--as-of', then);
    // What the timekeeper told afterwards happened before then, too.
    const known = steps.filter(({ effectiveAt }) => effectiveAt <= then);
    expect(until.stdout.trim().split('\n')).toHaveLength(known.length);
    expect(known.length).toBeLessThan(steps.length);
  });

  it('speaks to a running `npm start`: finds a view that was tampered with, and rebuilds it', async () => {
    const { mongodbUrl } = await start();
    expect(await run('doctor')).toMatchObject({ code: 0, complaints: '' });

    const client = new MongoClient(mongodbUrl);
    try {
      await client
        .db()
        .collection<{ _id: string }>(ticketDetails.name)
        .updateOne({ _id: ticketId }, { $set: { summary: 'Nothing happened' } });
    } finally {
      await client.close();
    }
    const sick = await run('doctor', ticketDetails.name);
    expect(sick.code).toBe(1);
    expect(sick.stdout).toMatch(/1 difference\n/);
    expect(sick.stdout).toContain(`${ticketId}: differs`);
    expect(sick.stdout).toContain(
      'summary: the log makes it "Scanners in the warehouse lose the network", the view has "Nothing happened"',
    );

    const rebuilt = await run('rebuild', ticketDetails.name);
    expect(rebuilt).toMatchObject({ code: 0, complaints: '' });
    expect(rebuilt.stdout).toMatch(/^ticket_details: rebuilt from \d+ events in [\d.]+ s, and switched\n$/);
    expect(await run('doctor')).toMatchObject({ code: 0, complaints: '' });
  });

  it('serves the tools of a running `npm start` to a program that speaks the Model Context Protocol', async () => {
    const client = new Client({ name: 'spec', version: '1' });
    await client.connect(
      new StdioClientTransport({ command: process.execPath, args: ['bin/tierline.js', 'mcp'], cwd: root, env: { DATA_DIR: dataDir } }),
    );
    try {
      const { structuredContent } = await client.callTool({ name: 'read_ticket', arguments: { id: ticketId } });
      expect(structuredContent).toMatchObject({ summary: 'Scanners in the warehouse lose the network' });
      const missing = await client.callTool({ name: 'read_ticket', arguments: { id: 'x' } });
      expect(missing).toMatchObject({ isError: true, structuredContent: { code: 'ticket-not-found' } });
    } finally {
      await client.close();
    }
  });

  it('is not misled by what a killed process has left behind', async () => {
    await standalone?.end('SIGKILL');
    expect(runFileIn(dataDir)?.pid).toBe(standalone?.pid);
    const { code, stdout } = await run('replay', ticketId, '--all');
    expect(code).toBe(0);
    expect(stdout).toContain('Escalation returned');
  });

  it('reports errors in one line, with a hint and without a stack trace', async () => {
    const cut = join(dataDir, 'cut.csv');
    await writeFile(cut, 'case_id,seq\n1,0\n');
    for (const [args, line] of [
      [['replay', '00000000-0000-4000-8000-000000000000'], /^tierline: There is no ticket 00000000-0000-4000-8000-000000000000\n {2}\S/],
      [['import', 'bpic2013', join(dataDir, 'absent.xes')], /^tierline: .*absent.xes cannot be read: .*\n {2}`npx tierline import --help`/],
      [['import', 'bpic2013', cut], /^tierline: line 1: /],
    ] as const) {
      const { code, stderr, stdout } = await run(...args);
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: '' });
      expect(stderr).toMatch(line);
      expect(stderr).not.toMatch(/^\s+at /m);
    }
  });

  it('distinguishes wrong usage from failure before it opens anything', async () => {
    for (const args of [
      ['rebuild', 'no_such_view'],
      ['replay'],
      ['replay', ticketId, '--as-of', 'yesterday'],
      ['no-such-command'],
      ['import', 'bpic2013'],
      [],
    ]) {
      const { code, stderr } = await run(...args);
      expect({ args, code }).toEqual({ args, code: 2 });
      expect(stderr).toMatch(/Usage|error: /);
    }
    const help = await run('import', 'bpic2013', '--help');
    expect(help.code).toBe(0);
    expect(help.stdout).toContain('10.4121/uuid:500573e6-accc-4b0c-9576-aa5468b10cee');
  });
});
