import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseSignerKey, signerKey, type SignerKey, signerKeyText, verifierKeyText } from '#audit';
import type { EventStore } from '#eventsourcing';
import { introduceKey, readSealLog } from './seal-log.js';

/** A sealing key that cannot be used. */
export class SealingKeyUnusable extends Error {
  override readonly name = 'SealingKeyUnusable';
}

/**
 * The sealing key in a file; where there is none, one is made that only its owner can read. Its name, which names the log too, is made with it.
 * @throws SealingKeyUnusable
 */
export async function sealingKeyIn(file: string): Promise<SignerKey> {
  const key = await readKey(file);
  if (key !== undefined) return key;
  await mkdir(dirname(file), { recursive: true });
  return makeKey(file, `tierline-${randomBytes(6).toString('hex')}`);
}

/**
 * Replaces the sealing key in a file. The present one vouches for it in the log; from then on only the new one signs.
 * Begun and broken off, it is brought to its end the next time.
 */
export async function rotateKey(store: EventStore, file: string): Promise<SignerKey> {
  const present = await sealingKeyIn(file);
  const coming = `${file}.next`;
  const next = (await readKey(coming)) ?? (await makeKey(coming, present.name));
  const log = await readSealLog(store);
  const last = log.keys.at(-1)?.key;
  if (last === undefined) await introduceKey(store, await introduceKey(store, log, present), next, present);
  else if (verifierKeyText(last) === verifierKeyText(present)) await introduceKey(store, log, next, present);
  else if (verifierKeyText(last) !== verifierKeyText(next))
    throw new SealingKeyUnusable(`${file} does not hold the key that seals the log, ${verifierKeyText(last)}`);
  await rename(file, `${file}.before`);
  await rename(coming, file);
  return next;
}

async function readKey(file: string): Promise<SignerKey | undefined> {
  let text;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const key = parseSignerKey(text);
  if (key === undefined) throw new SealingKeyUnusable(`${file} holds no signing key`);
  return key;
}

/** Makes a key, unless another process was faster. On disk when it returns. */
async function makeKey(file: string, name: string): Promise<SignerKey> {
  const key = signerKey(name, randomBytes(32));
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(`${signerKeyText(key)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await readKey(file)) ?? key;
  }
}
