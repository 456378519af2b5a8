import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

interface CreationOptions {
  readonly challenge: string;
  readonly rp: { readonly id?: string };
  readonly user: { readonly id: string };
}

interface RequestOptions {
  readonly challenge: string;
  readonly rpId?: string;
}

/** Faults of an authenticator. */
export interface Misbehaviour {
  readonly origin?: string;
  readonly rpId?: string;
  /** Did not verify the user. */
  readonly unverified?: boolean;
  /** Value of its counter. */
  readonly counter?: number;
  readonly userHandle?: string;
}

const base64url = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64url');
const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest();

/** An authenticator in software, with the browser around it: one passkey, ES256, no attestation. */
export class Authenticator {
  readonly #id = randomBytes(32);
  readonly #privateKey: KeyObject;
  readonly #cosePublicKey: Buffer;
  #userHandle = '';
  #counter = 0;

  constructor(private readonly origin: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    this.#privateKey = privateKey;
    // COSE_Key: { 1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y }
    const point = [x, y].map((coordinate) => Buffer.from(coordinate, 'base64url'));
    this.#cosePublicKey = Buffer.concat([
      Buffer.from('a5010203262001215820', 'hex'),
      point[0] as Buffer,
      Buffer.from('225820', 'hex'),
      point[1] as Buffer,
    ]);
  }

  /** As `navigator.credentials.create`. */
  create({ challenge, rp, user }: CreationOptions, wrong: Misbehaviour = {}): object {
    this.#userHandle = user.id;
    const length = Buffer.from([0, this.#id.length]);
    const attested = Buffer.concat([Buffer.alloc(16), length, this.#id, this.#cosePublicKey]);
    const authData = Buffer.concat([this.#authenticatorData(rp.id, 0x40, wrong), attested]);
    // CBOR: { fmt: 'none', attStmt: {}, authData: bytes }
    const head = Buffer.from([0x58, authData.length]);
    const attestationObject = Buffer.concat([
      Buffer.from('a363666d74646e6f6e656761747453746d74a0686175746844617461', 'hex'),
      head,
      authData,
    ]);
    return this.#answer({
      clientDataJSON: this.#clientData('webauthn.create', challenge, wrong),
      attestationObject: base64url(attestationObject),
    });
  }

  /** As `navigator.credentials.get`. */
  get({ challenge, rpId }: RequestOptions, wrong: Misbehaviour = {}): object {
    const authenticatorData = this.#authenticatorData(rpId, 0, wrong);
    const clientDataJSON = this.#clientData('webauthn.get', challenge, wrong);
    const signature = createSign('sha256')
      .update(authenticatorData)
      .update(sha256(Buffer.from(clientDataJSON, 'base64url')))
      .sign(this.#privateKey);
    return this.#answer({
      clientDataJSON,
      authenticatorData: base64url(authenticatorData),
      signature: base64url(signature),
      userHandle: wrong.userHandle ?? this.#userHandle,
    });
  }

  #authenticatorData(rpId: string | undefined, flags: number, wrong: Misbehaviour): Buffer {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(wrong.counter ?? this.#counter++);
    // The user is present and, unless the check was skipped, verified.
    const seen = wrong.unverified === true ? 0x01 : 0x05;
    return Buffer.concat([sha256(wrong.rpId ?? rpId ?? ''), Buffer.from([flags | seen]), counter]);
  }

  #clientData(type: string, challenge: string, { origin = this.origin }: Misbehaviour): string {
    return base64url(JSON.stringify({ type, challenge, origin, crossOrigin: false }));
  }

  #answer(response: object): object {
    const id = base64url(this.#id);
    return { id, rawId: id, type: 'public-key', clientExtensionResults: {}, response };
  }
}
