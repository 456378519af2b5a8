export { csvRows } from './csv.js';
export { type Batches, type Column, columnsOf, type DataSet, type Row } from './data-set.js';
export { asLines, CSV, type FormatName, FORMATS, formatsOf, NDJSON } from './formats.js';
