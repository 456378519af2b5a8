import fc from 'fast-check';
import { BSON, type Document } from 'mongodb';
import { Doc, encode } from '../bson/values.js';
import { parseFilter } from './filter.js';
import { applyUpdate, compileUpdate } from './update.js';
import { runs } from '../../../../test/runs.js';

const read = (doc: Document): Doc => Doc.read(Buffer.from(BSON.serialize(doc)));

const run = (start: Document, update: Document): Document => {
  const filter = parseFilter(Doc.empty);
  const after = applyUpdate(compileUpdate(read(update), {}), read(start), { inserting: false, filter, now: 0 });
  return BSON.deserialize(encode(after));
};

const small = fc.integer({ min: -5, max: 5 });
const list = fc.array(small, { maxLength: 5 });
const document = fc.record(
  { n: small, m: small, text: fc.constantFrom('a', 'b'), list, deep: fc.record({ n: small, list }, { requiredKeys: [] }) },
  { requiredKeys: ['n'] },
);
const numberPath = fc.constantFrom('n', 'm', 'deep.n', 'fresh', 'deep.fresh');
const listPath = fc.constantFrom('list', 'deep.list', 'fresh.list');

const get = (doc: Document, path: string): unknown =>
  path.split('.').reduce<unknown>((value, part) => (value as Document | undefined)?.[part], doc);
/** The model: the new value at a path, or undefined to remove it. */
const set = (doc: Document, path: string, value: unknown): Document => {
  const [first, ...rest] = path.split('.') as [string, ...string[]];
  const copy = { ...doc };
  if (rest.length) {
    if (value === undefined && copy[first] === undefined) return copy;
    copy[first] = set((copy[first] as Document | undefined) ?? {}, rest.join('.'), value);
  } else if (value === undefined) delete copy[first];
  else copy[first] = value;
  return copy;
};

type Model = (old: unknown, operand: never) => unknown;
const numeric: Readonly<Record<string, Model>> = {
  $set: (_, by: number) => by,
  $unset: () => undefined,
  $inc: (old, by: number) => ((old as number | undefined) ?? 0) + by,
  $mul: (old, by: number) => ((old as number | undefined) ?? 0) * by + 0,
  $min: (old, by: number) => (old === undefined ? by : Math.min(old as number, by)),
  $max: (old, by: number) => (old === undefined ? by : Math.max(old as number, by)),
};

test.each(Object.entries(numeric))('%s agrees with a simple model', (operator, model) => {
  fc.assert(
    fc.property(document, numberPath, small, (start, path, operand) => {
      expect(run({ _id: 1, ...start }, { [operator]: { [path]: operand } })).toEqual({
        _id: 1,
        ...set(start, path, model(get(start, path), operand as never)),
      });
    }),
    { numRuns: runs(300) },
  );
});

const lists: Readonly<Record<string, readonly [fc.Arbitrary<unknown>, (old: readonly number[] | undefined, operand: never) => unknown]>> = {
  $push: [small, (old, by: number) => [...(old ?? []), by]],
  $addToSet: [small, (old, by: number) => ((old ?? []).includes(by) ? old : [...(old ?? []), by])],
  $pop: [fc.constantFrom(1, -1), (old, end: number) => (end === 1 ? old?.slice(0, -1) : old?.slice(1))],
  $pull: [small.map((each) => ({ $gt: each })), (old, { $gt }: { $gt: number }) => old?.filter((each) => each <= $gt)],
  $pullAll: [list, (old, unwanted: readonly number[]) => old?.filter((each) => !unwanted.includes(each))],
};

test.each(Object.entries(lists))('%s agrees with a simple model', (operator, [operand, model]) => {
  fc.assert(
    fc.property(document, listPath, operand, (start, path, given) => {
      expect(run({ _id: 1, ...start }, { [operator]: { [path]: given } })).toEqual({
        _id: 1,
        ...set(start, path, model(get(start, path) as never, given as never)),
      });
    }),
    { numRuns: runs(300) },
  );
});

test('$push with each, position, sort and slice agrees with a simple model', () => {
  fc.assert(
    fc.property(
      list,
      list,
      fc.option(fc.integer({ min: -6, max: 6 }), { nil: undefined }),
      fc.constantFrom(undefined, 1, -1),
      fc.option(fc.integer({ min: -6, max: 6 }), { nil: undefined }),
      (start, each, position, sort, slice) => {
        const at = position === undefined ? start.length : position < 0 ? Math.max(0, start.length + position) : position;
        let expected = [...start.slice(0, at), ...each, ...start.slice(at)];
        if (sort) expected = expected.sort((a, b) => (a - b) * sort);
        if (slice !== undefined) expected = slice < 0 ? expected.slice(slice) : expected.slice(0, slice);
        const clause = Object.fromEntries(
          Object.entries({ $each: each, $position: position, $sort: sort, $slice: slice }).filter(([, value]) => value !== undefined),
        );
        expect(run({ _id: 1, list: start }, { $push: { list: clause } })).toEqual({ _id: 1, list: expected });
      },
    ),
    { numRuns: runs(500) },
  );
});

test('an update preserves the bytes of all other fields', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('10', '9', 'b', 'a', 'z'), fc.oneof(small, fc.double({ noNaN: true }), fc.constant(null), list)),
      small,
      (start, operand) => {
        const fields = Object.keys(start).toSorted().toReversed();
        const before = Doc.of(['_id', ...fields], [1, ...fields.map((key) => read({ v: start[key] }).get('v') as never)]);
        const stored = Doc.read(encode(before));
        const update = compileUpdate(read({ $set: { counter: operand } }), {});
        const after = applyUpdate(update, stored, { inserting: false, filter: parseFilter(Doc.empty), now: 0 });
        expect(encode(after).equals(encode(before.with('counter', operand)))).toBe(true);
      },
    ),
  );
});

test('an update of many fields has the same result as several updates', () => {
  const numbered = (letter: string, count: number, value: unknown): Document =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`${letter}${n}`, value]));
  const start = { _id: 1, ...numbered('a', 40, 1), last: [1, 2], ...numbered('b', 20, 'text'), ...numbered('old', 3, 5) };
  const update: Record<string, Document> = {
    $set: { ...numbered('a', 60, 2), seven: 7 },
    $inc: numbered('c', 30, 3),
    $unset: { ...numbered('b', 50, ''), none: '' },
    $push: { last: 3, list: { $each: [2, 1], $sort: 1 } },
    $setOnInsert: { never: 1 },
    $rename: { old0: 'new0', old1: 'new1', none0: 'new2' },
  };
  const apart = Object.entries(update).reduce((doc, [operator, fields]) => run(doc, { [operator]: fields }), start as Document);
  const together = run(start, update);
  expect(together).toEqual(apart);
  expect(Object.keys(together).slice(0, 42)).toEqual([...Object.keys(start).slice(0, 42)]);
  const few = Object.entries({ ...numbered('z', 150, 1), a0: 9 }).reduce(
    (doc, [key, value]) => run(doc, { $set: { [key]: value } }),
    start as Document,
  );
  expect(run(start, { $set: { ...numbered('z', 150, 1), a0: 9 } })).toEqual(few);
  expect(() => run(start, { $inc: { ...numbered('c', 150, 3), last: 1 } })).toThrow('non-numeric');
  // If nothing changes, the document is the same one.
  const stored = read(start);
  const same = compileUpdate(read({ $set: numbered('a', 40, 1), $unset: numbered('y', 100, '') }), {});
  expect(applyUpdate(same, stored, { inserting: false, filter: parseFilter(Doc.empty), now: 0 })).toBe(stored);
});
