import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { parseSignerKey, signerKey, type SignerKey, signerKeyText, verifierKeyText } from '#audit';
import type { EventStore } from '#eventsourcing';
import { keptSecret } from '#platform';
import { introduceKey, readSealLog } from './seal-log.js';

/** A sealing key that cannot be used. */
export class SealingKeyUnusable extends Error {
  override readonly name = 'SealingKeyUnusable';
}

/**
 * The sealing key in a file; created if missing, readable only by its owner. Its name, which also names the log, is made with it.
 * @param isNeeded whether a log is already sealed with it: then a missing one is not replaced
 * @throws SealingKeyUnusable
 */
export async function sealingKeyIn(file: string, isNeeded = false): Promise<SignerKey> {
  if (isNeeded && !existsSync(file)) throw new SealingKeyUnusable(`${file} is missing, the key that seals the log: put it back`);
  return keyIn(file, `tierline-${randomBytes(6).toString('hex')}`);
}

/**
 * Replaces the sealing key in a file. The current one vouches for the new one in the log; from then on only the new one signs. An
 * interrupted replacement is completed the next time.
 */
export async function rotateKey(store: EventStore, file: string): Promise<SignerKey> {
  const log = await readSealLog(store);
  const coming = `${file}.next`;
  if (!existsSync(file) && existsSync(coming)) {
    // It was interrupted between its two moves.
    const begun = await keyIn(coming, '');
    if (log.keys.some(({ key }) => verifierKeyText(key) === verifierKeyText(begun))) {
      await rename(coming, file);
      return begun;
    }
  }
  const present = await sealingKeyIn(file, log.keys.length > 0);
  const next = await keyIn(coming, present.name);
  const last = log.keys.at(-1)?.key;
  if (last === undefined) await introduceKey(store, await introduceKey(store, log, present), next, present);
  else if (verifierKeyText(last) === verifierKeyText(present)) await introduceKey(store, log, next, present);
  else if (verifierKeyText(last) !== verifierKeyText(next))
    throw new SealingKeyUnusable(`${file} does not hold the key that seals the log, ${verifierKeyText(last)}`);
  await rename(file, `${file}.before`);
  await rename(coming, file);
  return next;
}

/** The key in a file; created if missing. @throws SealingKeyUnusable */
async function keyIn(file: string, name: string): Promise<SignerKey> {
  const key = parseSignerKey(await keptSecret(file, () => signerKeyText(signerKey(name, randomBytes(32)))));
  if (key === undefined) throw new SealingKeyUnusable(`${file} holds no signing key`);
  return key;
}
