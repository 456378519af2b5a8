import type { LogRecord } from './log-record.js';

/** The lines of an NDJSON text, one by one. Nested fields are named by path: `stats.closed_at`; lists stay JSON. */
export async function* readNdjsonRecords(text: AsyncIterable<string>): AsyncGenerator<LogRecord> {
  let rest = '';
  let line = 0;
  for await (const piece of text) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const one of lines) {
      line++;
      if (one.trim() !== '') yield recordOf(line, one);
    }
  }
  if (rest.trim() !== '') yield recordOf(line + 1, rest);
}

function recordOf(line: number, text: string): LogRecord {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    return { line, cells: {}, fault: { code: 'not-json', message: `not JSON: ${(error as Error).message}` } };
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    return { line, cells: {}, fault: { code: 'not-json', message: 'not a JSON object' } };
  const cells: Record<string, string> = {};
  flatten(content, '', cells);
  return { line, cells };
}

function flatten(content: object, prefix: string, cells: Record<string, string>): void {
  for (const [key, value] of Object.entries(content) as [string, unknown][]) {
    if (value === null) continue;
    if (typeof value === 'object' && !Array.isArray(value)) flatten(value, `${prefix}${key}.`, cells);
    else cells[`${prefix}${key}`] = typeof value === 'string' ? value : JSON.stringify(value);
  }
}
