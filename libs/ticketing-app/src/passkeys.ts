import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import type { DerivedSecrets, PasskeySite } from '#platform';
import type { Account, AccountState, NewPasskey, PasskeyUse } from '#ticketing';

/** Loaded with the first passkey: most processes see none. */
const webAuthn = () => import('@simplewebauthn/server');

/** How long a browser may take, in milliseconds. */
const PATIENCE_MS = 300_000;
/** Maximum length of a user handle (WebAuthn, 5.4.3). */
const MOST_HANDLE_BYTES = 64;

/** Purpose of a challenge: logging in, or a new passkey of an account. */
type Purpose = 'log-in' | `register ${string}`;

/**
 * Passkeys (WebAuthn): the options for browsers, and verification of their answers. A challenge is not secret and is not stored: it
 * contains its time and is signed, so that any process can verify the answer.
 */
export class Passkeys {
  constructor(
    private readonly secrets: DerivedSecrets,
    private readonly site: PasskeySite,
  ) {}

  /** Options to create a passkey for an account; undefined if its id is too long for one. */
  async registration({ account, principal: { name = account } }: Account, keys: NonNullable<AccountState>['passkeyKeys'] = {}) {
    const userID = new TextEncoder().encode(account);
    if (userID.length > MOST_HANDLE_BYTES) return undefined;
    const { generateRegistrationOptions } = await webAuthn();
    return generateRegistrationOptions({
      rpName: 'Tierline',
      rpID: this.site.rpId,
      userName: account,
      userDisplayName: name,
      userID,
      challenge: await this.#challenge(`register ${account}`),
      timeout: PATIENCE_MS,
      attestationType: 'none',
      excludeCredentials: Object.values(keys).map(({ credential }) => ({ id: credential })),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    });
  }

  /** The passkey that a browser created; undefined if it is not the one asked for. */
  async made(account: string, response: object): Promise<NewPasskey | undefined> {
    const { rpId, origins } = this.site;
    const { verifyRegistrationResponse } = await webAuthn();
    try {
      const { registrationInfo } = await verifyRegistrationResponse({
        response: response as RegistrationResponseJSON,
        expectedChallenge: async (challenge) => (await this.#madeAt(`register ${account}`, challenge)) !== undefined,
        expectedOrigin: [...origins],
        expectedRPID: rpId,
        requireUserVerification: true,
      });
      if (registrationInfo === undefined) return undefined;
      const { id: credential, publicKey, counter } = registrationInfo.credential;
      return { passkey: idOf(credential), credential, publicKey: Buffer.from(publicKey).toString('base64url'), counter };
    } catch {
      // Whatever is wrong with it.
      return undefined;
    }
  }

  /** Options to log in with any passkey: they do not reveal which accounts exist. */
  async logIn() {
    const { generateAuthenticationOptions } = await webAuthn();
    return generateAuthenticationOptions({
      rpID: this.site.rpId,
      challenge: await this.#challenge('log-in'),
      timeout: PATIENCE_MS,
      userVerification: 'required',
    });
  }

  /** The account named in a browser's answer. */
  accountIn(response: object): string | undefined {
    const { userHandle } = ((response as Partial<AuthenticationResponseJSON>).response ?? {}) as { readonly userHandle?: unknown };
    return typeof userHandle === 'string' && userHandle !== '' ? Buffer.from(userHandle, 'base64url').toString('utf8') : undefined;
  }

  /** The use of an account's passkey; undefined if verification fails. */
  async used(keys: NonNullable<AccountState>['passkeyKeys'] = {}, response: object): Promise<PasskeyUse | undefined> {
    const answer = response as AuthenticationResponseJSON;
    const { rpId, origins } = this.site;
    const passkey = idOf(String(answer.id));
    const key = Object.hasOwn(keys, passkey) ? keys[passkey] : undefined;
    if (key === undefined) return undefined;
    const { verifyAuthenticationResponse } = await webAuthn();
    let challengedAt: number | undefined;
    try {
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response: answer,
        expectedChallenge: async (challenge) => (challengedAt = await this.#madeAt('log-in', challenge)) !== undefined,
        expectedOrigin: [...origins],
        expectedRPID: rpId,
        credential: { id: key.credential, publicKey: new Uint8Array(Buffer.from(key.publicKey, 'base64url')), counter: key.counter },
        requireUserVerification: true,
      });
      return verified && challengedAt !== undefined ? { passkey, counter: authenticationInfo.newCounter, challengedAt } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Eight bytes of time, sixteen random bytes, and a signature of both. */
  async #challenge(purpose: Purpose): Promise<Uint8Array<ArrayBuffer>> {
    const head = Buffer.alloc(24);
    head.writeBigUInt64BE(BigInt(Date.now()));
    randomBytes(16).copy(head, 8);
    return new Uint8Array(Buffer.concat([head, await this.#signature(purpose, head)]));
  }

  /** When a challenge was made, in milliseconds since 1970; undefined if it is foreign, for another purpose, or too old. */
  async #madeAt(purpose: Purpose, challenge: string): Promise<number | undefined> {
    const bytes = Buffer.from(challenge, 'base64url');
    const [head, signature] = [bytes.subarray(0, 24), bytes.subarray(24)];
    if (bytes.length !== 56 || !timingSafeEqual(signature, await this.#signature(purpose, head))) return undefined;
    const madeAt = Number(head.readBigUInt64BE());
    return Date.now() - madeAt <= PATIENCE_MS ? madeAt : undefined;
  }

  async #signature(purpose: Purpose, head: Buffer): Promise<Buffer> {
    const key = await this.secrets.of('passkeys', 'challenges', 32);
    return createHmac('sha256', key).update(head).update(purpose).digest();
  }
}

/** Name of a passkey: the ids that authenticators make may be very long. */
function idOf(credential: string): string {
  return createHash('sha256').update(credential).digest('hex').slice(0, 20);
}
