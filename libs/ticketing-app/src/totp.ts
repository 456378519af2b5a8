import { createHash, randomBytes } from 'node:crypto';
import type { TOTP } from 'otpauth';
import type { DerivedSecrets } from '#platform';
import type { AccountState, SecondFactor } from '#ticketing';

/** Time steps by which the two clocks may differ. */
const WINDOW = 1;
const SECRET_BYTES = 20;
const RECOVERY_CODES = 10;
/** 32 letters and digits that cannot be confused, so that each encodes five bits. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

/** An authenticator being enrolled. */
export interface TotpBegun {
  readonly enrolment: string;
  /** In Base32, for typing. */
  readonly secret: string;
  /** The same as an `otpauth:` address, for scanning. */
  readonly uri: string;
}

/** Codes of authenticator apps (RFC 6238: SHA-1, six digits, 30 seconds), for secrets that are not stored. */
export class TotpCodes {
  constructor(private readonly secrets: DerivedSecrets) {}

  async begin(account: string): Promise<TotpBegun> {
    const enrolment = randomBytes(10).toString('hex');
    const totp = await this.#totp(account, enrolment);
    return { enrolment, secret: totp.secret.base32, uri: totp.toString() };
  }

  /** The time step of a code; undefined if it is wrong, or from another time. */
  async step(account: string, enrolment: string, code: string): Promise<number | undefined> {
    const timestamp = Date.now();
    const token = code.replace(/\s/g, '');
    if (!/^\d{6}$/.test(token)) return undefined;
    const totp = await this.#totp(account, enrolment);
    const delta = totp.validate({ token, timestamp, window: WINDOW });
    return delta === null ? undefined : totp.counter({ timestamp }) + delta;
  }

  /** The second factor given for an account; undefined if it does not belong to its authenticator, or was used before. */
  async factor({ account, totp }: NonNullable<AccountState>, code: string | undefined): Promise<SecondFactor> {
    if (totp === undefined || code === undefined) return undefined;
    const totpStep = await this.step(account, totp.enrolment, code);
    if (totpStep !== undefined) return totpStep > totp.lastStep ? { totpStep } : undefined;
    const recoveryCode = totp.recoveryHashes.indexOf(hashOf(code));
    return recoveryCode < 0 ? undefined : { recoveryCode };
  }

  async #totp(account: string, enrolment: string): Promise<TOTP> {
    // Loaded with the first code: most processes see none.
    const { Secret, TOTP } = await import('otpauth');
    const secret = await this.secrets.of(account, `totp ${enrolment}`, SECRET_BYTES);
    return new TOTP({ issuer: 'Tierline', label: account, secret: new Secret({ buffer: new Uint8Array(secret).buffer }) });
  }
}

/** Codes for people who have lost their authenticator: 80 random bits each, so that a fast hash is enough. */
export function newRecoveryCodes(): { readonly codes: readonly string[]; readonly hashes: readonly string[] } {
  const codes = Array.from({ length: RECOVERY_CODES }, () => {
    const letters = [...randomBytes(16)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
    return letters.replace(/.{4}(?=.)/g, '$&-');
  });
  return { codes, hashes: codes.map(hashOf) };
}

/** However it was typed. */
function hashOf(code: string): string {
  return createHash('sha256').update(code.toLowerCase().replace(/[\s-]/g, '')).digest('hex');
}
