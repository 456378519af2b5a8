import type { RowFault } from './log-record.js';
import { readRecords } from './log-records.js';
import { LogError, type ReadLogOptions } from './log-text.js';
import type { CompiledMapping, UntimedRow } from './mapped-rows.js';
import type { Mapping } from './mapping.js';

/** Result of a row: a step of its case, or nothing, because its case is unknown. */
export type ReadRow = { readonly caseId: string; readonly row: UntimedRow } | { readonly leftOut: RowFault & { readonly line: number } };

/**
 * The steps from the rows of a log, in file order.
 * @throws LogError naming the line if the file is cut off or damaged, or does not fit the mapping; with a strict mapping also at the first
 * row with a fault, out of order, or separate from the others of its case
 */
export async function* readLog(
  file: string,
  mapping: Mapping,
  { columnsFault, map }: CompiledMapping,
  options: ReadLogOptions = {},
): AsyncGenerator<ReadRow> {
  const onHeader = (columns: readonly string[]): void => {
    const fault = columnsFault(columns);
    if (fault !== undefined) throw new LogError(1, fault);
  };
  const order = mapping.strict === true ? new StrictOrder() : undefined;
  const { delimiter } = mapping;
  for await (const record of readRecords(file, { ...options, ...(delimiter !== undefined && { delimiter }), onHeader })) {
    const { line } = record;
    const mapped = map(record);
    const { caseId, rows, faults } = mapped;
    const [fault] = faults;
    if (order !== undefined) {
      if (fault !== undefined) throw new LogError(line, caseId === '' ? fault.message : `case ${caseId}: ${fault.message}`);
      order.check(line, caseId, mapped.seq, rows);
    }
    if (fault !== undefined && (caseId === '' || rows.length === 0)) yield { leftOut: { ...fault, line } };
    else for (const row of rows) yield { caseId, row };
  }
}

/** Whether rows come case by case and in time order. Holds the ids of the cases. */
class StrictOrder {
  readonly #begun = new Map<string, number>();
  #current: { readonly caseId: string; readonly count: number; readonly last: UntimedRow | undefined } | undefined;

  check(line: number, caseId: string, seq: string | undefined, rows: readonly UntimedRow[]): void {
    const before = this.#current?.caseId === caseId ? this.#current : { count: 0, last: undefined };
    if (before.count === 0) {
      const begun = this.#begun.get(caseId);
      if (begun !== undefined) throw new LogError(line, `case ${caseId} is already on line ${begun}: its rows must follow each other`);
      this.#begun.set(caseId, line);
    }
    if (seq !== undefined && seq !== String(before.count))
      throw new LogError(
        line,
        `case ${caseId}: its number is ${JSON.stringify(seq)} where ${before.count} follows: a row is missing, repeated or out of order`,
      );
    const at = rows[0]?.at;
    if (before.last?.at !== undefined && at !== undefined && at < before.last.at)
      throw new LogError(line, `case ${caseId}: out of order: ${at} is earlier than ${before.last.at} on line ${before.last.line}`);
    this.#current = { caseId, count: before.count + 1, last: rows.at(-1) };
  }
}
