import { createContext, Script } from 'node:vm';
import { RE2JS } from 're2js';
import { badValue, ServerError } from '../errors.js';

/**
 * Compiles a PCRE regular expression to a JavaScript one.
 *
 * @param options of `i` (case), `m` (lines), `s` (dot matches newline), `x` (extended), `u` (always on)
 * @param testing whether only a yes or no is needed, so that groups may be added and a match may begin anywhere
 * @throws ServerError 51091 if the pattern is invalid in PCRE or has no counterpart here, 51108 for an unknown option
 */
export const compileJsRegex = (pattern: string, options: string, more = '', testing = false): RegExp => {
  for (const option of options) if (!'imsxu'.includes(option)) throw new ServerError(51108, `invalid flag in regex options: ${option}`);
  if (Buffer.byteLength(pattern) > 16_384) throw invalid('regular expression is too large');
  if (pattern.includes('\0')) throw badValue('Regular expression cannot contain an embedded null byte');
  if (hasVariableLookbehind(pattern)) throw invalid('lookbehind assertion is not fixed length');
  const [verbs, leading = ''] = /^(?:\(\*(?:UTF8?|UCP)\))*(?:\(\?([imsx]+)\))?/.exec(pattern) as unknown as [string, string?];
  const set = options + leading;
  const rest = unquoted(pattern.slice(verbs.length));
  const mixed = SCOPED_CASE.test(rest);
  const source = translated(rest, set, { ucp: verbs.includes('(*UCP)'), mixed, testing });
  try {
    return new RegExp(source, (set.includes('i') && !mixed ? 'iu' : 'u') + more);
  } catch (error) {
    throw invalid((error as Error).message);
  }
};

const invalid = (reason: string): ServerError => new ServerError(51091, `Regular expression is invalid: ${reason}`);

/** Whether a lookbehind can match strings of several lengths, which JavaScript allows but PCRE does not. */
const hasVariableLookbehind = (pattern: string): boolean => {
  if (!pattern.includes('(?<')) return false;
  let depth = 0;
  /** The depth of the open lookbehind. */
  let within = 0;
  for (const [token] of pattern.matchAll(/\\[\s\S]|\[(?:\\[\s\S]|[^\]])*\]|\(\?<[=!]|\((?:\?[imsx-]*[:=!>])?|[\s\S]/g)) {
    if (token.startsWith('(')) {
      depth++;
      if (token.startsWith('(?<') && !within) within = depth;
    } else if (token === ')') {
      if (depth === within) within = 0;
      depth--;
    } else if (within && '*+?'.includes(token)) return true;
  }
  return false;
};

/** Replaces `\Q…\E`, within which nothing is special, by escapes. */
const unquoted = (pattern: string): string =>
  pattern.replace(/\\Q([\s\S]*?)(?:\\E|$)|\\[\s\S]/g, (token, quoted: string | undefined) =>
    token === '\\E' ? '' : (quoted?.replace(/[^\w\s\u0080-\uffff]/g, '\\$&') ?? token),
  );

const SPACE = ' \\t\\n\\v\\f\\r';
const VERTICAL = '\\n\\v\\f\\r\\x85\\u2028\\u2029';
/** The meaning of escaped letters within a class; PCRE considers only ASCII. */
const inClass: Readonly<Record<string, string>> = { a: '\\x07', e: '\\x1b', h: ' \\t', s: SPACE, v: VERTICAL };
const outside: Readonly<Record<string, string>> = {
  a: '\\x07',
  e: '\\x1b',
  h: '[ \\t]',
  H: '[^ \\t]',
  s: `[${SPACE}]`,
  S: `[^${SPACE}]`,
  v: `[${VERTICAL}]`,
  V: `[^${VERTICAL}]`,
  N: '[^\\n]',
  R: `(?:\\r\\n|[${VERTICAL}])`,
  A: '^',
  z: '$',
  Z: '(?=\\n?$)',
};
const posix: Readonly<Record<string, string>> = {
  digit: '0-9',
  alpha: 'A-Za-z',
  alnum: 'A-Za-z0-9',
  space: SPACE,
  upper: 'A-Z',
  lower: 'a-z',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9A-Fa-f',
  word: '\\w',
  blank: ' \\t',
};

/** With `(*UCP)` the same escapes cover all of Unicode. */
const UNICODE_SPACE = '\\p{Z}\\t\\n\\v\\f\\r\\x85';
const UNICODE_WORD = '\\p{L}\\p{N}_';
const unicodeInClass: Readonly<Record<string, string>> = { w: UNICODE_WORD, d: '\\p{Nd}', D: '\\P{Nd}', s: UNICODE_SPACE };
const unicodeOutside: Readonly<Record<string, string>> = {
  w: `[${UNICODE_WORD}]`,
  W: `[^${UNICODE_WORD}]`,
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  s: `[${UNICODE_SPACE}]`,
  S: `[^${UNICODE_SPACE}]`,
  b: `(?:(?<=[${UNICODE_WORD}])(?![${UNICODE_WORD}])|(?<![${UNICODE_WORD}])(?=[${UNICODE_WORD}]))`,
  B: `(?:(?<=[${UNICODE_WORD}])(?=[${UNICODE_WORD}])|(?<![${UNICODE_WORD}])(?![${UNICODE_WORD}]))`,
};
const unicodePosix: Readonly<Record<string, string>> = {
  ...posix,
  digit: '\\p{Nd}',
  alpha: '\\p{L}',
  alnum: '\\p{L}\\p{N}',
  space: UNICODE_SPACE,
  upper: '\\p{Lu}',
  lower: '\\p{Ll}',
  punct: '\\p{P}$+<=>\\^`|~',
  word: UNICODE_WORD,
  blank: '\\p{Zs}\\t',
};

const TOKEN =
  /\\x\{[0-9a-fA-F]{1,6}\}|\\[pP](?:\{\^?[\w&]+\}|\w)|\\k<\w+>|\\[\s\S]|\[:\^?[a-z]+:\]|\(\?#[^)]*\)|\(\?P?<[A-Za-z_]\w*>|\(\?P=\w+\)|\(\?P[=>]|\(\?>|\(\?[imsx]*(?:-[imsx]+)?[:)]|\{\d+(?:,\d*)?\}|[\s\S]/gu;

const QUANTIFIER = /^(?:[*+?]|\{\d+(?:,\d*)?\})$/;

/** Options that apply from their place to the end of the group, or within a group of their own. */
const SCOPE = /^\(\?([imsx]*)(?:-([imsx]+))?([:)])$/;
const SCOPED_CASE = /\(\?(?=[msx-]*i)[imsx-]+[:)]/;

/** The most characters of a range for which the other cases are looked up. */
const LONGEST_RANGE = 4096;
/** Characters that are ASCII letters in another case. */
const UNLIKELY: Readonly<Record<string, string>> = { k: '\u212a', K: '\u212a', s: '\u017f', S: '\u017f' };

/** The other cases of a character, as far as they are single characters. */
const otherCases = (char: string): readonly string[] => {
  if (!/^[\p{L}\p{M}\p{N}\p{S}]$/u.test(char)) return [];
  const [lower, upper] = [char.toLowerCase(), char.toUpperCase()];
  const same = new RegExp(`^\\u{${(char.codePointAt(0) as number).toString(16)}}$`, 'iu');
  const found = [lower, upper, lower.toUpperCase(), upper.toLowerCase(), UNLIKELY[char] ?? ''];
  return [...new Set(found)].filter((other) => other !== char && [...other].length === 1 && same.test(other));
};

/**
 * Translates a PCRE pattern to JavaScript (with the flag `u`): anchors, the dot and character classes get the same meaning, and what would
 * silently differ is refused.
 *
 * @param mixed whether letters match in either case only in part of the pattern. JavaScript's flag is for the whole pattern, so
 * they are written as classes there
 */
const translated = (
  pattern: string,
  given: string,
  { ucp, mixed, testing }: { readonly ucp: boolean; readonly mixed: boolean; readonly testing: boolean },
): string => {
  let options = given;
  /** For each open group: the options outside it, where it began, and whether it is atomic. */
  const outer: { readonly options: string; readonly start: number; readonly atomic: boolean }[] = [];
  let source = '';
  /** Where the latest part began that a quantifier can follow. */
  let atom = 0;
  let atomics = 0;
  /** Makes what begins at a place match in only one way, as in a lookahead. */
  const makeAtomic = (start: number): void => {
    if (!testing || /\\[1-9]/.test(pattern)) throw invalid('an atomic group is not supported by this node here');
    const name = `_atomic${++atomics}`;
    source = `${source.slice(0, start)}(?:(?=(?<${name}>${source.slice(start)}))\\k<${name}>)`;
  };
  let within = false;
  /** The first character of a class may be a literal `]`. */
  let opening = false;
  /** Where the class began, and the other cases of its members. */
  let began = 0;
  let more = '';
  let comment = false;
  const tokens = pattern.match(TOKEN) ?? [];
  for (const [at, token] of tokens.entries()) {
    const folding = mixed && options.includes('i');
    if (!within && !QUANTIFIER.test(token)) atom = source.length;
    if (comment) comment = token !== '\n';
    else if (token.startsWith('\\')) {
      if (token === '\\') throw invalid('\\ at end of pattern');
      if (token === '\\N' && tokens[at + 1] === '{') throw invalid('\\N{…} is not supported by this node');
      if (token === '\\K' && testing && !within) continue;
      if (folding && /^\\[xck1-9]/.test(token)) throw invalid(`${token} within (?i) is not supported by this node`);
      source += escaped(token, within, { ucp, folding });
      opening = false;
    } else if (within) {
      if (token === ']' && !opening) {
        within = false;
        source += more;
      }
      if (token.startsWith('[:')) {
        const members = (ucp ? unicodePosix : posix)[token.slice(2, -2)];
        if (members === undefined) throw invalid(`unknown POSIX class name ${token}`);
        source += members;
      } else if (token === '-' && (isSet(tokens[at - 1]) || isSet(tokens[at + 1]))) source += '\\-';
      else source += token === '[' || (token === ']' && opening) ? `\\${token}` : token;
      if (folding && within) {
        const from = tokens[at - 1] === '-' && at - 2 > began ? (tokens[at - 2] as string) : token;
        more += casesWithin([...from].length === 1 ? from : token, token);
      }
      opening = opening && token === '^' && source.endsWith('[^');
    } else if (token === '[') {
      within = opening = true;
      began = at;
      more = '';
      source += token;
    } else if (options.includes('x') && /^[\s#]$/.test(token)) comment = token === '#';
    // In PCRE no line begins after a final newline.
    else if (token === '^') source += options.includes('m') ? '(?<![^\\n])(?<!\\n$)' : '^';
    else if (token === '$') source += options.includes('m') ? '(?![^\\n])' : '(?=\\n?$)';
    else if (token === '.') source += options.includes('s') ? '[^]' : '[^\\n]';
    else if (token.startsWith('(?P=') && token.endsWith(')') && !folding) source += `\\k<${token.slice(4, -1)}>`;
    else if (token.startsWith('(?P=') || token === '(?P>') throw invalid(`${token} is not supported by this node`);
    else if (token === '{' || token === '}' || token === ']') source += `\\${token}`;
    else if (token.startsWith('[:')) throw invalid('POSIX named classes are supported only within a class');
    else if (token.startsWith('(?#')) continue;
    else if (SCOPE.test(token)) {
      const [, set = '', unset = '', end] = SCOPE.exec(token) as unknown as [string, string?, string?, string?];
      if (end === ':') {
        outer.push({ options, start: atom, atomic: false });
        source += '(?:';
      }
      options = [...options, ...set].filter((option) => !unset.includes(option)).join('');
    } else if (token === '(?>') {
      outer.push({ options, start: atom, atomic: true });
      source += '(?:';
    } else if (token === ')') {
      const group = outer.pop();
      source += token;
      if (!group) continue;
      ({ options, start: atom } = group);
      if (group.atomic) makeAtomic(atom);
    } else if (token === '+' && QUANTIFIER.test(tokens[at - 1] ?? '')) makeAtomic(atom);
    else {
      if (token.startsWith('(')) outer.push({ options, start: atom, atomic: false });
      const cases = folding ? otherCases(token) : [];
      source += cases.length ? `[${token}${cases.join('')}]` : token.replace('(?P<', '(?<');
    }
  }
  return source;
};

/** The other cases of the characters in a range. */
const casesWithin = (from: string, to: string): string => {
  if ([...to].length !== 1) return '';
  const [first, last] = [from.codePointAt(0) as number, to.codePointAt(0) as number];
  if (last - first >= LONGEST_RANGE) throw invalid('a range as long as that within (?i) is not supported by this node');
  let cases = '';
  for (let code = first; code <= last; code++) cases += otherCases(String.fromCodePoint(code)).join('');
  return cases;
};

/** Whether a part of a class represents several characters, so that an adjacent `-` is not a range. */
const isSet = (token: string | undefined): boolean => token !== undefined && /^(?:\\[dDwWsSpPhv]|\[:)/.test(token);

const escaped = (token: string, within: boolean, { ucp, folding }: { readonly ucp: boolean; readonly folding: boolean }): string => {
  const char = token[1] as string;
  if (token.startsWith('\\x{')) return `\\u{${token.slice(3, -1)}}`;
  if (char === 'p' || char === 'P') return property(token, folding);
  const unicode = ucp ? (within ? unicodeInClass : unicodeOutside)[char] : undefined;
  if (unicode !== undefined) return unicode;
  if (ucp && within && 'WS'.includes(char)) throw invalid(`${token} in a class with (*UCP) is not supported by this node`);
  const meaning = (within ? inClass : outside)[char];
  if (meaning !== undefined) return meaning;
  if (/[0-9]/.test(char) || (within ? 'bcdDnrtfwWxS' : 'bBcdDnrtfwWxk').includes(char)) return token;
  if (/[A-Za-z]/.test(char)) throw invalid(`unrecognized character follows \\ (${char})`);
  // Escapes without a meaning are an error in JavaScript.
  return (within ? '^-[]\\/' : '^$\\.*+?()[]{}|/').includes(char) ? token : token.slice(1);
};

/** A property of characters: a general category, or the name of a script. */
const property = (token: string, folding: boolean): string => {
  const name = token.slice(2).replace(/^\{|\}$/g, '');
  const plain = name.replace('^', '');
  const negated = name.startsWith('^') !== (token[1] === 'P');
  const category = plain === 'L&' || (folding && /^L[ult]$/.test(plain)) ? 'LC' : plain;
  return `\\${negated ? 'P' : 'p'}{${/^(?:[CLMNPSZ][a-z]?|LC|Any)$/.test(category) ? category : `scx=${category}`}}`;
};

/**
 * The prefix of all matches: `abc` for `/^abc.*d/`. Empty if the pattern has none.
 *
 * @returns the prefix, and whether everything that begins with it matches
 */
export const literalPrefix = (pattern: string, options: string): { readonly text: string; readonly whole: boolean } => {
  const none = { text: '', whole: false };
  const plain = unquoted(pattern);
  const anchor = /^(?:\^|\\A)/.exec(plain)?.[0];
  if (!anchor || /[ix]/.test(options) || (anchor === '^' && options.includes('m'))) return none;
  const chars = [...plain.slice(anchor.length)];
  // An alternative may begin differently.
  if (chars.some((char, at) => char === '|' && chars[at - 1] !== '\\')) return none;
  let text = '';
  let at = 0;
  while (at < chars.length) {
    const escape = chars[at] === '\\';
    const char = chars[escape ? at + 1 : at];
    if (char === undefined || (escape ? /[A-Za-z0-9]/ : /[\^$.[()+*?{]/).test(char)) break;
    const next = at + (escape ? 2 : 1);
    // A part that may be repeated zero times does not belong to it.
    if (/[*?{]/.test(chars[next] ?? '')) break;
    text += char;
    at = next;
  }
  return { text, whole: text !== '' && ['', '.*'].includes(chars.slice(at).join('')) };
};

/**
 * Whether a quantifier applies to a group that itself repeats or branches: such a pattern can take exponential time, which JavaScript does
 * not limit.
 */
const mayRunAway = (source: string): boolean => {
  const open: boolean[] = [];
  const plain = source.replace(/\\[\s\S]/g, 'a').replace(/\[(?:[^\]])*\]/g, 'a');
  let quantifiers = 0;
  for (let at = 0; at < plain.length; at++) {
    const char = plain[at] as string;
    const quantifier = char === '*' || char === '+' || (char === '{' && /^\{\d+,?\d*\}/.test(plain.slice(at, at + 16)));
    if (quantifier) quantifiers++;
    if (char === '(') open.push(false);
    else if (char === ')') {
      const repeats = open.pop() ?? false;
      const quantified = /^(?:[*+]|\{\d)/.test(plain.slice(at + 1, at + 3));
      if (repeats && quantified) return true;
      if ((repeats || quantified) && open.length) open[open.length - 1] = true;
    } else if (open.length && (quantifier || char === '|')) open[open.length - 1] = true;
  }
  // Many successive repetitions take polynomial time, and so does a back reference.
  return quantifiers > 3 || /\\[1-9k]/.test(source);
};

/** Milliseconds that one suspicious match may take, including time in which others had the processor. */
const MATCH_MS = 40;
const ATTEMPTS = 5;
const context = createContext({ regex: undefined as RegExp | undefined, text: '' });
const script = new Script('regex.exec(text)');

/** Runs a regular expression on a string; one that could run away is stopped, as the server stops at its match limit. */
export const execRegex = (regex: RegExp, text: string): RegExpExecArray | null => {
  if (text.length < 12 || !mayRunAwayCached(regex.source)) return regex.exec(text);
  context['regex'] = regex;
  context['text'] = text;
  const began = process.cpuUsage().user;
  for (let attempt = 1; ; attempt++) {
    try {
      return script.runInContext(context, { timeout: MATCH_MS }) as RegExpExecArray | null;
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      if (attempt === ATTEMPTS || process.cpuUsage().user - began > (MATCH_MS / 2) * 1000)
        throw new ServerError(51156, 'Error occurred while executing regular expression: match limit exceeded');
    }
  }
};

const verdicts = new Map<string, boolean>();
const mayRunAwayCached = (source: string): boolean => {
  let verdict = verdicts.get(source);
  if (verdict === undefined) {
    verdict = mayRunAway(source);
    if (verdicts.size > 1000) verdicts.clear();
    verdicts.set(source, verdict);
  }
  return verdict;
};

const cache = new Map<string, (text: string) => boolean>();

/** A test of strings by a regular expression; the latest patterns stay compiled. */
export const compileRegex = (pattern: string, options: string): ((text: string) => boolean) => {
  const name = `${options}/${pattern}`;
  let test = cache.get(name);
  if (!test) {
    const regex = compileJsRegex(pattern, options, '', true);
    const backtracking = (text: string): boolean => execRegex(regex, text) !== null;
    test = (mayRunAwayCached(regex.source) && linearTest(pattern, options, backtracking)) || backtracking;
    if (cache.size > 200) cache.clear();
    cache.set(name, test);
  }
  return test;
};

/** Syntax with the same meaning in PCRE and RE2. */
const COMMON = /^(?:\\[dDwW.\\/^$*+?()[\]{}|-]|\(\?:|\((?!\?)|\[\^?[\w .,;:@#%&_=!<>-]+\]|\{\d{1,3}(?:,\d{0,3})?\}|[^\\[\]{}(])*$/;

/** A test that takes time in proportion to the string, if RE2 supports the pattern. */
const linearTest = (pattern: string, options: string, backtracking: (text: string) => boolean): ((text: string) => boolean) | undefined => {
  if (!COMMON.test(pattern) || options.includes('x')) return undefined;
  const flags =
    (options.includes('i') ? RE2JS.CASE_INSENSITIVE : 0) |
    (options.includes('m') ? RE2JS.MULTILINE : 0) |
    (options.includes('s') ? RE2JS.DOTALL : 0);
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern, flags);
  } catch {
    return undefined;
  }
  // In PCRE a string also ends before a final newline, and no line begins after it.
  const ends = pattern.includes(options.includes('m') ? '^' : '$');
  return (text) => (ends && text.endsWith('\n') ? backtracking(text) : compiled.matcher(text).find());
};
