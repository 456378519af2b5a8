import { Environment } from '@marcbachmann/cel-js';
import { DateTime } from 'luxon';
import { instantFrom, type Instant, parseInstant } from '#eventsourcing';
import {
  CHANNELS,
  type Channel,
  HOLD_REASONS,
  type HoldReason,
  type Impact,
  IMPACTS,
  PRIORITIES,
  type Priority,
  TICKET_KINDS,
  type TicketKind,
  type Tier,
  TIERS,
  URGENCIES,
  type Urgency,
} from '#ticketing';
import { Complaint } from '../complaint.js';
import type { LogRecord, RowFault } from './log-record.js';
import { quoted } from './log-text.js';
import { type MappedField, type Mapping, type Source, STEP_STATES, type StepState, type TimeSource } from './mapping.js';

/** The fields of a ticket in a row. Absent if the row does not have them. */
export interface RowFields {
  readonly kind?: TicketKind;
  readonly channel?: Channel;
  readonly summary?: string;
  readonly reporter?: string;
  readonly impact?: Impact;
  readonly urgency?: Urgency;
  readonly priority?: Priority;
  readonly category?: string;
  readonly service?: string;
  readonly component?: string;
  readonly tier?: Tier;
  readonly team?: string;
  readonly assignee?: string;
  readonly actor?: string;
  readonly automatic?: 'true';
  readonly holdReason?: HoldReason;
  readonly closingCategory?: string;
  readonly closingCause?: string;
  readonly closingFix?: string;
  readonly article?: string;
}

/** A step in the life of a case. */
export interface LogRow extends RowFields {
  /** Where its row begins in the uncompressed text, from 1. */
  readonly line: number;
  readonly at: Instant;
  readonly state: StepState;
  /** All content of the row, except for the case. */
  readonly said: Readonly<Record<string, string>>;
  /** Faults of the row. */
  readonly faults?: readonly string[];
  /** The log's own counts up to this row. */
  readonly told?: { readonly reassignments?: number; readonly reopenings?: number };
}

/** A row with an unreadable time: it happened when the previous one did. */
export type UntimedRow = Omit<LogRow, 'at'> & { readonly at?: Instant };

export interface MappedRecord {
  /** Empty if the row does not have one. */
  readonly caseId: string;
  /** Its number in the case, if the log has numbers. */
  readonly seq?: string;
  readonly rows: readonly UntimedRow[];
  /** At least one if there is no case or there are no rows. */
  readonly faults: readonly RowFault[];
}

export interface CompiledMapping {
  /** @returns what is wrong with the columns of a file */
  readonly columnsFault: (columns: readonly string[]) => string | undefined;
  readonly map: (record: LogRecord) => MappedRecord;
}

const FIELD_WORDS: Partial<Record<MappedField, readonly string[]>> = {
  kind: TICKET_KINDS,
  channel: CHANNELS,
  impact: IMPACTS,
  urgency: URGENCIES,
  priority: PRIORITIES,
  tier: TIERS,
  holdReason: HOLD_REASONS,
  automatic: ['true'],
};

/** Maximum length in commands. */
const LONGEST = 200;

type Cells = Readonly<Record<string, string>>;
type Read<Value> = (cells: Cells, faults: RowFault[]) => Value | undefined;

/**
 * Compiles a mapping.
 * @param zone for times without an offset, if the mapping names none
 * @throws Complaint if an expression is wrong, or uses a column that the mapping does not have
 */
export function compileMapping(mapping: Mapping, zone?: string): CompiledMapping {
  const { absent = [], optional = [], strict = false } = mapping;
  const names = Object.keys(mapping.columns);
  const namesInFile = names.map((name) => [name, [mapping.columns[name] ?? name].flat()] as const);
  const nameOf = new Map(namesInFile.flatMap(([name, inFile]) => inFile.map((one) => [one, name] as const)));
  const compiler = new Compiler(names, zone);
  compiler.column(mapping.case);
  const fields = compiler.fields(mapping.fields);
  const steps = mapping.steps.map((step) => ({
    ...step,
    when: step.when === undefined ? undefined : compiler.condition(step.when),
    time: compiler.time(step.time),
    state: compiler.word('state', step.state, STEP_STATES),
    fields: step.fields === undefined ? fields : new Map([...fields, ...compiler.fields(step.fields)]),
  }));
  const told = Object.entries(mapping.told ?? {}).map(([what, column]) => [what, compiler.column(column)] as const);
  const isAbsent = new Set(['', ...absent]);

  const map = ({ line, cells: found, fault }: LogRecord): MappedRecord => {
    const faults: RowFault[] = fault === undefined ? [] : [fault];
    const cells: Record<string, string> = Object.fromEntries(names.map((name) => [name, '']));
    for (const [inFile, text] of Object.entries(found)) {
      const name = nameOf.get(inFile);
      if (name === undefined && strict) faults.push({ code: 'column-unknown', message: `unknown column ${quoted(inFile)}` });
      if (!isAbsent.has(text)) cells[name ?? inFile] = text;
    }
    for (const [name, inFile] of namesInFile) {
      if (cells[name] === '' && name !== mapping.case && !optional.includes(name))
        faults.push({ code: 'value-missing', message: `${name} (${inFile.join(' or ')}) is missing` });
    }
    const { [mapping.case]: caseId = '', ...rest } = cells;
    const seq = mapping.sequence === undefined ? undefined : rest[mapping.sequence];
    const said = Object.fromEntries(Object.entries(rest).filter(([name, text]) => text !== '' && name !== mapping.sequence));
    const counted = Object.fromEntries(told.map(([what, name]) => [what, Number(cells[name])]));

    const rows = steps.flatMap((step): UntimedRow[] => {
      const stepFaults: RowFault[] = [];
      if (step.when !== undefined && !step.when(cells, stepFaults)) return [];
      const at = step.time(cells, stepFaults);
      // A list of tickets has no time for what has not happened. In a log of events each row happened.
      if (at === undefined && stepFaults.length === 0 && steps.length > 1) return [];
      if (at === undefined && stepFaults.length === 0) stepFaults.push({ code: 'time-missing', message: 'it has no time' });
      const state = step.state(cells, stepFaults) ?? 'none';
      const values = Object.fromEntries([...step.fields].flatMap(([field, read]) => asEntry(field, read(cells, stepFaults))));
      faults.push(...stepFaults);
      return [{ line, ...(at && { at }), state, said, ...values, ...(Object.keys(counted).length > 0 && { told: counted }) }];
    });
    if (rows.length === 0) faults.push({ code: 'time-missing', message: 'it has no time' });
    if (caseId === '') faults.push({ code: 'case-missing', message: `${mapping.case} is missing` });
    const codes = [...new Set(faults.map(({ code }) => code))];
    const marked = codes.length === 0 ? rows : rows.map((row) => ({ ...row, faults: codes }));
    return { caseId, ...(seq && { seq }), rows: marked, faults };
  };

  const columnsFault = (columns: readonly string[]): string | undefined => {
    const missing = namesInFile.find(([name, inFile]) => !optional.includes(name) && !inFile.some((one) => columns.includes(one)));
    if (missing !== undefined) return `column ${missing[1].join(' or ')} is missing: the header is ${quoted(columns.join(','))}`;
    const unknown = strict ? columns.find((column) => !nameOf.has(column)) : undefined;
    return unknown === undefined ? undefined : `unknown column ${quoted(unknown)}`;
  };
  return { columnsFault, map };
}

const asEntry = (field: string, value: string | undefined): [string, string][] => (value === undefined ? [] : [[field, value]]);

/** Compiles the expressions of a mapping. They terminate, can access only the row, and are type-checked beforehand. */
class Compiler {
  readonly #environment = new Environment().registerVariable('row', 'map<string, string>');

  constructor(
    private readonly names: readonly string[],
    private readonly zone: string | undefined,
  ) {}

  column(name: string): string {
    if (!this.names.includes(name)) throw new Complaint(`The mapping speaks of a column ${name}, and does not have it in \`columns\``);
    return name;
  }

  fields(sources: Readonly<Partial<Record<MappedField, Source>>>): Map<MappedField, Read<string>> {
    return new Map(
      Object.entries(sources).map(([field, source]) => [field as MappedField, this.word(field, source, FIELD_WORDS[field as MappedField])]),
    );
  }

  /** A text or, if words are given, one of these. */
  word<Word extends string>(what: string, source: Source, words?: readonly Word[]): Read<Word> {
    const { words: meanings, otherwise, ...computed } = typeof source === 'string' ? { column: source } : source;
    for (const meaning of [...Object.values(meanings ?? {}), otherwise, computed.value]) {
      if (words !== undefined && meaning !== undefined && meaning !== '' && !(words as readonly string[]).includes(meaning))
        throw new Complaint(`The mapping makes ${what} ${quoted(meaning)}, which is not one of ${words.join(', ')}`);
    }
    const read = this.#text(what, computed);
    return (cells, faults) => {
      const text = read(cells, faults);
      if (text === undefined) return undefined;
      const meaning = meanings === undefined ? text : Object.hasOwn(meanings, text) ? meanings[text] : otherwise;
      if (meaning === '') return undefined;
      if (meaning !== undefined && (words === undefined || (words as readonly string[]).includes(meaning)))
        return meaning.slice(0, LONGEST) as Word;
      const known = meanings === undefined ? (words ?? []) : Object.keys(meanings);
      faults.push({ code: `${what}-unknown`, message: `${what} ${quoted(text)} is not one of ${known.join(', ')}` });
      return undefined;
    };
  }

  time(source: TimeSource): Read<Instant> {
    const { formats, zone = this.zone, locale = 'en', ...computed } = typeof source === 'string' ? { column: source } : source;
    if (zone !== undefined && !DateTime.local({ zone }).isValid) throw new Complaint(`There is no time zone ${zone}`);
    const read = this.#text('time', computed);
    const options = { locale, ...(zone !== undefined && { zone }) };
    return (cells, faults) => {
      const text = read(cells, faults);
      if (text === undefined || text === '') return undefined;
      const found = timeIn(text, formats, zone, options);
      if (found === undefined)
        faults.push({
          code: 'time-invalid',
          message: `time ${quoted(text)} is not ${formats?.join(' or ') ?? `an ISO 8601 date-time${zone === undefined ? ' with an offset' : ''}`}`,
        });
      return found;
    };
  }

  condition(expression: string): Read<boolean> {
    return this.#expression('when', expression, 'bool') as Read<boolean>;
  }

  #text(what: string, { column, expression, value }: { column?: string; expression?: string; value?: string }): Read<string> {
    if (expression !== undefined) return this.#expression(what, expression, 'string') as Read<string>;
    if (value !== undefined) return () => value;
    const name = this.column(column ?? '');
    return (cells) => cells[name];
  }

  #expression(what: string, expression: string, type: 'string' | 'bool'): Read<unknown> {
    const checked = this.#environment.check(expression);
    if (!checked.valid || (checked.type !== type && checked.type !== 'dyn')) {
      const problem = checked.error?.message ?? `it is of type ${checked.type}, not ${type}`;
      throw new Complaint(`The expression of ${what} in the mapping is wrong: ${problem}`);
    }
    const evaluate = this.#environment.parse(expression);
    return (cells, faults) => {
      try {
        return evaluate({ row: cells }) as unknown;
      } catch (error) {
        faults.push({ code: `${what}-incomputable`, message: `${what}: ${(error as Error).message.split('\n')[0]}` });
        return undefined;
      }
    };
  }
}

function timeIn(text: string, formats: readonly string[] | undefined, zone: string | undefined, options: object): Instant | undefined {
  if (formats === undefined) {
    const instant = parseInstant(text);
    if (instant !== undefined || zone === undefined) return instant;
    const local = DateTime.fromISO(text, options);
    return local.isValid ? instantFrom(local.toMillis()) : undefined;
  }
  for (const format of formats) {
    const time = DateTime.fromFormat(text, format, options);
    if (time.isValid) return instantFrom(time.toMillis());
  }
  return undefined;
}
