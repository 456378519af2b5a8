import { open, readFile } from 'node:fs/promises';
import {
  base64,
  type PackVerdict,
  parseNote,
  parseTreeHead,
  parseVerifierKey,
  type TreeHead,
  type VerifierKey,
  verifierKeyText,
  verifyPack,
} from '#audit';
import { asStored, ERASED, type Instant, type StoredEvent, streamName, valueAt } from '#eventsourcing';
import type { Config } from '#platform';
import { UNREADABLE } from '#privacy';
import {
  auditLog,
  exportPack,
  LogTree,
  nativeEd25519,
  nativeSha256,
  NothingToExport,
  type PackRequest,
  publishedHeads,
  publishingOf,
  readSealLog,
  rotateKey,
  seal,
  type Sealed,
  type SealingHealth,
  sealingHealth,
  sealingKeyIn,
} from '#sealing';
import { contract, defaultContract, ticket } from '#ticketing';
import { sealedCategories, tzdata } from '#ticketing-app';
import { Complaint, asUnwritable } from './complaint.js';
import { differencesOfReport } from './verify-report.js';
import { showProgress } from './progress.js';
import type { Session } from './session.js';

type Print = (text: string) => void;

const count = (number: number, what: string): string => `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;

/** Seals the current log. */
export async function runSeal(
  { store, mongo }: Session,
  { sealing }: Config,
  { newKey = false, rebuild = false }: { readonly newKey?: boolean; readonly rebuild?: boolean },
  signal: AbortSignal,
  print: Print,
): Promise<void> {
  if (newKey) {
    const key = await rotateKey(store, sealing.keyFile);
    print(`From now on the log is sealed with ${verifierKeyText(key)}\n`);
  }
  if (rebuild) await dropTree({ store, mongo });
  const sealed = await sealLog({ store, mongo }, sealing, signal, print);
  if (sealed === undefined) return print('There is nothing to seal yet\n');
  const { head, log, isNew } = sealed;
  print(
    `${isNew ? 'Sealed' : 'Nothing new since the last tree head:'} ${count(head.size, 'event')} in ${count(head.streams.size, 'stream')} at ${head.at}\n` +
      `  root  ${base64(head.root)}\n  key   ${verifierKeyText(log.keys.at(-1)!.key)}\n  kept  ${sealing.headsFile}\n`,
  );
}

/** Deletes the tree of the log: the next sealing rebuilds it. */
export async function dropTree({ store, mongo }: Pick<Session, 'store' | 'mongo'>): Promise<void> {
  await new LogTree(store, mongo.db, sealedCategories).drop();
}

async function sealLog(
  { store, mongo }: Pick<Session, 'store' | 'mongo'>,
  sealing: Config['sealing'],
  signal: AbortSignal,
  print: Print,
): Promise<Sealed | undefined> {
  return seal({
    store,
    tree: new LogTree(store, mongo.db, sealedCategories),
    key: (isNeeded) => sealingKeyIn(sealing.keyFile, isNeeded),
    publishing: publishingOf(sealing),
    onWitnessFailed: (error) => print(`The witness did not sign: ${(error as Error).message}\n`),
    signal,
  });
}

/** Content of a pack: exactly one of these. */
export interface ExportWords {
  readonly ticket?: string;
  readonly client?: string;
  readonly period?: { readonly from: Instant; readonly to: Instant };
  readonly out: string;
}

/** Seals the log, and writes a proof pack. */
export async function runExport(
  session: Session,
  { sealing }: Config,
  words: ExportWords,
  signal: AbortSignal,
  print: Print,
): Promise<void> {
  const request = requestOf(words);
  const { store, mongo } = session;
  const sealed = await sealLog(session, sealing, signal, print);
  if (sealed === undefined) throw new Complaint('The log is empty', '`npm run demo` fills it with a day of a service desk');
  const file = await open(words.out, 'wx').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST'
      ? new Complaint(`${words.out} is there already`, 'Name a file that is not there yet')
      : asUnwritable(words.out, error);
  });
  try {
    const counts = await exportPack({
      store,
      tree: new LogTree(store, mongo.db, sealedCategories),
      sealed,
      key: await sealingKeyIn(sealing.keyFile, true),
      request,
      definitions: [
        { name: 'tzdata', value: tzdata },
        { name: 'default-contract', value: defaultContract },
        { name: 'categories', value: sealedCategories },
      ],
      streamsOfTicket: (client) => [streamName(contract, client)],
      write: async (line) => {
        signal.throwIfAborted();
        await file.write(line);
      },
    }).catch((error: unknown) => {
      throw error instanceof NothingToExport ? new Complaint(error.message, 'GET /v1/tickets lists tickets with their ids') : error;
    });
    print(
      `${words.out}: ${count(counts.events, 'event')} of ${count(counts.streams, 'stream')}, sealed at ${sealed.head.at} with ${count(sealed.head.size, 'event')} in the log\n` +
        `  \`npx tierline verify ${words.out}\` checks it, without any store\n`,
    );
  } finally {
    await file.close();
  }
}

function requestOf({ ticket: id, client, period }: ExportWords): PackRequest {
  const given = [id, client, period].filter((one) => one !== undefined);
  if (given.length !== 1) throw new Complaint('Name what to export', 'One of --ticket ID, --client NAME and --period FROM/TO');
  if (period !== undefined) return { kind: 'period', ...period };
  if (client !== undefined) return { kind: 'client', client };
  // Ids are in lower case; a typed or copied one may not be.
  const named = (id as string).toLowerCase().replace(new RegExp(`^${ticket.category}-`), '');
  return { kind: 'ticket', ticket: named, stream: streamName(ticket, named) };
}

export interface VerifyWords {
  readonly key?: readonly string[];
  readonly heads?: string;
  /** A root cause report to compare with the pack. */
  readonly report?: string;
  readonly json?: boolean;
}

/** Verifies a proof pack, without stores. @returns whether it is valid */
export async function runVerify(pack: string, { key = [], heads, report, json = false }: VerifyWords, print: Print): Promise<boolean> {
  const trustedKeys = key.map((text): VerifierKey => {
    const parsed = parseVerifierKey(text);
    if (parsed === undefined)
      throw new Complaint(`${JSON.stringify(text)} is no key`, 'A key is <name>+<hash>+<base64>, as `tierline seal` prints it');
    return parsed;
  });
  const published = heads === undefined ? [] : await publishedHeads(heads);
  if (heads !== undefined && published.length === 0)
    throw new Complaint(`${heads} holds no tree heads`, 'It is the file that TREE_HEADS_FILE names');
  const content = await readFile(pack).catch((error: Error) => {
    throw new Complaint(`The pack cannot be read: ${error.message}`, '`tierline export` writes one');
  });
  const verdict = verifyPack(content, { trustedKeys, publishedHeads: published, sha256: nativeSha256, ed25519: nativeEd25519 });
  const differences = report === undefined ? undefined : await differencesOfReport(report, content);
  const reported = differences && { report: { holds: differences.length === 0, differences } };
  print(json ? `${JSON.stringify({ ...verdict, ...reported })}\n` : inWords(verdict, trustedKeys.length > 0) + reportInWords(differences));
  return verdict.integrity && verdict.completeness && (differences ?? []).length === 0;
}

function reportInWords(differences: readonly string[] | undefined): string {
  if (differences === undefined) return '';
  const lines = [
    `report        ${differences.length === 0 ? 'holds: it tells of events as the pack has them' : 'FAILS'}`,
    ...differences.slice(0, 20),
  ];
  return `${lines.join('\n              ')}\n`;
}

function inWords({ integrity, completeness, failures, events, streams, head, provenFrom, keys }: PackVerdict, isTrusted: boolean): string {
  const verdict = (holds: boolean): string => (holds ? 'holds' : 'FAILS');
  const lines = [
    `integrity     ${verdict(integrity)}`,
    `completeness  ${verdict(completeness)}`,
    `              ${count(events, 'event')} of ${count(streams, 'stream')}`,
    ...(head === undefined ? [] : [`sealed        ${head.at}, ${count(head.size, 'event')} in the log ${head.origin}`]),
    ...(provenFrom === undefined
      ? []
      : [`proof begins  ${provenFrom.at}: the first ${count(provenFrom.size, 'event')} of the log were sealed then, as they were found`]),
    ...(isTrusted
      ? []
      : keys.map((key) => `key           ${key}: compare it with one that you had from elsewhere, or pass that with --key`)),
    ...failures
      .slice(0, 20)
      .map(({ line, code, event, verdict }) => `line ${line}: ${code}${event === undefined ? '' : ` ${event}`} (${verdict})`),
    ...(failures.length > 20 ? [`and ${failures.length - 20} more`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** Checks the log itself: every chain of hashes, every tree head, and whether personal data can be read. @returns whether all is well */
export async function auditTheLog({ store, mongo }: Session, { sealing }: Config, signal: AbortSignal, print: Print): Promise<boolean> {
  const progress = showProgress('Checking the log', 'events');
  try {
    const personal = new PersonalData();
    const published = await publishedTreeHeads(sealing.headsFile, (await readSealLog(store).catch(() => undefined))?.origin);
    const onEvent = (event: StoredEvent, done: number): void => {
      personal.add(event);
      if (done % 1_000 === 0) progress.update(done, undefined);
    };
    const audit = await auditLog(store, sealedCategories, signal, { published, onEvent });
    const { events, streams, brokenChains, heads, falseHeads, falsePublished, sealLog, sealed, since } = audit;
    progress.stop();
    const well = brokenChains.length === 0 && falseHeads.length === 0 && falsePublished.length === 0 && sealLog === undefined;
    const lines = [
      `${well ? 'ok  ' : 'BAD '} log: ${count(events, 'event')} in ${count(streams, 'stream')}, ${brokenChains.length === 0 ? 'every chain of hashes holds' : count(brokenChains.length, 'broken chain')}; ${
        since === undefined
          ? 'not sealed yet'
          : `${count(heads, 'tree head')} since ${since}, the last true one over ${count(sealed, 'event')}`
      }`,
      ...brokenChains.slice(0, 20).map(({ stream, revision, reason }) => `     ${stream}: ${reason} at event ${revision}`),
      ...falseHeads.slice(0, 20).map((size) => `     the tree head of ${count(size, 'event')} does not fit the log`),
      ...falsePublished
        .slice(0, 20)
        .map((size) => `     the log is not the one of which ${sealing.headsFile} has a tree head of ${count(size, 'event')}`),
      ...(sealLog === undefined ? [] : [`     ${sealLog}`]),
    ];
    const health = await sealingHealth(mongo.db, store, sealedCategories);
    print(`${lines.join('\n')}\n${health === undefined ? '' : sealingInWords(health)}${personal.inWords()}`);
    return well && personal.lost === 0;
  } finally {
    progress.stop();
  }
}

/** The heads in a file that belong to a log. */
async function publishedTreeHeads(file: string, origin: string | undefined): Promise<readonly TreeHead[]> {
  return (await publishedHeads(file)).flatMap((note) => {
    const head = parseTreeHead(parseNote(note)?.text ?? '');
    return head !== undefined && head.origin === origin ? [head] : [];
  });
}

/** Whether personal data can be read, counted in encrypted parts of events. */
class PersonalData {
  readonly #streams = new Set<string>();
  #readable = 0;
  #erased = 0;
  /** Events with missing keys that nobody had destroyed. */
  lost = 0;

  add(event: StoredEvent): void {
    for (const { fields } of asStored(event).metadata.personal ?? []) {
      const values = fields.map((field) => valueAt(event, field));
      if (values.includes(UNREADABLE)) {
        this.lost++;
        this.#streams.add(event.stream);
      } else if (values.every((value) => value === ERASED)) this.#erased++;
      else this.#readable++;
    }
  }

  inWords(): string {
    if (this.lost + this.#erased + this.#readable === 0) return '';
    const known = `${this.#readable.toLocaleString('en')} encrypted parts of events can be read, ${this.#erased.toLocaleString('en')} were erased`;
    if (this.lost === 0) return `ok   personal data: ${known}\n`;
    const some = [...this.#streams].slice(0, 5).join(', ');
    return (
      `BAD  personal data: ${known}, ${this.lost.toLocaleString('en')} in ${count(this.#streams.size, 'stream')} are lost: their keys are missing, and nobody had them destroyed\n` +
      `     ${some}${this.#streams.size > 5 ? ', …' : ''}\n` +
      '     personal_keys in MongoDB is not the collection that belongs to this log: restore it from a backup\n'
    );
  }
}

/** Failures outside the stores are for a person to look at, and are not faults of the log. */
function sealingInWords({ state, lagMs, head, trouble }: SealingHealth): string {
  const last = head === undefined ? 'it has seen no tree head yet' : `the last tree head at ${head.at} over ${count(head.size, 'event')}`;
  const waiting = lagMs === 0 ? 'nothing waits for one' : `the oldest event without one is ${lagMs.toLocaleString('en')} ms old`;
  const why = trouble === undefined ? '' : `     ${trouble.code} since ${trouble.at}: ${trouble.message}\n`;
  return `${state === 'running' ? 'ok  ' : 'look'} sealing: ${state}, ${last}, ${waiting}\n${why}`;
}
