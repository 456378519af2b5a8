import { createContext, Script } from 'node:vm';
import { badValue, ServerError } from './errors.js';

const cache = new Map<string, (text: string) => boolean>();

/**
 * A regular expression as PCRE writes it, compiled to JavaScript's.
 *
 * @param options of `i` (case), `m` (lines), `s` (dot matches newline), `x` (extended), `u` (always on)
 * @throws ServerError 51091 where the pattern means nothing to either, 2 BadValue for an unknown option
 */
export const compileJsRegex = (pattern: string, options: string, more = ''): RegExp => {
  for (const option of options) if (!'imsxu'.includes(option)) throw new ServerError(51108, `invalid flag in regex options: ${option}`);
  if (pattern.length > 32764) throw new ServerError(51091, 'Regular expression is invalid: regular expression is too large');
  if (pattern.includes('\0')) throw badValue('Regular expression cannot contain an embedded null byte');
  let source = pattern;
  let flags = [...new Set(options)].filter((option) => 'ims'.includes(option)).join('');
  const leading = /^\(\?([imsx]+)\)/.exec(source);
  if (leading) {
    source = source.slice(leading[0].length);
    flags = [...new Set(flags + (leading[1] as string).replace('x', ''))].join('');
  }
  if (options.includes('x') || leading?.[1]?.includes('x')) source = withoutLayout(source);
  source = source.replace(/\\A/g, '^').replace(/\\[zZ]/g, '$').replace(/\(\?P</g, '(?<').replace(/\\h/g, '[ \\t]').replace(/\[\[:(\w+):\]\]/g, (whole, name: string) => posix[name] ?? whole);
  for (const unicode of ['u', '']) {
    try {
      return new RegExp(source, flags + unicode + more);
    } catch (error) {
      if (unicode === '') throw new ServerError(51091, `Regular expression is invalid: ${(error as Error).message}`);
    }
  }
  throw new Error('unreachable');
};

const posix: Readonly<Record<string, string>> = { digit: '[0-9]', alpha: '[A-Za-z]', alnum: '[A-Za-z0-9]', space: '\\s', upper: '[A-Z]', lower: '[a-z]', punct: '[!-\\/:-@\\[-`{-~]', xdigit: '[0-9A-Fa-f]' };

/** Drops the blanks and comments of an extended pattern, outside of classes and escapes. */
const withoutLayout = (source: string): string => source.replace(/\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|#[^\n]*|\s+/g, (token) => (/^[\\[]/.test(token) ? token : ''));

/**
 * Whether a quantifier stands over a group that itself repeats or branches: such a pattern can take exponential time,
 * which JavaScript does not bound by itself.
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
  // Many repetitions in a row are polynomial, and so is a back reference.
  return quantifiers > 3 || /\\[1-9k]/.test(source);
};

/** Milliseconds that one suspicious match may take. */
const MATCH_MS = 200;
const context = createContext({ regex: undefined as RegExp | undefined, text: '' });
const script = new Script('regex.exec(text)');

/** Runs a regular expression on a text; one that could run away is stopped, as the server stops at its match limit. */
export const execRegex = (regex: RegExp, text: string): RegExpExecArray | null => {
  if (text.length < 12 || !mayRunAwayCached(regex.source)) return regex.exec(text);
  context['regex'] = regex;
  context['text'] = text;
  try {
    return script.runInContext(context, { timeout: MATCH_MS }) as RegExpExecArray | null;
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new ServerError(51156, 'Error occurred while executing regular expression: match limit exceeded');
    throw error;
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

/** A test of texts by a regular expression; the latest patterns are kept compiled. */
export const compileRegex = (pattern: string, options: string): ((text: string) => boolean) => {
  const name = `${options}/${pattern}`;
  let test = cache.get(name);
  if (!test) {
    const regex = compileJsRegex(pattern, options);
    test = (text) => execRegex(regex, text) !== null;
    if (cache.size > 200) cache.clear();
    cache.set(name, test);
  }
  return test;
};
