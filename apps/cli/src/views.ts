import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { diagnoseView, rebuildView, type Diagnosis } from '#mongo';
import { projections } from '#ticketing';
import { showProgress } from './progress.js';
import type { Session } from './session.js';

export const viewNames: readonly string[] = projections.map(({ name }) => name);

/** Builds the view, or all, anew beside the present ones, and switches. */
export async function rebuild(
  { store, mongo }: Session,
  view: string | undefined,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const owner = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  for (const projection of projections) {
    if (view !== undefined && projection.name !== view) continue;
    const began = Date.now();
    const present = await mongo.db
      .collection<{ _id: string; checkpoint: { commit: string } | null }>('views')
      .findOne({ _id: projection.name });
    const end = Number(present?.checkpoint?.commit ?? 0);
    const progress = showProgress(`Rebuilding ${projection.name}`, 'of the log');
    try {
      const { events } = await rebuildView({
        db: mongo.db,
        store,
        projection,
        owner,
        signal,
        // How many events there are is not known beforehand; how far the present view has come is.
        onProgress: ({ phase, events, position }) =>
          progress.update(Math.min(position, end), end, `${events.toLocaleString('en')} events${phase === 'building' ? '' : `, ${phase}`}`),
      });
      progress.stop();
      print(
        `${projection.name}: built anew from ${events.toLocaleString('en')} events in ${((Date.now() - began) / 1_000).toFixed(1)} s, and switched\n`,
      );
    } finally {
      progress.stop();
    }
  }
}

/** Compares the view, or all, with a fresh fold of the log. @returns whether they agree */
export async function doctor(
  { store, mongo }: Session,
  view: string | undefined,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<boolean> {
  let well = true;
  for (const projection of projections) {
    if (view !== undefined && projection.name !== view) continue;
    const progress = showProgress(`Folding the log for ${projection.name}`, 'events');
    try {
      const diagnosis = await diagnoseView({
        db: mongo.db,
        store,
        projection,
        signal,
        onProgress: (events) => progress.update(events, undefined),
      });
      progress.stop();
      print(inWords(diagnosis));
      if (diagnosis.different > 0) well = false;
    } finally {
      progress.stop();
    }
  }
  return well;
}

function inWords({ view, compared, moving, events, behind, different, differences }: Diagnosis): string {
  const count = (number: number, what: string): string => `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;
  const remarks = [
    ...(behind > 0 ? [`${count(behind, 'event')} not projected yet`] : []),
    ...(moving > 0 ? [`${count(moving, 'document')} changed too fast to be judged: run it again`] : []),
  ];
  const lines = [
    `${different === 0 ? 'ok  ' : 'BAD '} ${view}: ${count(compared, 'document')} compared with a fresh fold of ${count(events, 'event')}, ${different === 0 ? 'no difference' : count(different, 'difference')}${remarks.map((remark) => `; ${remark}`).join('')}`,
    ...differences.flatMap(({ id, kind, fields = [] }) => [
      `     ${id}: ${kind}`,
      ...fields.map(({ path, expected, found }) => `       ${path}: the log makes it ${json(expected)}, the view has ${json(found)}`),
    ]),
    ...(different > differences.length ? [`     and ${different - differences.length} more`] : []),
    ...(different > 0 ? [`     \`npx tierline rebuild ${view}\` builds it anew`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function json(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
