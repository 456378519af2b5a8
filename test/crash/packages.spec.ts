import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from './built-program.js';

/** What `npm pack` makes of the embedded nodes, installed in an empty project and used from JavaScript and from TypeScript. */

const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const project = mkdtempSync(join(tmpdir(), 'tierline-packages-'));
const PACKAGES = ['embedded-host', 'embedded-eventstoredb', 'embedded-mongodb'];

/** The version of a package that the repository uses: it is in npm's cache. */
const installed = (name: string): string =>
  `${name}@${(JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version}`;

beforeAll(async () => {
  await build();
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', project, ...PACKAGES.flatMap((name) => ['-w', `@tierline/${name}`])],
    { cwd: root },
  );
  const packed = JSON.parse(stdout) as readonly { filename: string; files: readonly { path: string }[] }[];
  for (const { files } of packed) {
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', 'package.json', 'dist/index.js', 'dist/index.d.ts']));
    expect(paths.filter((path) => /\.spec\.|testing|fixtures|tsbuildinfo/.test(path))).toEqual([]);
  }
  mkdirSync(join(project, 'src'));
  writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }');
  const tarballs = packed.map(({ filename }) => `./${filename}`);
  const clients = ['@eventstore/db-client', 'mongodb', 'typescript', '@types/node'].map(installed);
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs, ...clients], { cwd: project });
}, 240_000);
afterAll(() => rmSync(project, { recursive: true }));

const SCRIPT = `
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { MongoClient } from 'mongodb';
import { startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { PortUnavailable, startEmbeddedMongoDB } from '@tierline/embedded-mongodb';

const events = await startEmbeddedEventStoreDB({ directory: './data/events', port: 0 });
const client = EventStoreDBClient.connectionString(events.url);
await client.appendToStream('ticket-1', jsonEvent({ type: 'opened', data: { title: 'No network' } }));
const types = [];
for await (const { event } of client.readStream('ticket-1')) types.push(event.type);
await client.dispose();

const views = await startEmbeddedMongoDB({ directory: './data/views', port: 0 });
const mongo = await MongoClient.connect(views.url);
await mongo.db('desk').collection('tickets').insertOne({ _id: 'ticket-1', title: 'No network' });
const titles = await mongo.db('desk').collection('tickets').distinct('title');
await mongo.close();

const taken = await startEmbeddedMongoDB({ directory: './data/other', port: views.port }).catch((error) => error);
await events.close();
await views.close();
console.log(JSON.stringify({ types, titles, refused: [taken instanceof PortUnavailable, taken.code] }));
`;

it('works with the real clients from plain JavaScript', async () => {
  writeFileSync(join(project, 'use.js'), SCRIPT);
  const { stdout } = await run(process.execPath, ['use.js'], { cwd: project, timeout: 110_000 });
  expect(JSON.parse(stdout)).toEqual({ types: ['opened'], titles: ['No network'], refused: [true, 'ERR_PORT_UNAVAILABLE'] });
});

it('has types that compile without skipping the checks of libraries, and refuse what is wrong', async () => {
  writeFileSync(
    join(project, 'src/use.ts'),
    `import { backUpEventStoreDB, startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
     import { DirectoryLocked, startEmbeddedMongoDB, type EmbeddedMongoDBOptions } from '@tierline/embedded-mongodb';
     const options: EmbeddedMongoDBOptions = { directory: './data', port: 0, credentials: { user: 'u', password: 'p' } };
     export const events: Promise<EmbeddedEventStoreDB> = startEmbeddedEventStoreDB({ directory: './events', port: 0 });
     export const url: Promise<string> = startEmbeddedMongoDB(options).then((node) => node.url);
     export const pid = (error: unknown): number | undefined => (error instanceof DirectoryLocked ? error.pid : undefined);
     export const copied: Promise<void> = backUpEventStoreDB('./events', './backup');
     // @ts-expect-error a port is a number
     void startEmbeddedMongoDB({ directory: './data', port: '0' });
     // @ts-expect-error there is no such option
     void startEmbeddedEventStoreDB({ directory: './data', port: 0, inMemory: true });`,
  );
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { module: 'nodenext', target: 'es2023', lib: ['es2023'], strict: true, noEmit: true, types: ['node'] },
      include: ['src'],
    }),
  );
  await run(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: project }).catch((error: { stdout: string }) => {
    throw new Error(error.stdout);
  });
});
