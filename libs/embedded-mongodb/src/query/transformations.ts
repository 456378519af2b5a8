import { checkFieldPath } from '../bson/paths.js';
import { isNumber, isTrue, numberOf } from '../bson/order.js';
import { Arr, bsonTypeName, Doc, fieldNames, omitted, picked, show, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { compileExpression, isExpression, withVariables } from './expressions/expressions.js';
import type { Evaluate, Variables } from './expressions/scope.js';
import { compileFilter, parseFilter, type Filter } from './filter.js';
import { checkMetaName } from './metadata.js';
import { compilePosition } from './positions.js';

/** A transformation of documents, as by `$project`, `$addFields` and others. */
export type Transformation = (doc: Doc, variables: Variables) => Doc;

type Special = (value: Value | undefined, doc: Doc) => Value | undefined;
type Node =
  | { readonly kind: 'keep' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'compute'; readonly evaluate: Evaluate }
  /** `$slice` and `$elemMatch` of a find projection: computed from the field's own value. */
  | { readonly kind: 'special'; readonly make: Special }
  | { readonly kind: 'tree'; readonly children: Map<string, Node> };

const isComputed = (node: Node): boolean =>
  node.kind === 'compute' || (node.kind === 'tree' && [...node.children.values()].some(isComputed));

const place = (tree: Map<string, Node>, path: string, node: Node, whole: string): void => {
  if (path === whole) checkFieldPath(path);
  const dot = path.indexOf('.');
  const name = dot < 0 ? path : path.slice(0, dot);
  const known = tree.get(name);
  if (dot < 0) {
    if (known) throw new ServerError(31250, `Path collision at ${whole}`);
    tree.set(name, node);
    return;
  }
  if (known && known.kind !== 'tree') throw new ServerError(31249, `Path collision at ${whole} remaining portion ${path.slice(dot + 1)}`);
  const below = known ?? { kind: 'tree' as const, children: new Map<string, Node>() };
  if (!known) tree.set(name, below);
  place(below.children, path.slice(dot + 1), node, whole);
};

const reach = (value: Value, children: Map<string, Node>, including: boolean, context: Context): Value | undefined => {
  if (value instanceof Doc) return including ? including_(value, children, context) : excluding(value, children, context);
  if (value instanceof Arr) {
    const values = value.values.map((element) => reach(element, children, including, context)).filter((element) => element !== undefined);
    return Arr.of(values);
  }
  if (including) return [...children.values()].some(isComputed) ? including_(Doc.empty, children, context) : undefined;
  return value;
};

type Context = { readonly root: Doc; readonly variables: Variables };

const including_ = (doc: Doc, children: Map<string, Node>, context: Context): Doc => {
  const keys: string[] = [];
  const values: Value[] = [];
  const add = (key: string, value: Value | undefined): void => {
    if (value === undefined) return;
    keys.push(key);
    values.push(value);
  };
  doc.keys.forEach((key, index) => {
    const node = children.get(key);
    const value = doc.values[index] as Value;
    if (!node || node.kind === 'drop' || node.kind === 'compute') return;
    add(
      key,
      node.kind === 'keep' ? value : node.kind === 'special' ? node.make(value, context.root) : reach(value, node.children, true, context),
    );
  });
  for (const [key, node] of children) {
    if (node.kind === 'compute') add(key, node.evaluate(context.root, context.variables));
    else if (node.kind === 'tree' && isComputed(node) && !doc.has(key)) add(key, including_(Doc.empty, node.children, context));
  }
  return Doc.of(keys, values);
};

const excluding = (doc: Doc, children: Map<string, Node>, context: Context): Doc => {
  const keys: string[] = [];
  const values: Value[] = [];
  doc.keys.forEach((key, index) => {
    const node = children.get(key);
    const value = doc.values[index] as Value;
    let fresh: Value | undefined = value;
    if (node?.kind === 'drop' || node?.kind === 'compute') fresh = undefined;
    else if (node?.kind === 'special') fresh = node.make(value, context.root);
    else if (node?.kind === 'tree') fresh = reach(value, node.children, false, context);
    if (fresh === undefined) return;
    keys.push(key);
    values.push(fresh);
  });
  return Doc.of(keys, values);
};

/** `$addFields`: fields keep their places, new ones come last. */
const adding = (value: Value | undefined, children: Map<string, Node>, context: Context): Value => {
  if (value instanceof Arr) return Arr.of(value.values.map((element) => adding(element, children, context)));
  let doc = value instanceof Doc ? value : Doc.empty;
  for (const [key, node] of children) {
    if (node.kind === 'tree') doc = doc.with(key, adding(doc.get(key), node.children, context));
    else if (node.kind === 'compute') {
      const fresh = node.evaluate(context.root, context.variables);
      doc = fresh === undefined ? doc.without(key) : doc.with(key, fresh);
    }
  }
  return doc;
};

const withRoot = (doc: Doc, variables: Variables): Context => ({ root: doc, variables: { ...variables, ROOT: doc, CURRENT: doc } });

const compileAddFields = (spec: Value, name: string): Transformation => {
  if (!(spec instanceof Doc)) throw new ServerError(40272, `${name} specification stage must be an object, got ${bsonTypeName(spec)}`);
  const tree = new Map<string, Node>();
  const collect = (doc: Doc, before: string): void =>
    doc.keys.forEach((key, index) => {
      const value = doc.values[index] as Value;
      if (before && key.includes('.'))
        throw new ServerError(40183, `Invalid ${name} :: caused by :: cannot use dotted field name '${key}' in a sub object`);
      const path = before + key;
      if (value instanceof Doc && value.size > 1 && value.keys.some((one) => one.startsWith('$')))
        throw new ServerError(
          40181,
          `Invalid ${name} :: caused by :: an expression specification must contain exactly one field, the name of the expression: ${show(value)}`,
        );
      if (value instanceof Doc && value.size && !(value.keys[0] as string).startsWith('$')) return collect(value, `${path}.`);
      try {
        place(tree, path, { kind: 'compute', evaluate: compileExpression(value) }, path);
      } catch (error) {
        if (error instanceof ServerError && (error.code === 31249 || error.code === 31250))
          throw new ServerError(40176, `Invalid ${name} :: caused by :: specification contains two conflicting paths: ${path}`);
        throw error;
      }
    });
  collect(spec, '');
  return (doc, variables) => adding(doc, tree, withRoot(doc, variables)) as Doc;
};

const compileReplaceRoot = (expression: Value, name: string): Transformation => {
  const evaluate = compileExpression(expression);
  return (doc, variables) => {
    const value = evaluate(doc, { ...variables, ROOT: doc, CURRENT: doc });
    if (!(value instanceof Doc))
      throw new ServerError(
        40228,
        `'${name === '$replaceWith' ? 'replacement document' : 'newRoot'}' expression must evaluate to an object, but resulting value was: ${show(value)}. Type of resulting value: '${bsonTypeName(value)}'.`,
      );
    return value;
  };
};

/** Compiles a stage that transforms each document on its own. */
export const compileTransformation = (name: string, spec: Value): Transformation => {
  switch (name) {
    case '$addFields':
    case '$set':
      return compileAddFields(spec, name);
    case '$project':
      if (!(spec instanceof Doc)) throw new ServerError(15969, '$project specification must be an object');
      if (!spec.size)
        throw new ServerError(51272, 'Invalid $project :: caused by :: projection specification must have at least one field');
      return compileProjection(spec);
    case '$unset': {
      const paths = spec instanceof Arr ? spec.values : [spec];
      if (!paths.length) throw new ServerError(31119, '$unset specification must be a string or an array with at least one field');
      if (!paths.every((path) => typeof path === 'string'))
        throw new ServerError(
          spec instanceof Arr ? 31120 : 31002,
          `$unset specification must be a string or an array containing only string values`,
        );
      if (paths.some((path) => path.includes('\0'))) throw new ServerError(9527900, '$unset: a path cannot contain an embedded null byte');
      const tree = new Map<string, Node>();
      for (const path of paths) place(tree, path, { kind: 'drop' }, path);
      return (doc, variables) => excluding(doc, tree, { root: doc, variables });
    }
    case '$replaceRoot': {
      if (!(spec instanceof Doc))
        throw new ServerError(40229, `expected an object as specification for $replaceRoot stage, got ${bsonTypeName(spec)}`);
      const root = spec.get('newRoot');
      if (root === undefined) throw new ServerError(40414, `BSON field '$replaceRoot.newRoot' is missing but a required field`);
      for (const key of spec.keys)
        if (key !== 'newRoot') throw new ServerError(40415, `BSON field '$replaceRoot.${key}' is an unknown field.`);
      return compileReplaceRoot(root, name);
    }
    case '$replaceWith':
      return compileReplaceRoot(spec, name);
  }
  throw new ServerError(40324, `Unrecognized pipeline stage name: '${name}'`);
};

/** The `$slice` of a find projection; undefined if its operand is only valid for the expression of that name. */
const sliceProjection = (operand: Value): Special | undefined => {
  const part = operand instanceof Arr ? operand.values : [operand];
  if (!part.every(isNumber) || (operand instanceof Arr && part.length !== 2)) return undefined;
  const [first, second] = part.map((value) => Math.trunc(numberOf(value)) || 0) as [number, number?];
  if (second !== undefined && second <= 0) return undefined;
  return (value) => {
    if (!(value instanceof Arr)) return value;
    if (second === undefined) return Arr.of(first >= 0 ? value.values.slice(0, first) : value.values.slice(first));
    const start = first >= 0 ? first : Math.max(0, value.length + first);
    return Arr.of(value.values.slice(start, start + second));
  };
};

const NEAR = ['$near', '$nearSphere', '$geoNear'];

/** Refuses operators that a query of a collection may have, but not a projection of an element. */
const refuseWithin = (value: Value): void => {
  if (value instanceof Arr) value.values.forEach(refuseWithin);
  if (!(value instanceof Doc)) return;
  for (const key of value.keys) {
    if (NEAR.includes(key)) throw new ServerError(5626500, '$geoNear, $near, and $nearSphere are not allowed in this context');
    if (key === '$jsonSchema') throw new ServerError(224, '$jsonSchema is not allowed in this context');
    if (key === '$text') throw badValue('$text is not allowed in this context');
  }
  value.values.forEach(refuseWithin);
};

const elemMatchProjection = (operand: Value, variables: Variables): Special => {
  if (!(operand instanceof Doc))
    throw new ServerError(31274, `elemMatch: Invalid argument, object required, but got ${bsonTypeName(operand)}`);
  refuseWithin(operand);
  const test = compileFilter(parseFilter(Doc.of(['array'], [Doc.of(['$elemMatch'], [operand])]), variables));
  return (value) => {
    if (!(value instanceof Arr)) return undefined;
    const element = value.values.find((candidate) => test(Doc.of(['array'], [Arr.of([candidate])])));
    return element === undefined ? undefined : Arr.of([element]);
  };
};

/**
 * Compiles a projection.
 *
 * @param find the query of a find command, in which `$slice`, `$elemMatch` and the positional `$` have their projection meaning
 * @throws ServerError 31253, 31254 if inclusion and exclusion are mixed, 31249, 31250 if paths collide
 */
export const compileProjection = (spec: Doc, find?: { readonly filter: Filter; readonly variables: Variables }): Transformation => {
  const tree = new Map<string, Node>();
  let mode: 'including' | 'excluding' | undefined;
  let id: boolean | undefined;
  let positional: string | undefined;
  let picking = false;
  const choose = (wanted: 'including' | 'excluding', path: string): void => {
    if (mode && mode !== wanted)
      throw wanted === 'including'
        ? new ServerError(31253, `Cannot do inclusion on field ${path} in exclusion projection`)
        : new ServerError(31254, `Cannot do exclusion on field ${path} in inclusion projection`);
    mode = wanted;
  };
  const checkPositional = (path: string, value: Value): void => {
    if (!find) throw new ServerError(31324, 'Cannot use positional projection in aggregation projection');
    if (positional !== undefined) throw new ServerError(31276, 'Cannot specify more than one positional projection per query.');
    if (picking) throw new ServerError(31256, 'Cannot specify positional operator and $elemMatch.');
    if (value instanceof Doc) throw new ServerError(31271, 'positional projection cannot be used with an expression or sub object');
    if (!isNumber(value) && typeof value !== 'boolean') throw new ServerError(31308, 'positional projection cannot be used with a literal');
    if (!isTrue(value)) throw new ServerError(31395, 'positional projection cannot be used with exclusion');
    if (asksExpression(find.filter))
      throw new ServerError(224, `$expr is not supported in a query with a positional projection: '${path}.$'`);
  };
  const visit = (doc: Doc, before: string): void =>
    doc.keys.forEach((key, index) => {
      const value = doc.values[index] as Value;
      let path = before + key;
      if (path.endsWith('.$')) {
        path = path.slice(0, -2);
        checkPositional(path, value);
        positional = path;
      } else if (find && path.includes('.$.'))
        throw new ServerError(
          31394,
          `As of 4.4, it's illegal to specify positional operator in the middle of a path.Positional projection may only be used at the end, for example: a.b.$.`,
        );
      if (isNumber(value) || typeof value === 'boolean') {
        const included = isTrue(value);
        if (path === '_id') {
          id = included;
          return;
        }
        choose(included ? 'including' : 'excluding', path);
        place(tree, path, { kind: included ? 'keep' : 'drop' }, path);
        return;
      }
      if (value instanceof Doc) {
        const first = value.keys[0];
        if (first === undefined) throw new ServerError(51270, `An empty sub-projection is not a valid value. Found empty object at path`);
        if (find && (first === '$slice' || first === '$elemMatch') && value.size === 1) {
          const operand = value.values[0] as Value;
          if (first === '$elemMatch') {
            if (checkFieldPath(path).length > 1) throw new ServerError(31275, 'Cannot use $elemMatch projection on a nested field');
            if (positional !== undefined) throw new ServerError(31255, 'Cannot specify positional operator and $elemMatch.');
            picking = true;
            choose('including', path);
            place(tree, path, { kind: 'special', make: elemMatchProjection(operand, find.variables) }, path);
            return;
          }
          // A $slice does not decide between inclusion and exclusion, and is the expression if it cannot be anything else.
          const make = sliceProjection(operand);
          if (make && path !== positional) {
            place(tree, path, { kind: 'special', make }, path);
            return;
          }
        }
        // A $meta does not decide between inclusion and exclusion either.
        if (first === '$meta' && value.size === 1) {
          checkMetaName(value.values[0] as Value);
          place(tree, path, { kind: 'drop' }, path);
          return;
        }
        // An operator stands alone: with several fields, none can begin with a $.
        if (value.size > 1) checkFieldPath(first);
        if (!first.startsWith('$')) {
          visit(value, `${path}.`);
          return;
        }
        if (!isExpression(first)) throw new ServerError(31325, `Invalid $project :: caused by :: Unknown expression ${first}`);
      }
      if (mode === 'excluding')
        throw new ServerError(
          value instanceof Doc ? 31252 : 31310,
          `Cannot use an expression ${path}: ${show(value)} in an exclusion projection`,
        );
      choose('including', path);
      if (path === '_id') id = undefined;
      place(tree, path, { kind: 'compute', evaluate: compileExpression(value) }, path);
    });
  withVariables(Object.keys(find?.variables ?? {}), () => visit(spec, ''));
  // If nothing else decides, the sign of _id does; with only $slice, everything else stays.
  const including = mode ? mode === 'including' : id === true;
  if (including && !tree.has('_id') && id !== false) tree.set('_id', { kind: 'keep' });
  if (!including && id === false) tree.set('_id', { kind: 'drop' });
  if (including && positional === undefined && [...tree.values()].every(({ kind }) => kind === 'keep')) {
    const names = fieldNames(tree.keys());
    return (doc) => picked(doc, names);
  }
  if (!including && positional === undefined && [...tree.values()].every(({ kind }) => kind === 'drop')) {
    const names = fieldNames(tree.keys());
    return (doc) => omitted(doc, names);
  }
  const project: Transformation = (doc, variables) => {
    const context = withRoot(doc, variables);
    return including ? including_(doc, tree, context) : excluding(doc, tree, context);
  };
  if (positional === undefined || !find) return project;
  const parts = positional.split('.');
  const position = compilePosition(find.filter);
  return (doc, variables) => project(onlyElement(doc, parts, 0, () => position(doc)) as Doc, variables);
};

/** Keeps only one element of the first array on a path; a document without an array there is unchanged. */
const onlyElement = (
  value: Value | undefined,
  parts: readonly string[],
  at: number,
  position: () => number | undefined,
): Value | undefined => {
  if (value instanceof Arr) {
    const index = position();
    if (index === undefined)
      throw new ServerError(
        51246,
        "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array",
      );
    const element = value.values[index];
    if (element === undefined)
      throw new ServerError(51247, "Executor error during find command :: caused by :: positional operator '.$' element mismatch");
    return Arr.of([element]);
  }
  if (!(value instanceof Doc) || at === parts.length) return value;
  const inner = onlyElement(value.get(parts[at] as string), parts, at + 1, position);
  return inner === undefined ? value : value.with(parts[at] as string, inner);
};

const asksExpression = (filter: Filter): boolean =>
  filter.op === 'document'
    ? filter.name === '$expr'
    : filter.op === 'not'
      ? asksExpression(filter.of)
      : 'of' in filter && filter.of.some(asksExpression);
