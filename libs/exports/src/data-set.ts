/** The format of a column's values. Lists and objects are `json`; an `instant` is a Date, or ISO 8601. */
export type ColumnType = 'text' | 'instant' | 'integer' | 'flag' | 'json';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** What it means, with its unit. */
  readonly says: string;
}

/** What is exported: rows with named columns. */
export interface DataSet {
  readonly name: string;
  readonly says: string;
  readonly columns: readonly Column[];
  /** For rows that are events, with those of a case together: what XES needs to know. */
  readonly log?: EventLog;
}

export interface EventLog {
  /** The column that identifies the case. */
  readonly case: string;
  /** Other columns with the same value for all events of a case. */
  readonly ofCase: readonly string[];
  /** Column → its key in one of the standard extensions of XES; other columns have their own names as keys. */
  readonly keys: Readonly<Record<string, string>>;
}

export type Row = Readonly<Record<string, unknown>>;
export type Batches = AsyncIterable<readonly Row[]>;

/** The columns of documents, from their JSON Schema. */
export function columnsOf(schema: object): readonly Column[] {
  const { properties = {} } = schema as { readonly properties?: Readonly<Record<string, PropertySchema>> };
  return Object.entries(properties).map(([name, property]) => ({ name, type: typeOf(property), says: property.description ?? name }));
}

interface PropertySchema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly description?: string;
}

function typeOf({ type, format, enum: words }: PropertySchema): ColumnType {
  if (type === 'integer') return 'integer';
  if (type === 'boolean') return 'flag';
  if (type === 'string') return format === 'date-time' ? 'instant' : 'text';
  return words?.every((word) => typeof word === 'string') ? 'text' : 'json';
}
