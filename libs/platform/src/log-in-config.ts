import type { Fault } from '#eventsourcing';
import { listOf, path, type Read, webAddress, word } from './values.js';

/** Settings for logging in to accounts. */
export interface LogInConfig {
  /** Key for deriving the secrets of authenticators; created if missing. */
  readonly keyFile: string;
  /** Roles that require a second factor. */
  readonly secondFactorRoles: readonly string[];
  readonly passkeys: PasskeySite;
}

/** The site of passkeys. */
export interface PasskeySite {
  /** The domain that they are bound to: that of the origins, or a parent of it. */
  readonly rpId: string;
  /** Where browsers may create and use them, such as `https://desk.example`. */
  readonly origins: readonly string[];
}

/**
 * The settings for logging in to accounts.
 * @param here the origin of the API on this machine
 */
export function readLogIn(read: Read, faults: Fault[], dataDir: string, here: string): LogInConfig {
  const origins = read(
    'PASSKEY_ORIGINS',
    [here],
    (text) => listOf(text, secureOrigin),
    'must be origins such as https://desk.example, with commas between them',
  );
  const [first = ''] = origins;
  const rpId = read('PASSKEY_RP_ID', new URL(first).hostname, word, 'must be a domain such as desk.example');
  if (!origins.every((origin) => `.${new URL(origin).hostname}`.endsWith(`.${rpId}`)))
    faults.push({ field: 'PASSKEY_RP_ID', message: 'must be the domain of all PASSKEY_ORIGINS, or one above it' });
  return {
    keyFile: read('LOG_IN_KEY_FILE', `${dataDir}/log-in-key`, path, 'must be a path'),
    secondFactorRoles: read('SECOND_FACTOR_ROLES', [], (text) => listOf(text, word), 'must be roles such as administrator,lead'),
    passkeys: { rpId, origins },
  };
}

/** Origins that browsers consider secure. */
function secureOrigin(text: string): string | undefined {
  if (webAddress(text) === undefined) return undefined;
  const { origin, protocol, hostname } = new URL(text);
  return origin === text && (protocol === 'https:' || hostname === 'localhost') ? text : undefined;
}
