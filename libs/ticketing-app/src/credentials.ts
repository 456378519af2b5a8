import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  type Aggregate,
  type EventStore,
  type Instant,
  instantFrom,
  isRefusal,
  readAggregate,
  type Refusal,
  refuse,
  StoreUnavailable,
} from '#eventsourcing';
import {
  account,
  type Credential,
  credential,
  type CredentialCommands,
  isActiveAccount,
  isValid,
  OPERATOR,
  type Principal,
  systemPrincipal,
} from '#ticketing';
import { runCommand, type SentContext } from './run-command.js';

/** How long a cached credential is trusted, in milliseconds, in case `Revocations` missed a change. */
const MAX_AGE_MS = 5_000;
/** How long a cached credential is trusted while the event store is unavailable. */
const MAX_AGE_AWAY_MS = 300_000;

/** How long a link is valid, in milliseconds. */
const LINK_LASTS_MS = 3_600_000;
const ACCOUNT_LINK_LASTS_MS = 3 * 86_400_000;
/** How long a session lasts, in milliseconds, regardless of use. */
export const SESSION_LASTS_MS = 12 * 3_600_000;

/** The service that logs people in. */
const AUTHENTICATION = systemPrincipal({ id: 'authentication' });

const TOKEN = /^tierline_([0-9a-f]{20})_([0-9a-f]{64})([0-9a-f]{8})$/;

/** A token as made or sent. */
interface Token {
  /** Id of the credential, which is not secret. */
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

/** A token of this product: its checksum reveals mistyped, cut or invented ones without a look-up. */
function read(text: string): Token | undefined {
  const [, id = '', secret = '', sum] = TOKEN.exec(text) ?? [];
  return sum !== undefined && sum === checksum(id, secret) ? { id, secret } : undefined;
}

/** The id of the credential named by a token; undefined if it is not a token of this product. */
export function credentialIdIn(text: string): string | undefined {
  return read(text)?.id;
}

function checksum(id: string, secret: string): string {
  return crc32(`${id}_${secret}`).toString(16).padStart(8, '0');
}

/** The secret is random, so a fast hash is as good as a slow one. */
function hashOf({ secret }: Token): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** A valid credential. */
export type KnownCredential = Credential & {
  /** Whether logging in to its account requires more than a link or password; undefined if it belongs to no account. */
  readonly hasSecondFactor?: boolean;
};

/** Input for issuing a credential. */
export type Issuing = Omit<CredentialCommands['IssueCredential'], 'hash'>;

/** Issues a credential. @returns its token, which is not stored; @throws as `runCommand` */
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
 * The credential of a token, if it is valid at an instant. This process caches it for some seconds.
 * @throws StoreUnavailable
 */
export async function findCredential(store: EventStore, text: string, at: Instant): Promise<KnownCredential | undefined> {
  const token = read(text);
  if (token === undefined) return undefined;
  const { state } = await known(store, credential, token.id);
  // Compared in constant time, although these are hashes.
  if (state === null || !timingSafeEqual(hashOf(token), Buffer.from(state.hash, 'hex'))) return undefined;
  return ifValid(store, state, at);
}

/**
 * The credential with an id, if it is valid at an instant. The caller has already proved knowledge of its secret.
 * @param maxAgeMs how old the cached state may be, in milliseconds
 * @throws StoreUnavailable
 */
export async function credentialOf(store: EventStore, key: string, at: Instant, maxAgeMs: number): Promise<Credential | undefined> {
  const { state } = await known(store, credential, key, maxAgeMs);
  return state === null ? undefined : ifValid(store, state, at, maxAgeMs);
}

async function ifValid(store: EventStore, found: Credential, at: Instant, maxAgeMs?: number): Promise<KnownCredential | undefined> {
  if (!isValid(found, at)) return undefined;
  return found.account === undefined ? found : ofAccount(store, found, found.account, maxAgeMs);
}

/**
 * A credential with the current permissions of its account; undefined if the account is suspended, or its password has changed since the
 * session began.
 */
async function ofAccount(store: EventStore, found: Credential, id: string, maxAgeMs?: number): Promise<KnownCredential | undefined> {
  const { state } = await known(store, account, id, maxAgeMs);
  if (!isActiveAccount(state)) return undefined;
  const { principal, passwordSetAt } = state;
  const isOver = found.form === 'session' && passwordSetAt !== undefined && found.issuedAt < passwordSetAt;
  return isOver ? undefined : { ...found, principal, hasSecondFactor: state.totp !== undefined || (state.passkeys ?? []).length > 0 };
}

async function known<Of extends Aggregate>(store: EventStore, aggregate: Of, id: string, maxAgeMs = MAX_AGE_MS) {
  try {
    return await readAggregate(store, aggregate, id, { maxAgeMs });
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return readAggregate(store, aggregate, id, { maxAgeMs: MAX_AGE_AWAY_MS });
  }
}

/** Issues a one-time link for logging in as someone. @returns its token; @throws as `runCommand` */
export function issueLink(store: EventStore, issuing: Pick<Issuing, 'label' | 'principal' | 'account'>, context: SentContext) {
  // A link that is sent to someone may wait for their next working day.
  const expiresAt = after(issuing.account === undefined ? LINK_LASTS_MS : ACCOUNT_LINK_LASTS_MS);
  return issueCredential(store, { ...issuing, form: 'link', expiresAt }, context);
}

/** Someone who has logged in. */
export interface LoggedIn {
  /** Stored by the browser. */
  readonly token: string;
  readonly key: string;
  readonly principal: Principal;
  readonly expiresAt: Instant;
}

/**
 * Begins a session.
 * @param issuing.label how they logged in, and with which browser, for display
 * @throws as `runCommand`
 */
export async function startSession(
  store: EventStore,
  issuing: Pick<Issuing, 'label' | 'principal' | 'account' | 'provider'>,
  correlationId: string,
): Promise<LoggedIn | Refusal> {
  const expiresAt = after(SESSION_LASTS_MS);
  const issued = await issueCredential(store, { ...issuing, form: 'session', expiresAt }, asAuthentication(correlationId));
  return isRefusal(issued) ? issued : { token: issued.token, key: issued.key, principal: issuing.principal, expiresAt };
}

/** Uses up a link. @throws as `runCommand` */
export async function redeemLink(store: EventStore, token: string, correlationId: string): Promise<Credential | Refusal> {
  const link = await findCredential(store, token, instantFrom(Date.now()));
  if (link?.form !== 'link') return refuse('link-used', 'The link is not valid: it was already used or revoked, or has expired');
  const context = asAuthentication(correlationId);
  const redeemed = await runCommand(store, { aggregate: credential, id: link.key, name: 'RedeemLink', body: {}, context });
  return isRefusal(redeemed) ? redeemed : link;
}

/** The log-in service as the sender of a command. */
export function asAuthentication(correlationId: string): SentContext {
  const commandId = randomUUID();
  return { commandId, principal: AUTHENTICATION, correlationId, causationId: commandId };
}

/** The operator of the machine as the sender of a command. */
export function asOperator(): SentContext {
  const commandId = randomUUID();
  return { commandId, principal: OPERATOR, correlationId: commandId, causationId: commandId };
}

function after(milliseconds: number): Instant {
  return instantFrom(Date.now() + milliseconds);
}

/** Today's date (UTC). */
export function today(): string {
  return instantFrom(Date.now()).slice(0, 10);
}
