import { equal, noteText, parseNote, parseTreeHead, sign, type SignerKey, type TreeHead, treeHeadText, verifierKeyText } from '#audit';
import { type EventStore, instantFrom, RevisionConflict } from '#eventsourcing';
import { type LogTree, tree, TreeMoves, type TreeState } from './log-tree.js';
import { cosigned, publish, publishedHeads, type Publishing } from './publish.js';
import { addHead, introduceKey, readSealLog, type SealLog } from './seal-log.js';
import { SealingKeyUnusable } from './sealing-key.js';

/** The log contradicts its seals: it was changed, or truncated, since. Nothing that says otherwise is signed. */
export class LogContradictsSeal extends Error {
  override readonly name = 'LogContradictsSeal';
}

export interface SealOptions {
  readonly store: EventStore;
  readonly tree: LogTree;
  /** Called each time: the key may have been replaced. @param isNeeded whether the log is already sealed with it */
  readonly key: (isNeeded: boolean) => Promise<SignerKey>;
  readonly publishing: Publishing;
  /** Called if the witness did not sign: the head is published without. */
  readonly onWitnessFailed?: (error: unknown) => void;
  readonly signal?: AbortSignal;
}

/** The log as it was sealed. */
export interface Sealed {
  readonly head: TreeHead;
  readonly note: string;
  readonly log: SealLog;
  readonly state: TreeState;
  /** False if nothing had been added since the last head. */
  readonly isNew: boolean;
}

/** Others may seal at the same time. */
const ATTEMPTS = 5;

/**
 * Seals the current log: extends the tree, signs its head, and publishes it. Undefined if there is nothing to seal.
 * @throws LogContradictsSeal, SealLogBroken, SealingKeyUnusable, TreeOfOtherLog, StoreUnavailable
 */
export async function seal(options: SealOptions): Promise<Sealed | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await sealOnce(options);
    } catch (error) {
      if (attempt === ATTEMPTS || !(error instanceof RevisionConflict || error instanceof TreeMoves)) throw error;
    }
  }
}

async function sealOnce({ store, tree: logTree, key, publishing, onWitnessFailed, signal }: SealOptions): Promise<Sealed | undefined> {
  const size = await logTree.extend(signal);
  if (size === 0) return undefined;
  let log = await readSealLog(store);
  const signer = await key(log.keys.length > 0);
  if (log.keys.length === 0) log = await introduceKey(store, log, signer);
  checkSigns(log, signer);
  const state = await logTree.state();
  const last = log.heads.at(-1);
  if (last !== undefined) await check(state, last.head, `the tree head of ${last.head.at}`);
  const known = (await publishedHeads(publishing.file)).at(-1);
  const published = known === undefined ? undefined : parseTreeHead(parseNote(known)?.text ?? '');
  if (published !== undefined && published.origin === log.origin) await check(state, published, `the head published at ${published.at}`);
  if (last !== undefined && last.head.size === state.size) {
    await publish(publishing, last.note, `Tree head ${last.head.size}`);
    return { ...last, log, state, isNew: false };
  }
  const { root, streams } = state;
  // Never before the last one, whatever this machine's clock says.
  const now = instantFrom(Date.now());
  const at = last !== undefined && last.head.at > now ? last.head.at : now;
  const head: TreeHead = { origin: log.origin as string, size: state.size, root, at, streams };
  let note = sign({ text: treeHeadText(head) }, signer);
  if (publishing.witness !== undefined) {
    const proof = (from: number) => tree.consistencyProof(from, state.size, state.nodes);
    try {
      note = await cosigned(publishing.witness, note, last?.head.size ?? 0, proof);
    } catch (error) {
      onWitnessFailed?.(error);
    }
  }
  const text = noteText(note);
  log = await addHead(store, log, head, text);
  await publish(publishing, text, `Tree head ${head.size}`);
  return { head, note: text, log, state, isNew: true };
}

async function check(state: TreeState, { size, root }: TreeHead, what: string): Promise<void> {
  if (size > state.size) throw new LogContradictsSeal(`The log has ${state.size} events; ${what} has ${size}: its end is missing`);
  if (!equal(await tree.root(size, state.nodes), root))
    throw new LogContradictsSeal(`The first ${size} events of the log are not those that ${what} sealed`);
}

/** Ensures that a key is the one that seals a log. @throws SealingKeyUnusable */
export function checkSigns({ keys }: SealLog, signer: SignerKey): void {
  const present = verifierKeyText(keys.at(-1)!.key);
  if (present !== verifierKeyText(signer))
    throw new SealingKeyUnusable(`The log is sealed with the key ${present}; ${verifierKeyText(signer)} is not introduced`);
}
