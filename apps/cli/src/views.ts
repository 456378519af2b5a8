import {
  type AnyFace,
  type AnyGroup,
  diagnoseGroup,
  type Diagnosis,
  followersOfOtherLog,
  newOwner,
  rebuildGroup,
  repartitionPolicies,
  restartPolicies,
} from '#mongo';
import { policies, projectionGroups } from '#ticketing';
import { discardTicketInstants, groupPosition } from '#ticketing-app';
import { type DeliveryHealth, deliveryHealth } from '#webhooks';
import { showProgress } from './progress.js';
import type { Session } from './session.js';

export const viewNames: readonly string[] = projectionGroups.flatMap(({ faces }) => faces.map(({ name }) => name));

/** The groups, each with its requested faces. */
function chosen(view: string | undefined): readonly { readonly group: AnyGroup; readonly faces: readonly AnyFace[] }[] {
  return projectionGroups
    .map((group) => ({ group, faces: group.faces.filter(({ name }) => view === undefined || name === view) }))
    .filter(({ faces }) => faces.length > 0);
}

/**
 * Rebuilds one view, or all, beside the present ones, and switches.
 * @param partitions the new number for its group, and for the policies if all views are rebuilt; default: unchanged
 */
export async function rebuild(
  { store, mongo }: Session,
  view: string | undefined,
  partitions: number | undefined,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const owner = newOwner();
  for (const { group, faces } of chosen(view)) {
    const began = Date.now();
    const names = faces.map(({ name }) => name).join(', ');
    const end = Number((await groupPosition(mongo, group.name))?.commit ?? 0);
    const progress = showProgress(`Rebuilding ${names}`, 'of the log');
    try {
      const { events } = await rebuildGroup({
        db: mongo.db,
        store,
        group,
        faces,
        ...(partitions === undefined ? {} : { partitions }),
        owner,
        signal,
        // The number of events is unknown beforehand, but the progress of the present view is known.
        onProgress: ({ phase, events, position }) =>
          progress.update(Math.min(position, end), end, `${events.toLocaleString('en')} events${phase === 'building' ? '' : `, ${phase}`}`),
      });
      progress.stop();
      print(
        `${names}: rebuilt from ${events.toLocaleString('en')} events in ${((Date.now() - began) / 1_000).toFixed(1)} s, and switched\n`,
      );
    } finally {
      progress.stop();
    }
  }
  if (view !== undefined) return;
  await discardTicketInstants(mongo);
  const categories = new Set(policies.map(({ aggregate }) => aggregate.category));
  for (const category of categories) {
    if (await restartPolicies(mongo.db, store, category, owner, { signal }))
      print(`policies: they had followed another log, and begin again at the start of this one\n`);
  }
  if (partitions === undefined) return;
  for (const category of categories) await repartitionPolicies(mongo.db, category, partitions, owner, { signal });
  print(`policies: divided into ${partitions}\n`);
}

/** Compares one view, or all, with a fresh fold of the log, and checks that all have followed this log. @returns whether all is well */
export async function doctor(
  { store, mongo }: Session,
  view: string | undefined,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<boolean> {
  let well = true;
  for (const name of view === undefined ? await followersOfOtherLog(mongo.db, store) : []) {
    well = false;
    print(`BAD  ${name}: has followed another log than this one\n     \`npx tierline rebuild\` brings all of them back\n`);
  }
  for (const { group, faces } of chosen(view)) {
    const progress = showProgress(`Folding the log for ${faces.map(({ name }) => name).join(', ')}`, 'events');
    try {
      const onProgress = (events: number) => progress.update(events, undefined);
      const diagnoses = await diagnoseGroup({ db: mongo.db, store, group, faces, signal, onProgress });
      progress.stop();
      for (const diagnosis of diagnoses) {
        print(inWords(diagnosis, viewNames.includes(diagnosis.view) ? diagnosis.view : (faces[0]?.name ?? '')));
        if (diagnosis.different > 0) well = false;
      }
    } finally {
      progress.stop();
    }
  }
  if (view === undefined)
    for (const [kind, health] of Object.entries(await deliveryHealth(mongo.db, store))) print(deliveriesInWords(kind, health));
  return well;
}

/** Failures of external services are for a person to look at, and are not faults of the views. */
function deliveriesInWords(kind: string, { state, lagMs, broken, waiting, dead }: DeliveryHealth): string {
  const isWell = state === 'running' && dead === 0;
  const left = broken.map((id) => `     ${id}: left alone until it is tried again, because it fails\n`).join('');
  return `${isWell ? 'ok  ' : 'look'} ${kind}: ${state}, ${lagMs} ms behind the log, ${waiting} waiting to be sent again, ${dead} given up\n${left}`;
}

/** @param rebuild the view to rebuild as a remedy */
function inWords({ view, compared, moving, events, behind, different, differences }: Diagnosis, rebuild: string): string {
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
    ...(different > 0 ? [`     \`npx tierline rebuild ${rebuild}\` rebuilds it`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function json(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
