import { randomUUID } from 'node:crypto';
import {
  isBroken,
  keyText,
  NO_EVENTS,
  noteText,
  parseNote,
  parseTreeHead,
  parseVerifierKey,
  sign,
  type SignerKey,
  signersOf,
  type TreeHead,
  type VerifierKey,
  verifierKeyText,
} from '#audit';
import { type Actor, appendChained, type EventStore, followChain, instantFrom, type NewEvent } from '#eventsourcing';

/** Category of the stream of tree heads. Its events are no leaves of the tree: each head would make the next one necessary. */
export const SEALS = 'seal';
export const SEAL_STREAM = `${SEALS}-log`;

/** What the stream of tree heads says. */
export interface SealEvents {
  /** A key signs from now on. The note, `<origin>\nkey <key>`, is signed by it, and by the key before it. */
  SealingKeyIntroduced: { readonly note: string };
  /** The log as it is: a signed tree head. */
  TreeHeadSigned: { readonly note: string };
}

/** The signed heads of a log, and who may sign. */
export interface SealLog {
  readonly chain: typeof NO_EVENTS;
  /** Names the log; undefined before the first key. */
  readonly origin: string | undefined;
  /** In the order in which they were introduced: the last one signs. */
  readonly keys: readonly { readonly key: VerifierKey; readonly note: string }[];
  readonly heads: readonly { readonly head: TreeHead; readonly note: string }[];
}

/** The stream of tree heads is not one that this program wrote. */
export class SealLogBroken extends Error {
  override readonly name = 'SealLogBroken';
}

/** @throws SealLogBroken, StoreUnavailable */
export async function readSealLog(store: EventStore): Promise<SealLog> {
  let log: SealLog = { chain: NO_EVENTS, origin: undefined, keys: [], heads: [] };
  for await (const event of store.readStream(SEAL_STREAM)) {
    const broken = (why: string) => new SealLogBroken(`${SEAL_STREAM}@${event.revision}: ${why}`);
    const chain = followChain(log.chain, event);
    if (isBroken(chain)) throw broken(`the chain of hashes is broken (${chain.reason})`);
    const { note: text } = event.data as Partial<SealEvents[keyof SealEvents]>;
    const note = parseNote(text ?? '');
    if (text === undefined || note === undefined) throw broken('it holds no signed note');
    if (event.type === 'SealingKeyIntroduced') {
      const [, origin, keyLine] = /^(\S+)\nkey (\S+)\n$/.exec(note.text) ?? [];
      const key = parseVerifierKey(keyLine ?? '');
      const previous = log.keys.at(-1)?.key;
      const expected = key && [key, ...(previous ? [previous] : [])];
      if (key === undefined || origin !== (log.origin ?? origin) || signersOf(note, expected ?? [])?.length !== expected?.length)
        throw broken('the key is not introduced by the one before it');
      log = { ...log, chain, origin, keys: [...log.keys, { key, note: text }] };
    } else if (event.type === 'TreeHeadSigned') {
      const head = parseTreeHead(note.text);
      const signers = signersOf(
        note,
        log.keys.map(({ key }) => key),
      );
      if (head === undefined || head.origin !== log.origin || !signers?.length)
        throw broken('the tree head is not signed by a key of the log');
      // A long list: it is added to, and nobody else has it.
      (log.heads as { head: TreeHead; note: string }[]).push({ head, note: text });
      log = { ...log, chain };
    } else throw broken(`unknown event ${event.type}`);
  }
  return log;
}

const SEALER: Actor = { id: 'sealer', kind: 'system' };

function sealEvent<Type extends keyof SealEvents>(type: Type, data: SealEvents[Type]): NewEvent {
  const now = instantFrom(Date.now());
  const commandId = randomUUID();
  const metadata = { commandId, commandType: 'Seal', correlationId: commandId, causationId: commandId, actor: SEALER, client: '' };
  return { id: randomUUID(), type, data, metadata: { ...metadata, effectiveAt: now, recordedAt: now, schemaVersion: 1 } };
}

/** Introduces a key: the first one of a log, or one that the present key vouches for. @throws RevisionConflict */
export async function introduceKey(store: EventStore, log: SealLog, key: SignerKey, previous?: SignerKey): Promise<SealLog> {
  const origin = log.origin ?? key.name;
  const signed = sign({ text: keyText(origin, verifierKeyText(key)) }, key);
  const note = noteText(previous === undefined ? signed : sign(signed, previous));
  const { chain } = await appendChained(store, SEAL_STREAM, log.chain, [sealEvent('SealingKeyIntroduced', { note })]);
  return { ...log, chain, origin, keys: [...log.keys, { key, note }] };
}

/** Adds a signed head. @throws RevisionConflict */
export async function addHead(store: EventStore, log: SealLog, head: TreeHead, note: string): Promise<SealLog> {
  const { chain } = await appendChained(store, SEAL_STREAM, log.chain, [sealEvent('TreeHeadSigned', { note })]);
  return { ...log, chain, heads: [...log.heads, { head, note }] };
}
