import { type SaxesTagPlain, SaxesParser } from 'saxes';
import { LOG_FIELDS, type LogField, quoted, type RawCase, type RawRow } from './log-case.js';
import { LogError } from './log-text.js';

const fieldOfKey = new Map(Object.entries(LOG_FIELDS).map(([field, key]) => [key as string, field as LogField]));

/**
 * The traces of an IEEE XES log, one by one. Extensions, globals, classifiers and statistics at its head say nothing of a case and
 * are passed over; within an event every attribute must be known.
 * @throws LogError naming the line: not well-formed, ended early, or not the structure of a log
 */
export async function* readXesCases(text: AsyncIterable<string>): AsyncGenerator<RawCase> {
  const parser = new SaxesParser();
  let depth = 0;
  let passedOver = 0;
  let trace: { line: number; caseId?: string; rows: RawRow[] } | undefined;
  let event: { line: number; cells: Partial<Record<LogField, string>> } | undefined;
  let finished: RawCase[] = [];

  const enterLog = (tag: SaxesTagPlain): void => {
    if (tag.name !== 'log') throw new LogError(parser.line, `this is XML but not a XES log: its root is <${tag.name}>, not <log>`);
  };
  const enterPartOfLog = (tag: SaxesTagPlain): void => {
    if (tag.name === 'trace') trace = { line: parser.line, rows: [] };
    else if (tag.name === 'event') throw new LogError(parser.line, 'an <event> outside of a <trace>');
    else passedOver = depth;
  };
  const enterPartOfTrace = (tag: SaxesTagPlain, current: NonNullable<typeof trace>): void => {
    if (tag.name === 'event') {
      event = { line: parser.line, cells: {} };
      return;
    }
    const { key, value } = attribute(tag);
    if (key !== 'concept:name') throw new LogError(parser.line, `unknown attribute ${quoted(key)} of a trace`);
    if (current.caseId !== undefined) throw new LogError(parser.line, 'a trace with two names');
    current.caseId = value;
  };
  const enterPartOfEvent = (tag: SaxesTagPlain, cells: Partial<Record<LogField, string>>): void => {
    const { key, value } = attribute(tag);
    const field = fieldOfKey.get(key);
    if (field === undefined) throw new LogError(parser.line, `unknown attribute ${quoted(key)} of an event`);
    if (cells[field] !== undefined) throw new LogError(parser.line, `attribute ${quoted(key)} twice in one event`);
    cells[field] = value;
  };
  const attribute = (tag: SaxesTagPlain): { key: string; value: string } => {
    const { key, value } = tag.attributes;
    if ((tag.name !== 'string' && tag.name !== 'date') || key === undefined || value === undefined) {
      throw new LogError(parser.line, `<${tag.name}> is not an attribute (<string> or <date> with key and value)`);
    }
    return { key, value };
  };

  parser.on('error', (error) => {
    throw new LogError(parser.line, `not well-formed XML: ${error.message.replace(/^\d+:\d+: /, '')}`);
  });
  parser.on('opentag', (tag) => {
    depth++;
    if (passedOver > 0) return;
    if (depth === 1) enterLog(tag);
    else if (trace === undefined) enterPartOfLog(tag);
    else if (event === undefined) enterPartOfTrace(tag, trace);
    else if (depth === 4) enterPartOfEvent(tag, event.cells);
    else throw new LogError(parser.line, `<${tag.name}> within an attribute of an event`);
  });
  parser.on('closetag', () => {
    if (passedOver === depth) passedOver = 0;
    else if (passedOver > 0 || trace === undefined) {
      // Still within what is passed over, or at the end of the log.
    } else if (depth === 3 && event !== undefined) {
      trace.rows.push({ line: event.line, seq: String(trace.rows.length), cells: event.cells });
      event = undefined;
    } else if (depth === 2) {
      if (trace.caseId === undefined || trace.caseId === '') throw new LogError(trace.line, 'a trace without a name (concept:name)');
      finished.push({ caseId: trace.caseId, line: trace.line, rows: trace.rows });
      trace = undefined;
    }
    depth--;
  });

  for await (const piece of text) {
    parser.write(piece);
    if (finished.length === 0) continue;
    yield* finished;
    finished = [];
  }
  if (depth > 0) throw new LogError(parser.line, 'the log is cut off: the XML ends before </log>');
  parser.close();
  yield* finished;
}
