import { compareText, isNumber, numberOf, type CompareText } from '../bson/order.js';
import { Decimal128, doubleOfDecimal, roundDecimal, unpack } from '../bson/decimal128.js';
import { Arr, bsonTypeName, Doc, show, SymbolText, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';

/** How strings compare if not by their bytes. */
export type Collation = {
  /** All of its settings, as listed by a server. */
  readonly spec: Doc;
  readonly compare: CompareText;
};

/** No collation is the simple one: strings compare by their bytes. */
export const sameCollation = (a: Collation | undefined, b: Collation | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && show(a.spec) === show(b.spec));

let current: Collation | undefined;

/** Compiles something that compares strings under a collation. */
export const withCollation = <Result>(collation: Collation | undefined, compile: () => Result): Result => {
  const before = current;
  current = collation;
  try {
    return compile();
  } finally {
    current = before;
  }
};

/** The collation under which something is being compiled; compiled comparisons keep it. */
export const currentCollation = (): Collation | undefined => current;

/** Whether a comparison with a value may depend on the collation. */
export const isTextual = (value: Value): boolean =>
  typeof value === 'string' || value instanceof SymbolText || value instanceof Doc || value instanceof Arr;

/** One string for all that are equal under a collation, so that equal values have equal keys. */
export const equivalents = ({ compare }: Collation): ((text: string) => string) => {
  const known = new Map<string, string>();
  const sorted: string[] = [];
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(sorted[middle] as string, text) < 0) low = middle + 1;
      else high = middle;
    }
    let first = sorted[low];
    if (first === undefined || compare(first, text) !== 0) sorted.splice(low, 0, (first = text));
    known.set(text, first);
    return first;
  };
};

/** The version of collation data that servers report. */
const VERSION = '57.1';

const LOCALES = new Set(
  (
    'af am ar as az be bg bn bo bs bs_Cyrl ca chr cs cy da de de_AT dsb dz ee el en en_US en_US_POSIX eo es et fa fa_AF fi fil fo fr fr_CA ' +
    'ga gl gu ha haw he hi hr hsb hu hy id ig is it ja ka kk kl km kn ko kok ky lb lkt ln lo lt lv mk ml mn mr ms mt my nb ne nl nn om or ' +
    'pa pl ps pt ro ru se si sk sl smn sq sr sr_Latn sv sw ta te th to tr ug uk ur vi wae yi yo zh zh_Hant zu'
  ).split(' '),
);

/** The variants of a locale's order, with their names in Intl. */
const VARIANTS: Readonly<Record<string, string>> = {
  big5han: 'big5han',
  compat: 'compat',
  dictionary: 'dict',
  gb2312han: 'gb2312',
  phonebook: 'phonebk',
  phonetic: 'phonetic',
  reformed: 'reformed',
  search: 'search',
  searchjl: 'searchjl',
  stroke: 'stroke',
  traditional: 'trad',
  unihan: 'unihan',
  zhuyin: 'zhuyin',
};

/** Locales that sort like the root locale: with backwards accents, like `fr_CA`. */
const UNTAILORED = new Set('de de_AT en en_US fr fr_CA ga id it lb ms nl pt sw zu'.split(' '));

const FIELDS = [
  'locale',
  'caseLevel',
  'caseFirst',
  'strength',
  'numericOrdering',
  'alternate',
  'maxVariable',
  'normalization',
  'backwards',
  'version',
];

const wrongType = (key: string, value: Value, expected: string): ServerError =>
  new ServerError(14, `BSON field 'collation.${key}' is the wrong type '${bsonTypeName(value)}', expected type '${expected}'`);

const unsupported = (what: string): ServerError => new ServerError(238, `collation: ${what} is not supported by this node`);

/** A whole number as commands read it: doubles are truncated, decimals rounded half to even, NaN is 0. */
export const wholeOf = (value: Value): number => {
  const number = numberOf(value);
  if (Number.isNaN(number)) return 0;
  return value instanceof Decimal128 ? doubleOfDecimal(roundDecimal(unpack(value), 'even')) : Math.trunc(number);
};

/** The levels by which strings are compared, in order: case alone may come between accents and the rest. */
const sensitivities = (strength: number, caseLevel: boolean): readonly NonNullable<Intl.CollatorOptions['sensitivity']>[] => {
  if (strength === 1) return [caseLevel ? 'case' : 'base'];
  if (strength === 2) return caseLevel ? ['accent', 'case'] : ['accent'];
  return caseLevel ? ['accent', 'case', 'variant'] : ['variant'];
};

/**
 * Parses a collation.
 *
 * @returns undefined for the simple one
 * @throws ServerError as a server does, and 238 NotImplemented if Intl has no such setting
 */
export const parseCollation = (given: Doc): Collation | undefined => {
  for (const key of given.keys)
    if (!FIELDS.includes(key)) throw new ServerError(40415, `BSON field 'collation.${key}' is an unknown field.`);
  const at = (key: string): Value | undefined => given.get(key) ?? undefined;
  const boolean = (key: string): boolean | undefined => {
    const value = at(key);
    if (value !== undefined && typeof value !== 'boolean') throw wrongType(key, value, 'bool');
    return value;
  };
  const oneOf = <Name extends string>(key: string, values: readonly Name[]): Name | undefined => {
    const value = at(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw wrongType(key, value, 'string');
    const known = values.find((one) => one === value);
    if (known === undefined) throw badValue(`Enumeration value '${value}' for field 'collation.${key}' is not a valid value.`);
    return known;
  };
  const locale = at('locale');
  if (locale === undefined) throw new ServerError(40414, `BSON field 'collation.locale' is missing but a required field`);
  if (typeof locale !== 'string') throw wrongType('locale', locale, 'string');
  const caseLevel = boolean('caseLevel') ?? false;
  const caseFirst = oneOf('caseFirst', ['upper', 'lower', 'off'] as const);
  const strengthGiven = at('strength');
  if (strengthGiven !== undefined && !isNumber(strengthGiven)) throw wrongType('strength', strengthGiven, 'int');
  const strength = strengthGiven === undefined ? 3 : wholeOf(strengthGiven);
  if (!(strength >= 1 && strength <= 5))
    throw badValue(`Enumeration value '${String(strength)}' for field 'collation.strength' is not a valid value.`);
  const numericOrdering = boolean('numericOrdering') ?? false;
  const alternate = oneOf('alternate', ['non-ignorable', 'shifted']);
  const maxVariable = oneOf('maxVariable', ['punct', 'space']) ?? 'punct';
  const normalization = boolean('normalization') ?? false;
  if (given.get('backwards') === null) throw wrongType('backwards', null, 'bool');
  const backwards = boolean('backwards');
  const version = at('version');
  if (version !== undefined && typeof version !== 'string') throw wrongType('version', version, 'string');
  if (version !== undefined && version !== VERSION)
    throw new ServerError(161, `Requested collation version ${version} but the only available collator version was ${VERSION}`);
  if (locale === 'simple') {
    if (given.size > 1) throw badValue('If "simple" locale is specified, no other fields may be specified');
    return undefined;
  }
  const [name = '', variant, ...more] = locale.split('@collation=');
  if (!LOCALES.has(name) || more.length || (variant !== undefined && !Object.hasOwn(VARIANTS, variant)))
    throw badValue(`Field 'locale' is invalid in: ${show(given)}`);
  const french = name === 'fr_CA';
  if (backwards && strength === 1) throw badValue(`'backwards' is invalid with 'strength' of 1`);
  if (caseFirst !== undefined && caseFirst !== 'off' && !caseLevel && strength < 3)
    throw badValue(`'caseFirst' is invalid unless 'caseLevel' is on or 'strength' is greater than 2`);
  const turned = backwards !== undefined && backwards !== french;
  if (turned && (variant !== undefined || !UNTAILORED.has(name))) throw unsupported(`backwards: ${backwards} for the locale ${locale}`);
  const tag = turned ? (backwards ? 'fr-CA' : 'fr') : name.replace(/_/g, '-');
  const order = variant === undefined || variant === 'search' ? '' : `-u-co-${VARIANTS[variant] as string}`;
  const collators = sensitivities(strength, caseLevel).map(
    (sensitivity) =>
      new Intl.Collator(`${tag}${order}`, {
        usage: variant === 'search' ? 'search' : 'sort',
        sensitivity,
        numeric: numericOrdering,
        ...(caseFirst !== undefined && { caseFirst: caseFirst === 'off' ? 'false' : caseFirst }),
        ...(alternate !== undefined && { ignorePunctuation: alternate === 'shifted' }),
      }),
  );
  const [collator, ...finer] = collators as [Intl.Collator, ...Intl.Collator[]];
  const resolved = collator.resolvedOptions();
  if (resolved.locale.replace(/-u-.*/, '') !== tag || (order && resolved.collation !== VARIANTS[variant as string]))
    throw unsupported(`the locale ${locale}`);
  if (resolved.ignorePunctuation && (strength > 3 || maxVariable === 'space'))
    throw unsupported(`alternate: 'shifted' with ${strength > 3 ? `strength ${strength}` : `maxVariable: 'space'`}`);
  if (strength === 4 && name === 'ja') throw unsupported('strength 4 for the locale ja');
  const byLevels: CompareText = finer.length
    ? (a, b) => collators.reduce((found, { compare }) => found || compare(a, b), 0)
    : collator.compare;
  const compare: CompareText = strength === 5 ? (a, b) => byLevels(a, b) || compareText(a.normalize('NFD'), b.normalize('NFD')) : byLevels;
  return {
    spec: Doc.from({
      locale,
      caseLevel,
      caseFirst: caseFirst ?? (resolved.caseFirst === 'false' ? 'off' : resolved.caseFirst),
      strength,
      numericOrdering,
      alternate: resolved.ignorePunctuation ? 'shifted' : 'non-ignorable',
      maxVariable,
      normalization,
      backwards: backwards ?? french,
      version: VERSION,
    }),
    compare,
  };
};
