import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Doc } from '../bson/values.js';
import { newCollection } from '../commands/namespaces.js';
import type { Entry, KeyRange } from './data-file.js';
import { readIndex, Store, type Index, type Reader } from './store.js';
import { findLabel } from './text-labels.js';

const { compare } = new Intl.Collator('en', { sensitivity: 'accent', numeric: true });
const prefix = Buffer.from('p');

/** A list of strings, in the order of their labels. */
const list = (): { readonly add: (text: string) => string; readonly labels: () => readonly string[] } => {
  const all: Entry[] = [];
  const entries = ({ start, end, reverse }: KeyRange): Entry[] => {
    const found = all.filter(({ key }) => Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0);
    return reverse ? found.reverse() : found;
  };
  let latest: string | undefined;
  return {
    add: (text) => {
      const { label, known } = findLabel(entries, prefix, text, compare, latest);
      if (!known) {
        all.push({ key: Buffer.concat([prefix, Buffer.from(label)]), value: Buffer.from(text) });
        all.sort((a, b) => Buffer.compare(a.key, b.key));
        latest = label;
      }
      return label;
    },
    labels: () => all.map(({ key }) => key.toString('latin1', 1)),
  };
};

test('labels have the order of their strings, with one for equal strings', () => {
  const text = fc.stringMatching(/^[aAäB0-9]{0,5}$/);
  fc.assert(
    fc.property(fc.array(text, { maxLength: 40 }), (texts) => {
      const { add } = list();
      const labels = new Map(texts.map((one) => [one, add(one)]));
      for (const [a, first] of labels)
        for (const [b, second] of labels) expect(Math.sign(compare(a, b))).toBe(first === second ? 0 : first < second ? -1 : 1);
    }),
  );
});

test.each(['upwards', 'downwards'])('labels stay short when strings are added %s between others', (direction) => {
  const { add, labels } = list();
  for (const text of ['a', 'z']) add(text);
  for (let at = 0; at < 600; at++) add(`m ${direction === 'upwards' ? at : 1000 - at}`);
  expect(Math.max(...labels().map(({ length }) => length))).toBeLessThanOrEqual(24);
});

test('an index sorted by another version of ICU is rebuilt at the start', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-icu-'));
  const before = await Store.open(directory);
  await before.write((writer) => {
    const collation = Doc.from({ locale: 'en', strength: 2 });
    const index = readIndex(writer.nextNumber(), Doc.from({ v: 2, key: Doc.from({ a: 1 }), name: 'a', collation }), { outdated: true });
    writer.saveCollection({ ...newCollection(writer, 'db', 'c'), indexes: [index] });
    // Without entries, any order will do.
    const collection = writer.catalog.collections.get('db.c');
    if (!collection) throw new Error('no collection');
    for (const a of ['b', 'A', 'c']) writer.insert({ ...collection, indexes: [] }, Doc.from({ _id: a, a }));
  });
  await before.close();
  const after = await Store.open(directory);
  const snapshot = after.snapshot();
  const entriesOf = (reader: Reader, { number }: Index): number => {
    const at = (next: number): Buffer => Buffer.from([0x20, 0, 0, 0, next]);
    return reader.count({ start: at(number), end: at(number + 1) });
  };
  const [index] = snapshot.catalog.collections.get('db.c')?.indexes ?? [];
  expect(index).toMatchObject({ name: 'a', building: false, outdated: false });
  expect(entriesOf(snapshot, index as Index)).toBe(3);
  snapshot.close();
  await after.close();
  rmSync(directory, { recursive: true });
});
