import { type BasicType, ByteWriter, type ColumnSource, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import type { Batches, Column, ColumnType, DataSet, Row } from './data-set.js';

/** Rows encoded together: readers skip whole groups by their minimum and maximum values. */
const GROUP = 5_000;

const TYPES: Readonly<Record<ColumnType, BasicType>> = {
  text: 'STRING',
  instant: 'TIMESTAMP',
  integer: 'INT64',
  flag: 'BOOLEAN',
  json: 'JSON',
};

/** A Parquet file, group by group. Its metadata describes the columns, as JSON by column, under `columns`. */
export async function* asParquet({ name, says, columns }: DataSet, batches: Batches): AsyncGenerator<Uint8Array> {
  const described = Object.fromEntries(columns.map((column) => [column.name, column.says]));
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: schemaFromColumnData({ columnData: columnData(columns, []) }),
    createdBy: 'tierline',
    kvMetadata: [
      { key: 'name', value: name },
      { key: 'description', value: says },
      { key: 'columns', value: JSON.stringify(described) },
    ],
  });
  const written = (): Uint8Array => {
    const bytes = writer.getBytes().slice();
    writer.index = 0;
    return bytes;
  };
  for await (const rows of inGroups(batches)) {
    await parquet.write({ columnData: columnData(columns, rows), rowGroupSize: rows.length });
    yield written();
  }
  await parquet.finish();
  yield parquet.row_groups.length === 0 ? withoutGroups(written()) : written();
}

/** What the library writes in a file without rows: their number (field 3), and an untyped list of groups (field 4), before the metadata. */
const NO_GROUPS = Buffer.from([0x16, 0x00, 0x19, 0x00, 0x19]);
const LIST_OF_STRUCTS = 0x0c;

/** Arrow's reader requires the type of the list's elements, even if it is empty. */
function withoutGroups(bytes: Uint8Array): Uint8Array {
  bytes[Buffer.from(bytes.buffer).indexOf(NO_GROUPS) + 3] = LIST_OF_STRUCTS;
  return bytes;
}

async function* inGroups(batches: Batches): AsyncGenerator<readonly Row[]> {
  let group: Row[] = [];
  for await (const rows of batches) {
    for (const row of rows) {
      if (group.push(row) < GROUP) continue;
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

function columnData(columns: readonly Column[], rows: readonly Row[]): ColumnSource[] {
  return columns.map(({ name, type }) => ({
    name,
    type: TYPES[type],
    nullable: true,
    data: rows.map((row) => valueOf(type, row[name])),
  }));
}

function valueOf(type: ColumnType, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (type === 'instant') return value instanceof Date ? value : new Date(value as string);
  return type === 'integer' ? BigInt(value as number) : value;
}
