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
import { type Actor, appendChained, type EventStore, followChain, instantFrom, type NewEvent, SEAL_STREAM } from '#eventsourcing';
import { nativeEd25519 } from './native.js';

/** Events of the stream of tree heads. They are not leaves of the tree: each head would require another one. */
export interface SealEvents {
  /** A key signs from now on. The note, `<origin>\nkey <key>`, is signed by it, and by the previous key. */
  SealingKeyIntroduced: { readonly note: string };
  /** The current state of the log: a signed tree head. */
  TreeHeadSigned: { readonly note: string };
}

/** The signed heads of a log, and its signing keys. */
export interface SealLog {
  readonly chain: typeof NO_EVENTS;
  /** Name of the log; undefined before the first key. */
  readonly origin: string | undefined;
  /** In order of introduction: the last one signs. */
  readonly keys: readonly { readonly key: VerifierKey; readonly note: string }[];
  readonly heads: readonly { readonly head: TreeHead; readonly note: string }[];
}

/** The stream of tree heads was not written by this program. */
export class SealLogBroken extends Error {
  override readonly name = 'SealLogBroken';
}

/**
 * Reads the seals, and checks their chain of hashes and the succession of keys; checks the signature of the last head, or of all.
 * @throws SealLogBroken, StoreUnavailable
 */
export async function readSealLog(store: EventStore, { everySignature = false } = {}): Promise<SealLog> {
  const isSigned = ({ note }: SealLog['heads'][number], keys: SealLog['keys']): boolean =>
    Boolean(
      signersOf(
        parseNote(note)!,
        keys.map(({ key }) => key),
        nativeEd25519,
      )?.length,
    );
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
      if (
        key === undefined ||
        origin !== (log.origin ?? origin) ||
        signersOf(note, expected ?? [], nativeEd25519)?.length !== expected?.length
      )
        throw broken('the key is not introduced by the one before it');
      log = { ...log, chain, origin, keys: [...log.keys, { key, note: text }] };
    } else if (event.type === 'TreeHeadSigned') {
      const head = parseTreeHead(note.text);
      const signed = head && { head, note: text };
      if (signed === undefined || signed.head.origin !== log.origin || (everySignature && !isSigned(signed, log.keys)))
        throw broken('the tree head is not signed by a key of the log');
      // A long list: appended in place, as nobody else has it.
      (log.heads as { head: TreeHead; note: string }[]).push(signed);
      log = { ...log, chain };
    } else throw broken(`unknown event ${event.type}`);
  }
  const last = log.heads.at(-1);
  if (last !== undefined && !isSigned(last, log.keys))
    throw new SealLogBroken(`${SEAL_STREAM}: the last tree head is not signed by a key of the log`);
  return log;
}

const SEALER: Actor = { id: 'sealer', kind: 'system' };

function sealEvent<Type extends keyof SealEvents>(type: Type, data: SealEvents[Type]): NewEvent {
  const now = instantFrom(Date.now());
  const commandId = randomUUID();
  const metadata = { commandId, commandType: 'Seal', correlationId: commandId, causationId: commandId, actor: SEALER, client: '' };
  return { id: randomUUID(), type, data, metadata: { ...metadata, effectiveAt: now, recordedAt: now, schemaVersion: 1 } };
}

/** Introduces a key: the first one of a log, or one that the current key vouches for. @throws RevisionConflict */
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
