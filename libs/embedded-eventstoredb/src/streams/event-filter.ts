import { handlerThrew, invalidArgument } from '../wire/faults.js';
import { streamNameOf, typeOf, type LogRecord } from '../storage/record.js';

/** The events of `$all` that a reader requests. */
export type EventFilter = (record: LogRecord) => boolean;

export interface FilterRequest {
  readonly on: 'stream' | 'type' | undefined;
  readonly regex: string;
  readonly prefixes: readonly string[];
}

/** A regular expression takes precedence over prefixes; with neither, nothing matches. */
export function eventFilter(request: FilterRequest): EventFilter {
  const text = request.on === 'stream' ? streamNameOf : typeOf;
  if (request.regex !== '') {
    const regex = compile(request.regex);
    return (record) => regex.test(text(record).toString('utf8'));
  }
  const prefixes = request.prefixes.map((prefix) => Buffer.from(prefix, 'utf8'));
  return (record) => {
    const bytes = text(record);
    return prefixes.some((prefix) => prefix.length <= bytes.length && prefix.equals(bytes.subarray(0, prefix.length)));
  };
}

/** .NET and JavaScript mostly agree on syntax; what JavaScript cannot parse is refused like any invalid expression. */
function compile(source: string): RegExp {
  if (canBacktrackWithoutEnd(source)) {
    throw invalidArgument(
      'This node refuses regular expressions that repeat a group which itself repeats or chooses: matching one event could take for ever.',
    );
  }
  for (const flags of ['u', '']) {
    try {
      return new RegExp(source, flags);
    } catch {
      continue;
    }
  }
  throw handlerThrew();
}

/**
 * Whether a quantified group contains a quantifier or an alternative, as in `(a+)+` and `(a|a)*`: on these a backtracking engine can take
 * exponential time. One event name could block all other calls.
 */
function canBacktrackWithoutEnd(source: string): boolean {
  const groups: boolean[] = [];
  let inClass = false;
  for (let index = 0; index < source.length; index++) {
    const char = source[index] as string;
    if (char === '\\') index++;
    else if (inClass) inClass = char !== ']';
    else if (char === '[') inClass = true;
    else if (char === '(') groups.push(false);
    else if (char === ')') {
      const risky = groups.pop() ?? false;
      const repeated = /^(?:[*+]|\{\d+(?:,\d*)?\})/.test(source.slice(index + 1));
      if (repeated && risky) return true;
      if (groups.length > 0 && (risky || repeated)) groups[groups.length - 1] = true;
    } else if ((char === '|' || char === '*' || char === '+' || char === '{') && groups.length > 0) groups[groups.length - 1] = true;
  }
  return false;
}
