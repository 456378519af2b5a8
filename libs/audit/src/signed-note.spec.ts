import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { base64, concat, hex, utf8 } from './bytes.js';
import {
  noteText,
  parseNote,
  parseSignatures,
  parseSignerKey,
  parseVerifierKey,
  sign,
  signerKey,
  signerKeyText,
  signersOf,
  verifierKeyText,
  type SignerKey,
  type VerifierKey,
} from './signed-note.js';
import { parseTreeHead, treeHeadText } from './tree-head.js';

// The keys and the note of the documentation of golang.org/x/mod/sumdb/note.
const SECRET = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const PUBLIC = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const NOTE = `${TEXT}
— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;

const peter = parseSignerKey(SECRET) as SignerKey;
const verifier = parseVerifierKey(PUBLIC) as VerifierKey;
const witness = signerKey('witness.example', new Uint8Array(32).fill(7));

describe('signed note', () => {
  it("has the format of Go's", () => {
    expect(verifierKeyText(peter)).toBe(PUBLIC);
    expect(signerKeyText(peter)).toBe(SECRET);
    expect(verifierKeyText(verifier)).toBe(PUBLIC);
    expect(noteText(sign({ text: TEXT }, peter))).toBe(NOTE);
    expect(signersOf(parseNote(NOTE)!, [verifier])).toEqual([verifier]);
  });

  it('can have several signatures; those of unknown keys are ignored, and a false one invalidates it', () => {
    const note = parseNote(noteText(sign(sign({ text: TEXT }, peter), witness)))!;
    expect(signersOf(note, [verifier, witness])?.map(({ name }) => name)).toEqual(['PeterNeumann', 'witness.example']);
    expect(signersOf(note, [witness])?.map(({ name }) => name)).toEqual(['witness.example']);
    expect(signersOf(note, [])).toEqual([]);
    expect(signersOf({ ...note, text: `${TEXT}more\n` }, [witness])).toBeUndefined();
  });

  it('supports cosignatures of witnesses, which include a time', () => {
    const time = new Uint8Array(8);
    new DataView(time.buffer).setBigUint64(0, 1_790_000_000n);
    const { signature } = sign({ text: `cosignature/v1\ntime 1790000000\n${TEXT}` }, witness).signatures[0]!;
    // The same public key under the other algorithm has another key hash.
    const cosigner = parseVerifierKey(cosignerText('witness.example', witness.publicKey))!;
    const lines = `— witness.example ${base64(concat(cosigner.keyHash, time, signature))}\n`;
    const note = parseNote(`${TEXT}\n${lines}`)!;
    expect(parseSignatures(lines)).toEqual(note.signatures);
    expect(signersOf(note, [cosigner])).toEqual([cosigner]);
    time[7]! ^= 1;
    const later = { text: TEXT, signatures: [{ ...note.signatures[0]!, signature: concat(time, signature) }] };
    expect(signersOf(later, [cosigner])).toBeUndefined();
  });

  it('is invalid with any character changed', () => {
    fc.assert(
      fc.property(fc.nat(NOTE.length - 1), fc.constantFrom('A', 'é', '\n', '', '='), (at, other) => {
        fc.pre(NOTE[at] !== other);
        const note = parseNote(NOTE.slice(0, at) + other + NOTE.slice(at + 1));
        expect(note === undefined ? [] : (signersOf(note, [verifier]) ?? [])).toEqual([]);
      }),
    );
  });

  it('refuses a key that does not match its hash', () => {
    for (const text of [
      '',
      'a',
      PUBLIC.replace('c74f', 'c74e'),
      PUBLIC.replace('ARpc', 'ARpd'),
      PUBLIC.replace('ARpc', 'AhpC'),
      `${PUBLIC}=`,
    ])
      expect(parseVerifierKey(text)).toBeUndefined();
    expect(parseSignerKey(SECRET.replace('AYEK', 'AYEL'))).toBeUndefined();
    expect(() => signerKey('two words', new Uint8Array(32))).toThrow(RangeError);
  });
});

describe('tree head', () => {
  const head = {
    origin: 'tierline.example/log',
    size: 70_000,
    root: new Uint8Array(32).fill(1),
    at: '2026-11-27T12:00:00.000Z',
    streams: { size: 9, root: new Uint8Array(32).fill(2) },
  };

  it('is read as it was written', () => {
    expect(parseTreeHead(treeHeadText(head))).toEqual(head);
    expect(treeHeadText(head).split('\n').slice(0, 3)).toEqual(['tierline.example/log', '70000', base64(head.root)]);
  });

  it.each(['70000', '070000', '-1', '1.5', 'x'])('has one text for each size: %s', (size) => {
    const text = treeHeadText(head).replace('70000', size);
    expect(parseTreeHead(text)?.size).toBe(size === '70000' ? 70_000 : undefined);
  });
});

/** The text of a witness's key: algorithm 4 instead of 1. */
function cosignerText(name: string, publicKey: Uint8Array): string {
  const key = concat(Uint8Array.of(4), publicKey);
  return `${name}+${hex(sha256(concat(utf8(`${name}\n`), key)).slice(0, 4))}+${base64(key)}`;
}
