import { viewsCaughtUp } from './caught-up.js';
import { Complaint } from './complaint.js';
import { importLog, type ImportOptions, type ImportResult } from './import/import-log.js';
import { type Mapping, readMapping } from './import/mapping.js';
import { showProgress } from './progress.js';
import type { Session } from './session.js';

export interface ImportWords {
  /** Name of a ready mapping, or a file. */
  readonly map: string;
  readonly file: string;
  readonly client?: string;
  readonly name?: string;
  readonly zone?: string;
}

/** Reports what an import would make of a file, without stores. */
export async function dryRun(words: ImportWords, signal: AbortSignal, print: (text: string) => void): Promise<void> {
  const result = await runWithProgress(words, await readMapping(words.map), { signal });
  print(inWords(result, 'would be imported'));
}

/** Imports the log, and waits until the views include it. @returns whether it was completed */
export async function runImport(
  session: Session,
  words: ImportWords,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<boolean> {
  const mapping = await readMapping(words.map);
  const ownWorker = await session.startWorkerIfAlone();
  const began = Date.now();
  const result = await runWithProgress(words, mapping, { store: session.store, signal });
  const imported = seconds(began);
  if (!result.complete) {
    print(`Interrupted after ${count(result.imported, 'case')}. The same command goes on from there.\n`);
    return false;
  }
  await viewsCaughtUp(session, ownWorker, signal);
  print(inWords(result, 'imported'));
  print(`Imported in ${imported} s, in the views after ${seconds(began)} s.\n`);
  return true;
}

async function runWithProgress(
  { file, client, name, zone }: ImportWords,
  mapping: Mapping,
  options: Pick<ImportOptions, 'store' | 'signal'>,
): Promise<ImportResult> {
  const whose = client ?? mapping.client;
  if (whose === undefined) throw new Complaint('The mapping names no client', 'Say whose tickets these are: --client NAME');
  const shown = { checking: showProgress('Checking the log', 'bytes'), importing: showProgress('Importing', 'rows') };
  try {
    return await importLog({
      ...options,
      file,
      mapping,
      source: { name: name ?? mapping.name, client: whose },
      ...(zone !== undefined && { zone }),
      onProgress: ({ phase, done, of }) => {
        if (phase === 'importing') shown.checking.stop();
        shown[phase].update(done, of);
      },
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EISDIR' && code !== 'EACCES') throw error;
    throw new Complaint(`${file} cannot be read: ${message}`, '`npx tierline import --help` says where known logs can be had');
  } finally {
    shown.checking.stop();
    shown.importing.stop();
  }
}

function inWords(result: ImportResult, done: string): string {
  const { cases, rows, imported, events, alreadyThere, different, deviating, deviations, leftOut, figures } = result;
  const differing = figures.filter(({ inLog, inTickets }) => inLog !== inTickets).length;
  const lines = [
    `${count(cases, 'case')} of ${count(rows, 'step')}: ${number(imported)} ${done} as ${count(events, 'event')}, ${number(alreadyThere)} there already`,
    ...(different.length === 0
      ? []
      : [
          `${count(different.length, 'case')} differ from what was imported before and were left as they are: ${different.slice(0, 10).join(', ')}${different.length > 10 ? ', …' : ''}`,
        ]),
    ...Object.entries(leftOut).map(
      ([code, { rows: left, line, message }]) => `${count(left, 'row')} left out, ${code}: first on line ${line}: ${message}`,
    ),
    ...(deviating === 0
      ? []
      : [`${count(deviating, 'case')} with rows that have faults, or did what the rules would have refused. They are marked:`]),
    ...Object.entries(deviations).map(([code, marked]) => `  ${number(marked).padStart(7)}  ${code}`),
    ...(imported === 0
      ? []
      : [
          `In the log and in the tickets, ${differing === 0 ? 'all the same' : `${differing} differ`}:`,
          ...figures.map(
            ({ name, inLog, inTickets }) =>
              `  ${number(inLog).padStart(9)} ${number(inTickets).padStart(9)}  ${name}${inLog === inTickets ? '' : '  ✗'}`,
          ),
        ]),
  ];
  return `${lines.join('\n')}\n`;
}

const number = (value: number): string => value.toLocaleString('en');
const count = (value: number, what: string): string => `${number(value)} ${what}${value === 1 ? '' : 's'}`;
const seconds = (since: number): string => ((Date.now() - since) / 1_000).toFixed(1);
