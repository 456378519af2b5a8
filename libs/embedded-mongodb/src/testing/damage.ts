import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient, MongoServerError, type Db } from 'mongodb';
import { startEmbeddedMongoDB } from '../index.js';

/** The outcome of a number of damages. `silent` and `strange` list those that should not occur. */
export type Outcome = { atStart: number; atReads: number; harmless: number; silent: string[]; strange: string[] };

type Ticket = { _id: number; tier: string; opened: number; tags: string[]; text: string };

const PAGE = 4096;
const SECTOR = 512;

/** Numbers from 0 to below 1, determined by a seed. */
const randomFrom = (seed: number): ((below: number) => number) => {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

const ticket = (_id: number, round: number): Ticket => ({
  _id,
  tier: `L${1 + (_id % 3)}`,
  opened: (_id * 7919) % 10_007,
  tags: _id % 5 ? [`t${_id % 11}`] : ['urgent', `t${_id % 11}`],
  text: `${round} `.repeat(_id % 97 === 0 ? 4000 : _id % 60),
});

const TICKETS = 900;

const write = async (db: Db, round: number): Promise<void> => {
  const tickets = db.collection<Ticket>('tickets');
  for (let from = 0; from < TICKETS; from += 300)
    await tickets.bulkWrite(
      Array.from({ length: 300 }, (_, n) => ({
        replaceOne: { filter: { _id: from + n }, replacement: ticket(from + n, round), upsert: true },
      })),
    );
};

/** The queries of clients, with the right results. */
const questions = (
  db: Db,
  round: number,
): readonly { readonly what: string; readonly answer: () => Promise<unknown>; readonly right: unknown }[] => {
  const tickets = db.collection<Ticket>('tickets');
  const all = Array.from({ length: TICKETS }, (_, n) => ticket(n, round));
  const byOpened = (some: readonly Ticket[]): number[] =>
    [...some].sort((a, b) => a.opened - b.opened || a._id - b._id).map(({ _id }) => _id);
  const ids = async (documents: Promise<{ _id: number }[]>): Promise<number[]> => (await documents).map(({ _id }) => _id);
  const one = [17, 679, 858].map((_id) => ({
    what: `document ${_id}`,
    answer: () => tickets.findOne({ _id }),
    right: all[_id],
  }));
  return [
    {
      what: 'names of collections',
      answer: () =>
        db
          .listCollections()
          .toArray()
          .then((found) => found.map(({ name }) => name).sort()),
      right: ['others', 'tickets'],
    },
    {
      what: 'names of indexes',
      answer: () => tickets.indexes().then((found) => found.map(({ name }) => name)),
      right: ['_id_', 'tier_1_opened_1', 'tags_1'],
    },
    { what: 'number of all', answer: () => tickets.countDocuments(), right: TICKETS },
    { what: 'estimated number', answer: () => tickets.estimatedDocumentCount(), right: TICKETS },
    {
      what: 'number by an index',
      answer: () => tickets.countDocuments({ tier: 'L2' }),
      right: all.filter(({ tier }) => tier === 'L2').length,
    },
    {
      what: 'number by an array',
      answer: () => tickets.countDocuments({ tags: 'urgent' }),
      right: all.filter(({ tags }) => tags.includes('urgent')).length,
    },
    { what: 'all documents', answer: () => tickets.find().toArray(), right: all },
    {
      what: 'a range of _id',
      answer: () => ids(tickets.find({ _id: { $gte: 300, $lt: 700 } }).toArray()),
      right: all.slice(300, 700).map(({ _id }) => _id),
    },
    {
      what: 'a page in order',
      answer: () => ids(tickets.find({ tier: 'L1' }).sort({ opened: 1 }).limit(120).toArray()),
      right: byOpened(all.filter(({ tier }) => tier === 'L1')).slice(0, 120),
    },
    {
      what: 'a range of an index',
      answer: () =>
        ids(
          tickets
            .find({ tier: 'L3', opened: { $gte: 2000, $lt: 4000 } })
            .sort({ opened: 1 })
            .toArray(),
        ),
      right: byOpened(all.filter(({ tier, opened }) => tier === 'L3' && opened >= 2000 && opened < 4000)),
    },
    { what: 'another collection', answer: () => db.collection<{ _id: number }>('others').countDocuments({ _id: { $gte: 10 } }), right: 40 },
    ...one,
  ];
};

type Damage = (path: string, random: (below: number) => number, lock: string) => string;

const damages: Readonly<Record<string, Damage>> = {
  'a flipped bit': (path, random) => {
    const bytes = readFileSync(path);
    const at = random(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << random(8));
    writeFileSync(path, bytes);
    return `at ${at}`;
  },
  'a flipped bit in a header': (path, random) => {
    const bytes = readFileSync(path);
    const page = random(bytes.length / PAGE);
    const at = page * PAGE + random(page < 2 ? 170 : 64);
    bytes[at] = (bytes[at] as number) ^ (1 << random(8));
    writeFileSync(path, bytes);
    return `at ${at}`;
  },
  'four changed bytes of the first pages': (path, random) => {
    const bytes = readFileSync(path);
    const at = random(2) * PAGE + random(170);
    for (let n = 0; n < 4; n++) bytes[at + n] = random(256);
    writeFileSync(path, bytes);
    return `at ${at}`;
  },
  'a header of nothing': (path, random) => {
    const bytes = readFileSync(path);
    const page = random(bytes.length / PAGE);
    bytes.fill(random(2) ? 0 : 0xff, page * PAGE, page * PAGE + 24);
    writeFileSync(path, bytes);
    return `page ${page}`;
  },
  'a sector of garbage': (path, random) => {
    const bytes = readFileSync(path);
    const sector = random(bytes.length / SECTOR);
    for (let n = 0; n < SECTOR; n++) bytes[sector * SECTOR + n] = random(256);
    writeFileSync(path, bytes);
    return `sector ${sector}`;
  },
  'a page elsewhere': (path, random) => {
    const bytes = readFileSync(path);
    const [from, to] = [random(bytes.length / PAGE), random(bytes.length / PAGE)];
    bytes.copy(bytes, to * PAGE, from * PAGE, (from + 1) * PAGE);
    writeFileSync(path, bytes);
    return `${from} to ${to}`;
  },
  'a file that was cut': (path, random) => {
    const length = random(readFileSync(path).length);
    truncateSync(path, length);
    return `at ${length}`;
  },
  'a file of text': (path, random) => {
    writeFileSync(path, 'This is no data file.\n'.repeat(1 + random(2000)));
    return '';
  },
  'an empty file': (path) => {
    writeFileSync(path, '');
    return '';
  },
  'a missing file': (path) => {
    rmSync(path);
    return '';
  },
  'a damaged lock file': (_, random, lock) => {
    const bytes = readFileSync(lock);
    for (let n = random(bytes.length); n > 0; n--) bytes[random(bytes.length)] = random(256);
    writeFileSync(lock, random(2) ? bytes : bytes.subarray(0, random(bytes.length)));
    return '';
  },
};

/** Kinds that are chosen more often: they can be anywhere. */
const drawn: readonly string[] = Object.keys(damages).flatMap((kind, at) => (at < 6 ? [kind, kind, kind] : [kind]));

/** Damages the files of a closed node and of a killed one, in turn, and queries the node that is started on them. */
export const surviveDamages = async (count: number, seed: number): Promise<Outcome> => {
  const root = mkdtempSync(join(tmpdir(), 'embedded-mongodb-damage-'));
  const random = randomFrom(seed);
  const outcome: Outcome = { atStart: 0, atReads: 0, harmless: 0, silent: [], strange: [] };
  const warn = process.emitWarning;
  // Each damaged record is reported; here that is many.
  process.emitWarning = () => undefined;
  const copy = (from: string, to: string): void => {
    mkdirSync(to, { recursive: true });
    for (const file of ['mongodb.mdb', 'mongodb.mdb-lock']) copyFileSync(join(from, file), join(to, file));
  };
  try {
    const [live, killed] = [join(root, 'closed'), join(root, 'killed')];
    const first = await startEmbeddedMongoDB({ directory: live, port: 0 });
    const client = await MongoClient.connect(first.url);
    const db = client.db('desk');
    await db.collection('tickets').createIndexes([{ key: { tier: 1, opened: 1 } }, { key: { tags: 1 } }]);
    await db.collection<{ _id: number }>('others').insertMany(Array.from({ length: 50 }, (_, _id) => ({ _id })));
    await write(db, 1);
    await write(db, 2);
    // The file as SIGKILL would leave it: a commit is completely on disk before the next begins.
    copy(live, killed);
    await client.close();
    await first.close();
    for (let n = 0; n < count; n++) {
      const kind = drawn[random(drawn.length)] as string;
      const state = n % 2 ? 'killed' : 'closed';
      const directory = join(root, `case-${n}`);
      copy(n % 2 ? killed : live, directory);
      const place = damages[kind]?.(join(directory, 'mongodb.mdb'), random, join(directory, 'mongodb.mdb-lock'));
      await judge(directory, `${n}: ${kind} ${place} (${state})`, outcome);
      rmSync(directory, { recursive: true });
    }
  } finally {
    process.emitWarning = warn;
    if (existsSync(root)) rmSync(root, { recursive: true });
  }
  return outcome;
};

const judge = async (directory: string, name: string, outcome: Outcome): Promise<void> => {
  let node: Awaited<ReturnType<typeof startEmbeddedMongoDB>>;
  try {
    node = await startEmbeddedMongoDB({ directory, port: 0 });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_DATA_UNREADABLE' && message.includes('mongodb.mdb')) outcome.atStart++;
    else outcome.strange.push(`${name}: ${String(error)}`);
    return;
  }
  const client = await MongoClient.connect(node.url);
  try {
    const db = client.db('desk');
    let refused = 0;
    const ask = async (round: number): Promise<void> => {
      // One after the other: a query that fails while another is awaited would be an unhandled rejection.
      for (const { what, answer, right } of questions(db, round)) {
        try {
          const given = await answer();
          if (JSON.stringify(given) !== JSON.stringify(right)) outcome.silent.push(`${name}: ${what}`);
        } catch (error) {
          if (error instanceof MongoServerError && error.code === 366) refused++;
          else outcome.strange.push(`${name}: ${what}: ${String(error)}`);
        }
      }
    };
    await ask(2);
    if (refused) outcome.atReads++;
    else {
      // No effect: then writes find nothing either, such as a page that is in use and listed as free.
      await write(db, 3);
      await ask(3);
      outcome.harmless++;
    }
  } finally {
    await client.close();
    await node.close();
  }
};
