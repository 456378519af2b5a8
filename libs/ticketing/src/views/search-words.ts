/** Names of the event fields that hold words of people or names of things: what a search looks in, wherever in an event they are. */
const SEARCHED: ReadonlySet<string> = new Set([
  'action',
  'activity',
  'answer',
  'article',
  'caseReference',
  'category',
  'cause',
  'changeReference',
  'comment',
  'component',
  'description',
  'environment',
  'errorMessages',
  'fix',
  'location',
  'name',
  'note',
  'notReproducibleBecause',
  'outcome',
  'permanentFix',
  'question',
  'reason',
  'service',
  'stepsToReproduce',
  'summary',
  'text',
  'vendor',
  'workaround',
]);

/** Longer words are cut, here and in what is searched for: nobody types more, and indexes have keys of limited size. */
const LONGEST_WORD = 40;
/** Distinct words that are kept of one ticket: some 50 pages of prose. Later ones are not found. */
const MOST_WORDS = 5_000;

/** Scripts that put no spaces between words: each sign is a word of its own. */
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]|[\p{L}\p{N}]+/gu;

/** The words of a text as they are searched: without accents and case, so that `Zurück` is found as `zuruck`. */
export function searchWords(text: string): readonly string[] {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return [...new Set(Array.from(plain.matchAll(WORD), ([word]) => [...word].slice(0, LONGEST_WORD).join('')))];
}

/** The words that are known, and those that an event's data adds. The same list when it adds none. */
export function withWordsOf(known: readonly string[], data: unknown): readonly string[] {
  const all = new Set(known);
  for (const text of textsOf(data, false)) {
    for (const word of searchWords(text)) if (all.size < MOST_WORDS) all.add(word);
  }
  return all.size === known.length ? known : [...all];
}

function textsOf(value: unknown, searched: boolean): readonly string[] {
  if (typeof value === 'string') return searched ? [value] : [];
  if (Array.isArray(value)) return value.flatMap((item) => textsOf(item, searched));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => textsOf(item, SEARCHED.has(name)));
}
