import Table from 'cli-table3';
import type { Mongo } from '#mongo';
import type { Colours } from '#platform';
import { BPIC2013 } from '../import/ready-mappings.js';
import { bpic2013Figures, type Figure } from './bpic2013-figures.js';
import { importedCourses } from './report-log.js';

/**
 * The figures of the imported log from the read models `ticket_history` and `ticket_details`, each with its reference. Later changes to the
 * tickets do not count.
 */
export async function readBpic2013Figures(db: Mongo['db']): Promise<Figure[]> {
  const tickets = await db.collection('ticket_details').countDocuments({ 'imported.system': BPIC2013.name });
  return bpic2013Figures(importedCourses(db, BPIC2013.name), tickets);
}

/** The figures as a table, and a summary line. */
export function renderFigures(figures: readonly Figure[], { green, red, dim, bold }: Colours): string {
  const table = new Table({
    head: ['figure', 'reference', 'read models', ''].map(bold),
    colAligns: ['left', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, reference, found, agrees } of figures) table.push([name, dim(reference), found, agrees ? green('✓') : red('✗')]);
  const wrong = figures.filter(({ agrees }) => !agrees);
  const sum =
    wrong.length === 0
      ? green(`All ${figures.length} figures agree with the reference.`)
      : red(`${wrong.length} of ${figures.length} figures differ from the reference:`);
  return [table.toString(), sum, ...wrong.map(({ name, definition }) => `  ${name}: ${definition}`), ''].join('\n');
}

/**
 * `tierline report bpic2013`: prints the figures with their references.
 * @returns whether all of them agree
 */
export async function reportBpic2013({
  db,
  print,
  colours,
}: {
  readonly db: Mongo['db'];
  readonly print: (text: string) => void;
  readonly colours: Colours;
}): Promise<boolean> {
  const figures = await readBpic2013Figures(db);
  print(renderFigures(figures, colours));
  return figures.every(({ agrees }) => agrees);
}
