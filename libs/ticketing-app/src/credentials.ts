import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type EventStore, type Instant, instantFrom, isRefusal, readAggregate, type Refusal, StoreUnavailable } from '#eventsourcing';
import { type Credential, credential, type CredentialCommands, isValid } from '#ticketing';
import { runCommand, type SentContext } from './run-command.js';

/** How long this process may take to notice what another one revoked, in milliseconds: a stream is read that often for each key in use. */
const MAX_AGE_MS = 5_000;
/** While the event store is away, whoever was known that lately is still known. */
const MAX_AGE_AWAY_MS = 300_000;

const TOKEN = /^tierline_([0-9a-f]{20})_([0-9a-f]{64})([0-9a-f]{8})$/;

/** A token as it was made, or sent. */
interface Token {
  /** Id of the credential: no secret. */
  readonly id: string;
  /** 256 random bits, in hexadecimal. */
  readonly secret: string;
}

function newToken(): Token {
  return { id: randomBytes(10).toString('hex'), secret: randomBytes(32).toString('hex') };
}

function written({ id, secret }: Token): string {
  return `tierline_${id}_${secret}${checksum(id, secret)}`;
}

/** A token, if it is one of ours: what was mistyped, cut or made up is told by its checksum, without asking anybody. */
function read(text: string): Token | undefined {
  const [, id = '', secret = '', sum] = TOKEN.exec(text) ?? [];
  return sum !== undefined && sum === checksum(id, secret) ? { id, secret } : undefined;
}

function checksum(id: string, secret: string): string {
  return crc32(`${id}_${secret}`).toString(16).padStart(8, '0');
}

/** A secret has nothing to guess, so a fast hash is as good as a slow one. */
function hashOf({ secret }: Token): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** What a credential is issued with. */
export type Issuing = Omit<CredentialCommands['IssueCredential'], 'hash'>;

/** Issues a credential. @returns its token, which is known to nobody afterwards; @throws as `runCommand` */
export async function issueCredential(
  store: EventStore,
  issuing: Issuing,
  context: SentContext,
): Promise<{ readonly token: string; readonly key: string; readonly revision: number } | Refusal> {
  const token = newToken();
  const body = { ...issuing, hash: hashOf(token).toString('hex') };
  const issued = await runCommand(store, { aggregate: credential, id: token.id, name: 'IssueCredential', body, context });
  return isRefusal(issued) ? issued : { token: written(token), key: token.id, revision: issued.revision };
}

/**
 * The credential that a token is of, if it is valid at an instant. What this process knows of it is believed for some seconds.
 * @throws StoreUnavailable
 */
export async function findCredential(store: EventStore, text: string, at: Instant): Promise<Credential | undefined> {
  const token = read(text);
  if (token === undefined) return undefined;
  const { state } = await known(store, token.id);
  // Compared in constant time, although what is compared is a hash.
  if (state === null || !timingSafeEqual(hashOf(token), Buffer.from(state.hash, 'hex'))) return undefined;
  return isValid(state, at) ? state : undefined;
}

async function known(store: EventStore, id: string) {
  try {
    return await readAggregate(store, credential, id, { maxAgeMs: MAX_AGE_MS });
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return readAggregate(store, credential, id, { maxAgeMs: MAX_AGE_AWAY_MS });
  }
}

/** The date (UTC) of now. */
export function today(): string {
  return instantFrom(Date.now()).slice(0, 10);
}
