import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { MongoClient } from 'mongodb';
import { policies, ticket } from '#ticketing';
import { build, Program } from './built-program.js';

/** `npx tierline backup` beside a process that holds the data and writes to it all the while. */
describe('a backup of a running Tierline', () => {
  let directory = '';
  const running: Program[] = [];
  const clients: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    await build();
    directory = await mkdtemp(join(tmpdir(), 'tierline-backup-'));
  }, 300_000);
  afterAll(async () => {
    for (const close of clients) await close();
    for (const program of running) await program.end('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  const tierline = async (dataDir: string, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const program = Program.tierline(args, { DATA_DIR: dataDir, LOG_LEVEL: '' });
    const { code } = await program.exited;
    return { code, stdout: program.stdout, stderr: program.stderr };
  };
  const start = async (dataDir: string) => {
    const program = Program.standalone({ DATA_DIR: dataDir });
    running.push(program);
    const { eventStoreUrl, mongodbUrl } = await program.ready(dataDir);
    const events = EventStoreDBClient.connectionString(eventStoreUrl);
    const mongo = await MongoClient.connect(mongodbUrl);
    clients.push(
      () => events.dispose(),
      () => mongo.close(),
    );
    return { program, events, mongo };
  };

  it('is a consistent state with everything acknowledged before, and starts', async () => {
    const [data, copy] = [join(directory, 'data'), join(directory, 'copy')];
    const original = await start(data);
    expect(await tierline(data, 'demo')).toMatchObject({ code: 0 });
    const notes = original.mongo.db('notes').collection<{ _id: number }>('c');
    let ending = false;
    let written = 0;
    const writing = (async () => {
      for (; !ending; written++) {
        // The note speaks of an event that is there already.
        await original.events.appendToStream(
          'backup-events',
          Array.from({ length: 50 }, (_, n) => jsonEvent({ type: 'Written', data: { n: written * 50 + n } })),
        );
        await notes.insertOne({ _id: written });
      }
    })();
    while (written < 5) await new Promise((resolve) => setTimeout(resolve, 10));
    const before = written;
    const made = await tierline(data, 'backup', copy).finally(() => (ending = true));
    await writing;
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const again = await tierline(data, 'backup', copy);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('is not empty') as string });
    await original.program.end('SIGTERM');

    expect((await readdir(copy)).sort()).toEqual(expect.arrayContaining(['eventstoredb', 'mongodb']));
    // Without the master key, which is kept apart, nothing personal can be read.
    await cp(join(data, 'personal-key'), join(copy, 'personal-key'));
    // The read models are those of the log, and what was lately written is in it.
    expect(await tierline(copy, 'doctor')).toMatchObject({ code: 0 });
    const restored = await start(copy);
    const found = await restored.mongo.db('notes').collection('c').countDocuments();
    let events = 0;
    for await (const { event } of restored.events.readStream<{ type: 'Written'; data: { n: number } }>('backup-events'))
      expect(event?.data.n).toBe(events++);
    expect(found).toBeGreaterThanOrEqual(before);
    expect(events).toBeGreaterThanOrEqual(found * 50);
    expect(await restored.mongo.db('notes').command({ validate: 'c' })).toMatchObject({ valid: true });
  }, 300_000);

  it('restored under views of a newer log is reported everywhere, and one command repairs everything', async () => {
    const [data, copy] = [join(directory, 'newer'), join(directory, 'older')];
    const before = await start(data);
    expect(await tierline(data, 'backup', copy)).toMatchObject({ code: 0 });
    expect(await tierline(data, 'demo')).toMatchObject({ code: 0 });
    await before.program.end('SIGTERM');
    await rm(join(data, 'eventstoredb'), { recursive: true });
    await cp(join(copy, 'eventstoredb'), join(data, 'eventstoredb'), { recursive: true });

    const { program } = await start(data);
    const health = async () => (await fetch(`${(await program.ready(data)).api}/health/ready`)).json() as Promise<Health>;
    type Health = { status: string; stores: { readModels: string }; views: Record<string, Standing>; policies: Record<string, Standing> };
    type Standing = { state: string; lagMs: number | null; trouble?: { code?: string } };
    const until = async (holds: (health: Health) => boolean): Promise<Health> => {
      for (let now = await health(); ; now = await health()) if (holds(now)) return now;
    };
    // Of what the demo does not have, policies have read nothing that is gone.
    const ofTickets = policies.filter(({ aggregate }) => aggregate.category === ticket.category).map(({ name }) => name);
    expect(ofTickets.length).toBeGreaterThan(3);
    const isTold = (standing: Standing | undefined) => standing?.trouble?.code === 'other-log';
    const told = await until(({ views, policies }) => isTold(views['ticket_list']) && ofTickets.every((name) => isTold(policies[name])));
    expect(told).toMatchObject({ status: 'down', stores: { readModels: 'other-log' } });
    expect(told.views['ticket_list']).toMatchObject({ state: 'failing', lagMs: null, trouble: { code: 'other-log' } });
    expect(await tierline(data, 'doctor')).toMatchObject({ code: 1, stdout: expect.stringContaining('npx tierline rebuild') as string });

    expect(await tierline(data, 'rebuild')).toMatchObject({ code: 0 });
    const mended = await until(
      ({ status, policies }) => status === 'up' && Object.values(policies).every(({ state }) => state === 'running'),
    );
    expect(Object.values(mended.views).filter(({ trouble }) => trouble)).toEqual([]);
    expect(await tierline(data, 'doctor')).toMatchObject({ code: 0 });
    await program.end('SIGTERM');
  }, 300_000);

  it('works for a directory not in use and for a single node, but not inside itself', async () => {
    const [data, copy] = [join(directory, 'data'), join(directory, 'quiet')];
    expect(await tierline(data, 'backup', copy, '--dir', join(data, 'mongodb'))).toMatchObject({ code: 0 });
    expect(existsSync(join(copy, 'mongodb.mdb'))).toBe(true);
    expect(await tierline(data, 'backup', join(copy, 'es'), '--dir', join(data, 'eventstoredb'))).toMatchObject({ code: 0 });
    expect(existsSync(join(copy, 'es/log'))).toBe(true);
    for (const [target, message] of [
      [join(data, 'mongodb/backup'), /is within what is to be copied/],
      [join(directory, 'nothing'), /There is no data in/],
    ] as const) {
      const dir = message.source.includes('no data') ? ['--dir', join(directory, 'empty')] : [];
      const { code, stderr } = await tierline(data, 'backup', target, ...dir);
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
      expect(existsSync(target)).toBe(false);
    }
    // What is on a server of its own is not in the directory, whatever lies there.
    const elsewhere = Program.tierline(['backup', join(directory, 'part')], {
      DATA_DIR: data,
      TIERLINE_EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
    });
    expect((await elsewhere.exited).code).toBe(0);
    expect(elsewhere.stdout).toMatch(/EventStoreDB +not copied: TIERLINE_EVENTSTORE_URL names a server/);
    expect(existsSync(join(directory, 'part/mongodb/mongodb.mdb'))).toBe(true);
    expect(existsSync(join(directory, 'part/eventstoredb'))).toBe(false);
    // A log that cannot be read is not copied.
    const broken = join(directory, 'broken');
    expect(await tierline(data, 'backup', broken)).toMatchObject({ code: 0 });
    const [segment] = await readdir(join(broken, 'eventstoredb/log'));
    await writeFile(join(broken, 'eventstoredb/log', segment as string), 'nothing that was written here');
    const refused = await tierline(broken, 'backup', join(directory, 'of-broken'));
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/damaged/) as string });
    expect(existsSync(join(directory, 'of-broken'))).toBe(false);
  }, 300_000);
});
