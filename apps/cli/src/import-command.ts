import { viewsCaughtUp } from './caught-up.js';
import { Complaint } from './complaint.js';
import { importBpic2013, type ImportResult } from './import/import-bpic2013.js';
import { showProgress } from './progress.js';
import type { Session } from './session.js';

/** Imports the log, and waits until the views show it. @returns whether it came to its end */
export async function runImport(session: Session, file: string, signal: AbortSignal, print: (text: string) => void): Promise<boolean> {
  const ownWorker = await session.startWorkerIfAlone();
  const began = Date.now();
  const shown = { checking: showProgress('Checking the log', 'bytes'), importing: showProgress('Importing', 'rows') };
  let result: ImportResult;
  try {
    result = await importBpic2013({
      file,
      store: session.store,
      signal,
      onProgress: ({ phase, done, of }) => {
        if (phase === 'importing') shown.checking.stop();
        shown[phase].update(done, of);
      },
    }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' || error.code === 'EISDIR' || error.code === 'EACCES'
        ? new Complaint(`${file} cannot be read: ${error.message}`, '`npx tierline import bpic2013 --help` says where the log can be had')
        : error;
    });
  } finally {
    shown.checking.stop();
    shown.importing.stop();
  }
  const imported = seconds(began);
  if (!result.complete) {
    print(`Interrupted after ${count(result.imported, 'case')}. The same command goes on from there.\n`);
    return false;
  }
  await viewsCaughtUp(session, ownWorker, signal);
  print(inWords(result));
  print(`Imported in ${imported} s, in the views after ${seconds(began)} s.\n`);
  return true;
}

function inWords({ cases, rows, imported, events, alreadyThere, different, deviating, deviations }: ImportResult): string {
  const lines = [
    `${count(cases, 'case')} of ${count(rows, 'row')}: ${number(imported)} imported as ${count(events, 'event')}, ${number(alreadyThere)} there already`,
    ...(different.length === 0
      ? []
      : [
          `${count(different.length, 'case')} differ from what was imported before and were left as they are: ${different.slice(0, 10).join(', ')}${different.length > 10 ? ', …' : ''}`,
        ]),
    ...(deviating === 0 ? [] : [`${count(deviating, 'case')} did what the rules would have refused, and are marked:`]),
    ...Object.entries(deviations)
      .sort(([, one], [, other]) => other - one)
      .map(([code, cases]) => `  ${number(cases).padStart(7)}  ${code}`),
  ];
  return `${lines.join('\n')}\n`;
}

const number = (value: number): string => value.toLocaleString('en');
const count = (value: number, what: string): string => `${number(value)} ${what}${value === 1 ? '' : 's'}`;
const seconds = (since: number): string => ((Date.now() - since) / 1_000).toFixed(1);
