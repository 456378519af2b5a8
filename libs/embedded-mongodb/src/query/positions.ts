import { indexOfComponent, splitPath, visitPath, type Test } from '../bson/paths.js';
import { Arr, Doc, Regex, type Value } from '../bson/values.js';
import { badValue } from '../errors.js';
import { compileTest, type Filter, type Leaf } from './filter.js';
import type { UpdateContext } from './modifications.js';

/** Returns the index of the array element by which a document matches a query. */
export type Position = (doc: Doc) => number | undefined;

/**
 * The order in which the server evaluates the conditions of a query, whatever order they are written in: the last one that matches an array
 * element determines the position.
 */
const ORDER = ['$elemMatch', 'eq', 'lte', 'lt', 'gt', 'gte', 'regex', '$mod', 'exists', 'in', '$bits', '$type'];

const rankOf = (leaf: Leaf): number => {
  const name = leaf.op === 'compare' ? leaf.relation : leaf.op === 'test' ? leaf.name.replace(/^\$bits.*/, '$bits') : leaf.op;
  return ORDER.indexOf(name);
};

/** An `$or` of equalities on one path is one condition, and so is one with a single branch; for others, no branch is known. */
const asMembership = (of: readonly Filter[]): Filter | undefined => {
  if (of.length === 1) return of[0];
  const operands: Value[] = [];
  const [first] = of;
  for (const part of of) {
    if (!(part.op === 'regex' || (part.op === 'compare' && part.relation === 'eq')) || part.path !== (first as Leaf).path) return undefined;
    operands.push(part.op === 'regex' ? part.regex : part.operand);
  }
  const compared = of.find((part) => part.op === 'compare');
  return { op: 'in', path: (first as Leaf).path, operands, collation: compared?.collation };
};

const leavesOf = (filter: Filter): readonly Leaf[] => {
  switch (filter.op) {
    case 'and':
      return filter.of.flatMap(leavesOf);
    case 'or': {
      const one = asMembership(filter.of);
      return one ? leavesOf(one) : [];
    }
    case 'nor':
    case 'not':
    case 'always':
    case 'document':
      return [];
    case 'in': {
      const [only] = filter.operands;
      if (filter.operands.length === 1 && !(only instanceof Regex))
        return [{ ...filter, op: 'compare', relation: 'eq', operand: only as Value }];
      return [filter];
    }
    default:
      return [filter];
  }
};

const locate = (leaf: Leaf): Position => {
  const parts = splitPath(leaf.path);
  const { test, expand } = compileTest(leaf);
  const each: Test | undefined = leaf.op === 'test' && leaf.each ? leaf.each : expand ? test : undefined;
  return (doc) => {
    let current = doc;
    for (let at = 0; at < parts.length; at++) {
      const value = current.get(parts[at] as string);
      if (value instanceof Arr) {
        const { values } = value;
        const index = at + 1 === parts.length ? (each ? values.findIndex(each) : -1) : within(values, parts, at + 1, expand, test);
        return index < 0 ? undefined : index;
      }
      if (!(value instanceof Doc)) return undefined;
      current = value;
    }
    return undefined;
  };
};

/** The index of the outermost element below which a path leads to a value that passes a test. */
const within = (values: readonly Value[], parts: readonly string[], from: number, expand: boolean, test: Test): number => {
  const named = indexOfComponent(parts[from] as string);
  return values.findIndex((element, index) => {
    if (element instanceof Doc && visitPath(element, parts, from, expand, test)) return true;
    // A path that ends with the index of an element refers to that element: it determines no position.
    return index === named && from + 1 < parts.length && element instanceof Doc && visitPath(element, parts, from + 1, expand, test);
  });
};

/** Compiles the search for the position of `$`, in documents that match a query. */
export const compilePosition = (filter: Filter): Position => {
  const leaves = leavesOf(filter).toSorted((a, b) => rankOf(a) - rankOf(b) || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const positions = leaves.map(locate).toReversed();
  return (doc) => {
    for (const position of positions) {
      const index = position(doc);
      if (index !== undefined) return index;
    }
    return undefined;
  };
};

const positions = new WeakMap<Filter, Position>();

/**
 * The index of `$` in the path of an update.
 *
 * @throws ServerError 2 BadValue if the query did not find the document by an array element
 */
export const positionOf = (doc: Doc, { filter, inserting }: UpdateContext): number => {
  let position = positions.get(filter);
  if (!position) positions.set(filter, (position = compilePosition(filter)));
  const index = inserting ? undefined : position(doc);
  if (index === undefined) throw badValue('The positional operator did not find the match needed from the query.');
  return index;
};
