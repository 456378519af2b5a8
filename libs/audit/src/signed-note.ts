import * as ed25519 from '@noble/ed25519';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { base64, concat, equal, fromBase64, hex, utf8 } from './bytes.js';

ed25519.hashes.sha512 = (message) => sha512(message);

/** The kinds of signatures: of the text alone, and of the text with a time, as in the C2SP `tlog-cosignature` of witnesses. */
const ED25519 = 1;
const COSIGNATURE = 4;

/** Checks a signature by RFC 8032. Pass a native one for heavy use. */
export type Ed25519Verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean;

/** A public key with its signer's name. */
export interface VerifierKey {
  readonly name: string;
  readonly algorithm: typeof ED25519 | typeof COSIGNATURE;
  readonly publicKey: Uint8Array;
  /** Four bytes that distinguish the keys of one name. */
  readonly keyHash: Uint8Array;
}

/** A private key. Its text is a secret. */
export interface SignerKey extends VerifierKey {
  readonly seed: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyHash: Uint8Array;
  readonly signature: Uint8Array;
}

/** A text with signatures, in the format of `golang.org/x/mod/sumdb/note` and C2SP `signed-note`. */
export interface SignedNote {
  /** The signed text; ends with a line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const NAME = /^[^\s+\p{C}]+$/u;

/** Whether a text can name a signer: no spaces, no plus sign. */
export function isKeyName(name: string): boolean {
  return NAME.test(name);
}

function withKeyHash(name: string, algorithm: VerifierKey['algorithm'], publicKey: Uint8Array): VerifierKey {
  const keyHash = sha256(concat(utf8(`${name}\n`), Uint8Array.of(algorithm), publicKey)).slice(0, 4);
  return { name, algorithm, publicKey, keyHash };
}

/** @param seed 32 random bytes @throws RangeError if the name is invalid */
export function signerKey(name: string, seed: Uint8Array): SignerKey {
  if (!isKeyName(name)) throw new RangeError(`${JSON.stringify(name)} cannot name a key`);
  return { ...withKeyHash(name, ED25519, ed25519.getPublicKey(seed)), seed };
}

/** `<name>+<key hash>+<key>`, as for Go's `note.NewVerifier`. */
export function verifierKeyText({ name, algorithm, publicKey, keyHash }: VerifierKey): string {
  return `${name}+${hex(keyHash)}+${base64(concat(Uint8Array.of(algorithm), publicKey))}`;
}

/** `PRIVATE+KEY+<name>+<key hash>+<seed>`, as for Go's `note.NewSigner`. */
export function signerKeyText({ name, keyHash, seed }: SignerKey): string {
  return `PRIVATE+KEY+${name}+${hex(keyHash)}+${base64(concat(Uint8Array.of(ED25519), seed))}`;
}

/** Undefined if the text is not a key of a known kind, or its hash does not match. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const [name, keyHash, ...rest] = text.trim().split('+');
  // Base64 may contain plus signs.
  const key = fromBase64(rest.join('+'));
  const algorithm = key?.[0];
  if (name === undefined || !isKeyName(name) || key?.length !== 33 || (algorithm !== ED25519 && algorithm !== COSIGNATURE))
    return undefined;
  const parsed = withKeyHash(name, algorithm, key.slice(1));
  return hex(parsed.keyHash) === keyHash ? parsed : undefined;
}

export function parseSignerKey(text: string): SignerKey | undefined {
  const [, name, keyHash, secret] = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text.trim()) ?? [];
  const key = secret === undefined ? undefined : fromBase64(secret);
  if (name === undefined || !isKeyName(name) || key?.length !== 33 || key[0] !== ED25519) return undefined;
  const parsed = signerKey(name, key.slice(1));
  return hex(parsed.keyHash) === keyHash ? parsed : undefined;
}

/** Signs a text that ends with a line feed; existing signatures are kept. */
export function sign({ text, signatures = [] }: Pick<SignedNote, 'text'> & Partial<SignedNote>, key: SignerKey): SignedNote {
  const { name, keyHash, seed } = key;
  return { text, signatures: [...signatures, { name, keyHash, signature: ed25519.sign(utf8(text), seed) }] };
}

export function noteText({ text, signatures }: SignedNote): string {
  return `${text}\n${signatures.map(signatureLine).join('')}`;
}

function signatureLine({ name, keyHash, signature }: NoteSignature): string {
  return `— ${name} ${base64(concat(keyHash, signature))}\n`;
}

/** Parses a signed note; undefined if it is malformed. */
export function parseNote(note: string): SignedNote | undefined {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) return undefined;
  const signatures = parseSignatures(note.slice(end + 2));
  return signatures === undefined || signatures.length === 0 ? undefined : { text: note.slice(0, end + 1), signatures };
}

/** Lines with only signatures, as witnesses answer. */
export function parseSignatures(lines: string): readonly NoteSignature[] | undefined {
  const signatures: NoteSignature[] = [];
  for (const line of lines.split('\n').slice(0, -1)) {
    const [, name, encoded] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = encoded === undefined ? undefined : fromBase64(encoded);
    if (name === undefined || !isKeyName(name) || bytes === undefined || bytes.length < 5) return undefined;
    signatures.push({ name, keyHash: bytes.slice(0, 4), signature: bytes.slice(4) });
  }
  return lines.endsWith('\n') ? signatures : undefined;
}

/**
 * The given keys that have signed a note. An invalid signature with a known name and key hash makes the entire note invalid (undefined);
 * signatures of unknown keys are ignored.
 */
export function signersOf(
  { text, signatures }: SignedNote,
  keys: readonly VerifierKey[],
  verify: Ed25519Verify = portableVerify,
): readonly VerifierKey[] | undefined {
  const signers: VerifierKey[] = [];
  for (const { name, keyHash, signature } of signatures) {
    const key = keys.find((known) => known.name === name && equal(known.keyHash, keyHash));
    if (key === undefined) continue;
    if (!isSignedBy(text, signature, key, verify)) return undefined;
    if (!signers.includes(key)) signers.push(key);
  }
  return signers;
}

function isSignedBy(text: string, signature: Uint8Array, { algorithm, publicKey }: VerifierKey, verify: Ed25519Verify): boolean {
  if (algorithm === ED25519) return signature.length === 64 && verify(signature, utf8(text), publicKey);
  if (signature.length !== 72) return false;
  const time = new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0);
  return verify(signature.slice(8), utf8(`cosignature/v1\ntime ${time}\n${text}`), publicKey);
}

const portableVerify: Ed25519Verify = (signature, message, publicKey) => {
  try {
    // As Go, OpenSSL and Python verify: not by the laxer rules of ZIP 215.
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
};
