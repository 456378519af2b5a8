import { type Fault, type Instant, parseInstant } from '#eventsourcing';

/** One parameter of a query: parsing and documentation. */
export interface Parameter<Value> {
  /** Undefined if the text breaks the rule. @param zone the one given in the query; default: UTC */
  readonly parse: (text: string, zone?: string) => Value | undefined;
  /** Message for invalid text: `must be …`. */
  readonly rule: string;
  readonly description: string;
  /** JSON Schema of the text. */
  readonly schema: object;
  /** For the start of a period: the parameter with its end, which must not be earlier. */
  readonly until?: string;
  /** Its value is the zone for reading the others. */
  readonly isZone?: true;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

/** The values of a query: any parameter may be absent. */
export type QueryOf<Declared extends Parameters> = {
  readonly [Name in keyof Declared]?: Declared[Name] extends Parameter<infer Value> ? Value : never;
};

export function wholeNumber(
  description: string,
  { min, max, fallback }: { readonly min: number; readonly max: number; readonly fallback?: number },
): Parameter<number> {
  return {
    parse: (text) => (/^\d{1,16}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined),
    rule: `must be a whole number from ${min} to ${max}`,
    description,
    schema: { type: 'integer', minimum: min, maximum: max, ...(fallback === undefined ? {} : { default: fallback }) },
  };
}

export function oneOf<Word extends string>(words: readonly Word[], description: string): Parameter<Word> {
  return {
    parse: (text) => words.find((word) => word === text),
    rule: `must be one of ${words.join(', ')}`,
    description,
    schema: { type: 'string', enum: [...words] },
  };
}

/** Words separated by commas. */
export function someOf<Word extends string>(words: readonly Word[], description: string): Parameter<readonly Word[]> {
  const known: ReadonlySet<string> = new Set(words);
  return {
    parse: (text) => {
      const named = [...new Set(text.split(','))];
      return named.every((word): word is Word => known.has(word)) ? named : undefined;
    },
    rule: `must be some of ${words.join(', ')}, with commas between them`,
    description,
    schema: { type: 'string', pattern: `^(${words.join('|')})(,(${words.join('|')}))*$` },
  };
}

export function text(description: string, { max = 200 }: { readonly max?: number } = {}): Parameter<string> {
  return {
    parse: (given) => (given.length > 0 && given.length <= max && !/[\0\p{Surrogate}]/u.test(given) ? given : undefined),
    rule: `must be text of 1 to ${max} characters`,
    description,
    schema: { type: 'string', minLength: 1, maxLength: max },
  };
}

export function flag(description: string): Parameter<boolean> {
  return {
    parse: (given) => (given === 'true' ? true : given === 'false' ? false : undefined),
    rule: 'must be true or false',
    description,
    schema: { type: 'boolean' },
  };
}

export function dateTime(description: string): Parameter<Instant> {
  return {
    parse: parseInstant,
    rule: 'must be an ISO 8601 date-time with an offset, such as 2026-11-21T10:00:00Z (a + is written %2B)',
    description,
    schema: { type: 'string', format: 'date-time' },
  };
}

/**
 * The values of a query, and the faults of all others. Unknown and repeated parameters are faults, and so are periods that end before they
 * begin.
 */
export function readParameters<Declared extends Parameters>(
  declared: Declared,
  query: unknown,
): { readonly values: QueryOf<Declared>; readonly faults: readonly Fault[] } {
  const faults: Fault[] = [];
  const values: Record<string, unknown> = {};
  const all = (query ?? {}) as Record<string, unknown>;
  const [nameOfZone, zoneParameter] = Object.entries(declared).find(([, { isZone }]) => isZone) ?? [];
  const named = nameOfZone !== undefined && Object.hasOwn(all, nameOfZone) ? all[nameOfZone] : undefined;
  const zone = typeof named === 'string' ? zoneParameter?.parse(named) : undefined;
  for (const [name, given] of Object.entries(all)) {
    const parameter = Object.hasOwn(declared, name) ? declared[name] : undefined;
    const field = name.slice(0, 100);
    if (parameter === undefined) {
      const known = Object.keys(declared);
      faults.push({
        field,
        message: known.length === 0 ? 'is not known: there are no parameters here' : `is not known: there are ${known.join(', ')}`,
      });
    } else if (typeof given !== 'string') {
      faults.push({ field, message: 'must be text, given once' });
    } else {
      const value = parameter.parse(given, typeof zone === 'string' ? zone : undefined);
      if (value === undefined) faults.push({ field, message: parameter.rule });
      else if (!parameter.isZone) values[name] = value;
    }
  }
  for (const [field, { until }] of Object.entries(declared)) {
    const [begin, end] = [values[field], until === undefined ? undefined : values[until]];
    if (begin !== undefined && end !== undefined && (begin as Instant) > (end as Instant))
      faults.push({ field, message: `must not be after ${until}` });
  }
  return { values: values as QueryOf<Declared>, faults: faults.slice(0, 100) };
}
