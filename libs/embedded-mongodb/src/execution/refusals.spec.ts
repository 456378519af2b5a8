import { BSON } from 'mongodb';
import { Arr, Doc, type Value } from '../bson/values.js';
import { parseTarget } from '../commands/output.js';
import { compilePipeline } from './pipeline.js';

const { Decimal128, Double } = BSON;
const read = (value: unknown): Value => Doc.read(Buffer.from(BSON.serialize({ value }))).get('value') as Value;
const graph = { from: 'c', startWith: 1, connectFromField: 'a', connectToField: 'a', as: 'r' };
const byPath = { groupBy: '$v', boundaries: [1, 9] };

const windowed = (window: object, sortBy: object | null = { a: 1 }): object => ({
  $setWindowFields: { sortBy, output: { n: { $sum: '$v', window } } },
});

/** Nested lookups. */
const lookups = (depth: number): object => ({ $lookup: { from: 'c', as: 'd', pipeline: depth > 1 ? [lookups(depth - 1)] : [] } });

test.each<readonly [stage: object, code: number]>([
  [{ $project: { a: 0, b: '$a' } }, 31310],
  [{ $project: { a: 0, b: null } }, 31310],
  [{ $project: { a: 0, b: { $add: [1] } } }, 31252],
  [{ $project: { a: { $unknown: 1 } } }, 31325],
  [{ $project: { '.a': 1 } }, 15998],
  [{ $project: { 'a.': 1 } }, 40353],
  [{ $project: { 'a.$b': 1 } }, 16410],
  [{ $addFields: { a: 1, 'a.b': 1 } }, 40176],
  [{ $addFields: { a: { 'b.c': 1 } } }, 40183],
  [{ $addFields: { a: { $add: 1, b: 1 } } }, 40181],
  [{ $addFields: { a: { $unknown: 1 } } }, 168],
  [{ $unset: 'a.' }, 40353],
  [{ $unset: ['$a', 'a\0b'] }, 9527900],
  [{ $unset: ['a\0b', 1] }, 31120],
  [{ $unwind: '' }, 28812],
  [{ $unwind: '$a\0b' }, 16419],
  [{ $sort: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`a${n}`, 1])) }, 13103],
  [{ $sort: { a: { b: 1 } } }, 17312],
  [{ $sort: { a: { $meta: 'textScore', b: 1 } } }, 9],
  [{ $sort: { a: { $meta: 'indexKey' } } }, 31138],
  [{ $sort: { a: { $meta: 'textScore' } } }, 40218],
  [{ $sort: { a: 1, b: { $meta: 'geoNearDistance' } } }, 40218],
  [{ $sort: { a: 2 } }, 15975],
  [{ $sort: { a: Decimal128.fromString('0.5') } }, 15975],
  [{ $project: { a: { $meta: 'textScore' } } }, 40218],
  [{ $project: { a: { $meta: 1 } } }, 17307],
  [{ $addFields: { a: { $meta: 'unknown' } } }, 17308],
  [{ $match: { a: { $near: [0, 0] } } }, 5626500],
  [{ $match: { $or: [{ a: { $not: { $nearSphere: [0, 0] } } }] } }, 5626500],
  [{ $limit: Decimal128.fromString('9223372036854775808') }, 5107201],
  [{ $skip: new Double(2 ** 63) }, 5107200],
  [{ $count: 'a\0' }, 40159],
  [{ $facet: { a: [1] } }, 40171],
  [{ $facet: { '': [] } }, 15998],
  [{ $facet: { a: [{ $geoNear: {} }] } }, 40600],
  [{ $bucket: { ...byPath, output: 1 } }, 40196],
  [{ $bucket: { ...byPath, output: null } }, 40196],
  [{ $bucket: { ...byPath, output: { a: 1 } } }, 40234],
  [{ $bucket: { ...byPath, output: { 'a.b': { $sum: 1 } } } }, 40235],
  [{ $bucket: { ...byPath, output: { $a: { $sum: 1 } } } }, 40236],
  [{ $bucket: { ...byPath, output: { _id: { $sum: 1 } } } }, 15948],
  [{ $bucketAuto: { groupBy: '$v', buckets: 2, output: 1 } }, 40244],
  [{ $bucketAuto: { groupBy: '$v', buckets: 2 ** 31 } }, 40242],
  [{ $bucketAuto: { groupBy: 'v', buckets: 2 } }, 40239],
  [{ $bucketAuto: { groupBy: { a: '$v' }, buckets: 2 } }, 40239],
  [{ $bucket: { ...byPath, groupBy: {} } }, 40202],
  [{ $sample: { size: 'a', b: 1 } }, 28746],
  [{ $sample: { b: 1, size: 'a' } }, 28748],
  [{ $sample: { size: -1, b: 1 } }, 28748],
  [{ $group: { _id: 1, n: { $avg: ['$v'] } } }, 40237],
  [{ $bucket: { ...byPath, output: { a: { $push: [] } } } }, 40237],
  [{ $setWindowFields: { sortBy: { a: 1 }, output: { n: { $rank: {}, b: 1 } } } }, 5371601],
  [{ $setWindowFields: { sortBy: { a: 1, b: 1 }, output: { n: { $documentNumber: {} } } } }, 5371602],
  [{ $setWindowFields: { sortBy: { a: 1 }, output: { n: { $denseRank: null } } } }, 5371603],
  [{ $setWindowFields: { sortBy: 1, output: {} } }, 14],
  [windowed({ documents: [1] }), 9],
  [windowed({ documents: [0, 1], unit: 'day' }), 9],
  [windowed({ range: [0] }), 9],
  [windowed({ documents: [0, 1] }, null), 5339901],
  [windowed({ range: [0, 1] }, {}), 5339902],
  [windowed({ range: [0, 1] }, { a: -1 }), 8947401],
  [{ $lookup: { from: 'c', as: 'd', let: 1, pipeline: [] } }, 14],
  [{ $lookup: { from: 'c', as: 'd', pipeline: null } }, 14],
  [{ $lookup: { from: 'c', as: 1, localField: 'a', foreignField: 'b', unknown: 1 } }, 14],
  [{ $lookup: { from: 'c', localField: 'a', foreignField: 'b', unknown: 1 } }, 40415],
  [{ $lookup: { from: 'c', as: null, localField: 'a', foreignField: 'b' } }, 40414],
  [{ $lookup: { from: 'c', as: 'd', localField: '', foreignField: 'b' } }, 9],
  [{ $lookup: { from: 'c', as: 'd', localField: 1, foreignField: 'b' } }, 14],
  [{ $lookup: { from: { db: 'd', coll: 'c' }, as: 'd', localField: 'a', foreignField: 'b' } }, 9],
  [{ $lookup: { from: '.c', as: 'd', localField: 'a', foreignField: 'b' } }, 73],
  [{ $lookup: { as: 'd', localField: 'a', foreignField: 'b' } }, 9],
  [{ $lookup: { as: 'd', pipeline: [{ $match: {} }, { $documents: [] }] } }, 9],
  [{ $lookup: { as: 'd', pipeline: [{ $documents: [] }, { $documents: [] }] } }, 40602],
  [{ $lookup: { from: 'c', as: 'd', pipeline: [{ $documents: [] }] } }, 73],
  [{ $lookup: { from: 'c', as: 'd', localField: 'a', foreignField: 'b', pipeline: [{ $collStats: {} }] } }, 40602],
  [{ $lookup: { from: 'c', as: 'd', pipeline: [{ $currentOp: {} }] } }, 73],
  [{ $lookup: { from: 'c', as: 'd', pipeline: [{ $match: {} }, { $match: { $or: [{ $text: {} }] } }] } }, 17313],
  [{ $lookup: { from: 'c', as: 'd', localField: 'a.'.repeat(200) + 'a', foreignField: 'b' } }, 15],
  [lookups(21), 232],
  [{ $facet: { a: [{ $lookup: { from: 'c', as: 'd', pipeline: [{ $facet: { b: [] } }] } }] } }, 40600],
  [{ $facet: { a: [{ $unionWith: { coll: 'c', pipeline: [{ $indexStats: {} }] } }] } }, 40600],
  [{ $facet: { a: [{ $unionWith: { coll: 'c', pipeline: [{ $out: 'd' }] } }] } }, 31441],
  [{ $lookup: { from: 'c', as: 'd', let: { _a: 1 }, pipeline: [] } }, 9],
  [{ $lookup: { from: 'c', as: 'd', let: { 'a b': 1 }, pipeline: [] } }, 9],
  [{ $group: { _id: 1, n: { $firstN: { n: 0, input: '$v' } } } }, 7548606],
  [{ $group: { _id: 1, n: { $firstN: { input: '$v' } } } }, 5787906],
  [{ $group: { _id: 1, n: { $topN: { sortBy: { v: 1 }, output: '$v' } } } }, 5788003],
  [{ $group: { _id: 1, n: { $percentile: { input: '$v', p: [], method: 'approximate' } } } }, 7750301],
  [{ $group: { _id: 1, n: { $percentile: { input: '$v', p: [2], method: 'approximate' } } } }, 7750303],
  [{ $group: { _id: 1, n: { $median: { input: '$v' } } } }, 40414],
  [{ $unionWith: { coll: 'c', pipeline: [{ $out: 'd' }] } }, 31441],
  [{ $unionWith: {} }, 9],
  [{ $unionWith: { pipeline: [{ $match: {} }] } }, 9],
  [{ $unionWith: { coll: 'c', pipeline: [{ $documents: [] }] } }, 73],
  [{ $unionWith: { coll: 5 } }, 14],
  [{ $unionWith: '' }, 73],
  [{ $limit: Decimal128.fromString('1E-6176') }, 5107201],
  [{ $skip: Decimal128.fromString('1.0000000000000000000000000001') }, 5107200],
  [{ $sort: { 'a.': 1 } }, 40353],
  [{ $sort: { 'a..b': 1 } }, 15998],
  [{ $unwind: '$' }, 40352],
  [{ $unwind: '$$NOW' }, 16410],
  [{ $unwind: '$a.' }, 40353],
  [{ $unwind: '$a.$b' }, 16410],
  [{ $unwind: { path: '$a', includeArrayIndex: 'b.' } }, 40353],
  [{ $setWindowFields: { output: { $n: { $sum: 1 } } } }, 16410],
  [{ $setWindowFields: { output: { 'n.': { $sum: 1 } } } }, 40353],
  [{ $setWindowFields: { output: { n: { $sum: 1 }, 'n.a': { $sum: 1 } } } }, 6307900],
  [{ $graphLookup: { ...graph, as: '$r' } }, 16410],
  [{ $graphLookup: { ...graph, depthField: '$d' } }, 16410],
  [{ $graphLookup: { ...graph, connectFromField: '$a' } }, 16410],
  [{ $graphLookup: { ...graph, connectToField: 'a.' } }, 40353],
  [{ $graphLookup: { ...graph, from: null } }, 9],
  [{ $graphLookup: { ...graph, maxDepth: 1.5 } }, 40102],
  [{ $graphLookup: { ...graph, maxDepth: 'a' } }, 40100],
  [{ $graphLookup: { ...graph, restrictSearchWithMatch: 'a' } }, 40185],
])('the stage %j is refused with %d', (stage, code) => {
  expect(() => compilePipeline(read([stage]))).toThrow(expect.objectContaining({ code }));
});

test('stages without a collection are refused with 40600 in a $facet', () => {
  const pipeline = read([{ $facet: { a: [{ $match: {} }], b: [{ $currentOp: {} }] } }]);
  expect(() => compilePipeline(pipeline, { depth: null })).toThrow(expect.objectContaining({ code: 40600 }));
});

test.each<readonly [what: string, read: () => void, code: number]>([
  ['a sort', () => compilePipeline(Arr.of([Doc.of(['$sort'], [Doc.of(['a', 'a'], [1, 1])])])), 7472500],
  ['a target', () => parseTarget('$out', Doc.of(['db', 'coll', 'db'], ['d', 'c', 'd']), 'd', {}), 40413],
])('%s with a field twice is refused', (_, compile, code) => {
  expect(compile).toThrow(expect.objectContaining({ code }));
});

test('$documents is refused with 40602 unless it is the first stage', () => {
  expect(() => compilePipeline(read([{ $match: {} }, { $documents: [] }]))).toThrow(expect.objectContaining({ code: 40602 }));
});

test.each<readonly [stage: string, target: unknown, code: number]>([
  ['$out', { db: 'admin', coll: 'c' }, 31321],
  ['$out', { coll: 'c' }, 40414],
  ['$out', { db: null, coll: 'c' }, 40414],
  ['$out', { db: 'd', coll: null }, 40414],
  ['$out', { db: 'd', coll: 'c', timeseries: 1 }, 14],
  ['$out', { db: 'd', coll: 'c', timeseries: {} }, 40414],
  ['$out', { db: 'd', coll: 'c', timeseries: { timeField: 'a', more: 1 } }, 40415],
  ['$out', { db: 'd', coll: 'c', timeseries: { timeField: 'a', granularity: 'days' } }, 2],
  ['$out', { db: 'd', coll: 'c', timeseries: { timeField: 'a', metaField: 'a' } }, 238],
  ['$out', '$c', 20],
  ['$out', 'c'.repeat(255), 20],
  ['$out', { db: '', coll: 'c' }, 73],
  ['$merge', '', 73],
  ['$merge', {}, 40414],
  ['$merge', { into: 'c', on: '' }, 40352],
  ['$merge', { into: 'c', on: ['a.'] }, 40353],
  ['$merge', { into: '' }, 5786800],
  ['$merge', { into: { db: 'd' } }, 5786801],
  ['$merge', { into: { db: 'local', coll: 'c' } }, 31320],
  ['$merge', { into: 'system.c' }, 31319],
  ['$merge', { into: 'c', on: 1 }, 51186],
  ['$merge', { into: 'c', on: [] }, 51187],
  ['$merge', { into: 'c', on: [1] }, 51134],
  ['$merge', { into: 'c', on: ['a', 'a'] }, 31465],
  ['$merge', { into: 'c', whenMatched: null }, 51191],
  ['$merge', { into: 'c', whenMatched: 'delete' }, 2],
  ['$merge', { into: 'c', whenMatched: 'fail', whenNotMatched: 'discard' }, 51181],
  ['$merge', { into: 'c', whenMatched: [], let: { new: 1 } }, 51273],
  ['$merge', { into: 'c', whenMatched: [], let: { Old: 1 } }, 9],
])('%s to %j is refused with %d', (stage, given, code) => {
  expect(() => parseTarget(stage, read(given), 'd', {})).toThrow(expect.objectContaining({ code }));
});
