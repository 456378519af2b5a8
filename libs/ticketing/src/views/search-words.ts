/** Names of the event fields with people's words or names of things: searches look in these, wherever in an event they are. */
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

/** Longer words are cut, both here and in queries: nobody types more, and index keys have limited size. */
const LONGEST_WORD = 40;
/** Distinct words stored per ticket: some 50 pages of prose. Later ones are not found. */
const MOST_WORDS = 5_000;

/**
 * Letters are the same if they are equal at the primary level of the Unicode collation. English has no rules of its own there, so this is
 * the root collation on every machine: `é`, `å`, `ø`, `ё` are variants of `e`, `a`, `o`, `е`; `й`, `ŋ`, `þ` and the vowel signs of
 * Devanagari or Thai are separate letters.
 */
const { compare } = new Intl.Collator('en', { sensitivity: 'base' });

/** Letters and digits that have variants without a decomposition (`ł`, `ø`, `æ`, `٤`, `サ`, `ך`). */
const PLAIN = [
  ...[...'0123456789abcdefghijklmnopqrstuvwxyzгоכמנפצاونيی'],
  ...['ae', 'oe'],
  ...[...'あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわゐゑをん'],
];

/**
 * Scripts without spaces between words, and Hangul, which joins particles to them. `Script_Extensions` includes characters that several of
 * them share, such as the long vowel ー.
 */
const UNSPACED = new RegExp(
  `[${[
    ...['Han', 'Hiragana', 'Katakana', 'Bopomofo', 'Hangul', 'Yi', 'Thai', 'Lao', 'Khmer', 'Myanmar', 'Tai_Le', 'New_Tai_Lue'],
    ...['Tai_Tham', 'Tai_Viet', 'Ahom', 'Javanese', 'Balinese'],
  ]
    .map((script) => `\\p{Script_Extensions=${script}}`)
    .join('')}]`,
  'u',
);
const DECOMPOSES_TO_LETTERS = /\p{Script=Hangul}/u;

/** The other scripts in use: a word ends where one of them changes to another. */
const SPACED = [
  ...['Latin', 'Cyrillic', 'Greek', 'Arabic', 'Hebrew', 'Devanagari', 'Armenian', 'Georgian', 'Bengali', 'Gurmukhi', 'Gujarati', 'Oriya'],
  ...['Tamil', 'Telugu', 'Kannada', 'Malayalam', 'Sinhala', 'Tibetan', 'Ethiopic', 'Mongolian', 'Syriac', 'Thaana', 'Nko', 'Adlam'],
  ...['Tifinagh', 'Vai', 'Ol_Chiki', 'Meetei_Mayek', 'Canadian_Aboriginal', 'Cherokee', 'Osage', 'Sundanese', 'Limbu', 'Lepcha', 'Cham'],
].map((name) => ({ name, script: new RegExp(`\\p{Script=${name}}`, 'u') }));

type Kind = 'digits' | 'unspaced' | (string & {});

/** Part of a word: a run of digits, a run of letters of one script, or a single sign of an unspaced script. */
interface Part {
  readonly text: string;
  readonly kind: Kind;
}

const MARK = /\p{M}/u;
/** A letter or digit with its marks; marks alone at the beginning. Plain letters and plain digits are matched in runs, which is faster. */
const CLUSTER = /(?<letters>[a-zA-Z]+(?!\p{M}))|(?<digits>[0-9]+(?!\p{M}))|[\p{L}\p{N}]\p{M}*|\p{M}+/gu;

const folded = new Map<string, Part>();
/** Beyond this number the cache is cleared, so no text can fill the memory. */
const MOST_FOLDED = 20_000;

/** A cluster in searchable form; empty if it means nothing by itself. */
function fold(cluster: string): Part {
  const known = folded.get(cluster);
  if (known !== undefined) return known;
  if (folded.size >= MOST_FOLDED) folded.clear();
  let text = '';
  for (const sign of DECOMPOSES_TO_LETTERS.test(cluster) ? cluster : foldCase(cluster).normalize('NFD')) {
    const next = MARK.test(sign) ? sign : plain(sign);
    if (compare(text + next, text) !== 0) text += next;
  }
  text = text.normalize('NFC');
  const part = { text, kind: kindOf(text) };
  folded.set(cluster, part);
  return part;
}

/** Full case folding, which JavaScript lacks: `ß`, `ẞ` and `SS` are `ss`, `ς` is `σ`. A dotless `ı` has the capital of another letter. */
function foldCase(cluster: string): string {
  return cluster.startsWith('ı') ? cluster : cluster.toLowerCase().toUpperCase().toLowerCase();
}

function plain(sign: string): string {
  return /\p{Script=Han}/u.test(sign) ? sign : (PLAIN.find((letter) => compare(letter, sign) === 0) ?? sign);
}

function kindOf(text: string): Kind {
  if (/^\p{Nd}/u.test(text)) return 'digits';
  if (UNSPACED.test(text)) return 'unspaced';
  if (/^\p{N}/u.test(text)) return 'digits';
  return SPACED.find(({ script }) => script.test(text))?.name ?? 'other';
}

/** The runs of a text: parts without a space, a sign or a change of script between them. */
function wordRuns(text: string): readonly (readonly Part[])[] {
  const all: Part[][] = [];
  let end = -1;
  for (const { 0: cluster, index, groups } of normalized(text).matchAll(CLUSTER)) {
    const next: Part =
      groups?.['letters'] !== undefined
        ? { text: cluster.toLowerCase(), kind: 'Latin' }
        : groups?.['digits'] !== undefined
          ? { text: cluster, kind: 'digits' }
          : fold(cluster);
    const together = index === end;
    end = index + cluster.length;
    if (next.text === '') continue;
    const parts = next.kind === 'unspaced' ? [...next.text].map((sign) => ({ text: sign, kind: next.kind })) : [next];
    const run = all.at(-1);
    const last = together ? run?.at(-1) : undefined;
    if (run === undefined || last === undefined || !belong(last, next)) all.push(parts);
    else if (last.kind === next.kind && next.kind !== 'unspaced') run[run.length - 1] = { text: last.text + next.text, kind: last.kind };
    else run.push(...parts);
  }
  return all.map((run) => run.map(({ text: whole, kind }) => ({ text: cut(whole), kind })));
}

function belong(one: Part, other: Part): boolean {
  if (one.kind === other.kind) return true;
  return one.kind !== 'unspaced' && other.kind !== 'unspaced' && (one.kind === 'digits' || other.kind === 'digits');
}

/**
 * Without characters that nobody sees or types, such as soft hyphens and joiners; symbols that stand for words (`™`, `㍿`) are separated.
 */
function normalized(text: string): string {
  return text
    .replace(/\p{So}/gu, ' $& ')
    .normalize('NFKC')
    .replace(/\u200b/g, (_, at: number, whole: string) => (UNSPACED.test(whole[at - 1] ?? '') ? '' : ' '))
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '');
}

function cut(word: string): string {
  return word.length <= LONGEST_WORD ? word : [...word].slice(0, LONGEST_WORD).join('');
}

function pairs(run: readonly Part[]): readonly string[] {
  return run.slice(1).map(({ text }, index) => cut((run[index]?.text ?? '') + text));
}

/**
 * The words that a text is found by: each of its parts, and each two adjacent ones. `Zurück` is `zuruck`; `0x709` is `0`, `x`, `709`, `0x`
 * and `x709`; `落ちた` is its three signs and the pairs `落ち` and `ちた`.
 */
export function searchWords(text: string): readonly string[] {
  return [...new Set(wordRuns(text).flatMap((run) => [...run.map((part) => part.text), ...pairs(run)]))];
}

/** The words that every text containing the query has: the pairs of adjacent parts, in order. */
export function wordsAskedFor(asked: string): readonly string[] {
  return [...new Set(wordRuns(asked).flatMap((run) => (run.length > 1 ? pairs(run) : run.map(({ text }) => text))))];
}

/** The known words with those of an event's data. The same list if it adds none. */
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
