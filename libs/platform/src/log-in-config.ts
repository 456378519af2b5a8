import { listOf, type Read, word } from './values.js';

/** What it takes to log in to accounts. */
export interface LogInConfig {
  /** What the secrets of authenticators are derived from; made when it is not there. */
  readonly keyFile: string;
  /** Roles that take a second factor. */
  readonly secondFactorRoles: readonly string[];
}

/** What the environment says of logging in to accounts. */
export function readLogIn(read: Read, dataDir: string, path: (text: string) => string | undefined): LogInConfig {
  return {
    keyFile: read('LOG_IN_KEY_FILE', `${dataDir}/log-in-key`, path, 'must be a path'),
    secondFactorRoles: read('SECOND_FACTOR_ROLES', [], (text) => listOf(text, word), 'must be roles such as administrator,lead'),
  };
}
