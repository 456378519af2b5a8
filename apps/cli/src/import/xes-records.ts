import { type SaxesTagPlain, SaxesParser } from 'saxes';
import type { LogRecord } from './log-record.js';
import { LogError, quoted } from './log-text.js';

const ATTRIBUTES = ['string', 'date', 'int', 'float', 'boolean', 'id', 'list', 'values', 'container'];

/**
 * The events of an IEEE XES log, one by one, with the attributes of their traces (`case:…`). Extensions, globals, classifiers and
 * statistics at its head are skipped. A nested attribute is named by its path: `outer.inner`.
 * @throws LogError naming the line: not well-formed, ended early, or not the structure of a log
 */
export async function* readXesRecords(text: AsyncIterable<string>): AsyncGenerator<LogRecord> {
  const parser = new SaxesParser();
  let depth = 0;
  let passedOver = 0;
  let trace: { readonly line: number; readonly cells: Record<string, string>; readonly events: LogRecord[] } | undefined;
  let event: { readonly line: number; readonly cells: Record<string, string> } | undefined;
  let path: string[] = [];
  let finished: LogRecord[] = [];

  const enterPartOfLog = (tag: SaxesTagPlain): void => {
    if (tag.name === 'trace') trace = { line: parser.line, cells: {}, events: [] };
    else if (tag.name === 'event') throw new LogError(parser.line, 'an <event> outside of a <trace>');
    else passedOver = depth;
  };
  const enterAttribute = (tag: SaxesTagPlain, cells: Record<string, string>, prefix: string): void => {
    const { key, value } = tag.attributes;
    if (tag.name === 'values') return void path.push('');
    if (!ATTRIBUTES.includes(tag.name) || key === undefined)
      throw new LogError(parser.line, `<${tag.name}> is not an attribute of XES with a key`);
    path.push(key);
    if (value === undefined) return;
    const name = prefix + path.filter((part) => part !== '').join('.');
    if (cells[name] !== undefined) throw new LogError(parser.line, `attribute ${quoted(name)} twice`);
    cells[name] = value;
  };

  parser.on('error', (error) => {
    throw new LogError(parser.line, `not well-formed XML: ${error.message.replace(/^\d+:\d+: /, '')}`);
  });
  parser.on('opentag', (tag) => {
    depth++;
    if (passedOver > 0) return;
    if (depth === 1) {
      if (tag.name !== 'log') throw new LogError(parser.line, `this is XML but not a XES log: its root is <${tag.name}>, not <log>`);
    } else if (trace === undefined) enterPartOfLog(tag);
    else if (event !== undefined) enterAttribute(tag, event.cells, '');
    else if (tag.name === 'event' && depth === 3) event = { line: parser.line, cells: {} };
    else enterAttribute(tag, trace.cells, 'case:');
  });
  parser.on('closetag', () => {
    if (passedOver === depth) passedOver = 0;
    else if (passedOver > 0 || trace === undefined) {
      // Still within a skipped element, or at the end of the log.
    } else if (path.length > 0) {
      path = path.slice(0, -1);
    } else if (depth === 3 && event !== undefined) {
      trace.events.push(event);
      event = undefined;
    } else if (depth === 2) {
      const { line, cells, events } = trace;
      if (events.length === 0) throw new LogError(line, 'a trace without events');
      finished.push(...events.map((one) => ({ line: one.line, cells: { ...cells, ...one.cells } })));
      trace = undefined;
    }
    depth--;
  });

  for await (const piece of text) {
    parser.write(piece);
    yield* finished;
    finished = [];
  }
  if (depth > 0) throw new LogError(parser.line, 'the log is cut off: the XML ends before </log>');
  parser.close();
  yield* finished;
}
