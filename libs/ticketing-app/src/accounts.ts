import { type EventStore, instantFrom, isRefusal, readAggregate, refuse, type Refusal } from '#eventsourcing';
import { account, type AccountState } from '#ticketing';
import { asAuthentication, findCredential, issueLink, type LoggedIn, redeemLink, startSession } from './credentials.js';
import { LogInAttempts } from './log-in-attempts.js';
import { BUSY, hashPassword, isPassword } from './passwords.js';
import { runCommand, type SentContext } from './run-command.js';

const LEAST_CHARACTERS = 12;

/** What somebody proves with that an account is theirs. */
export type Proof = { readonly link: string } | { readonly account: string; readonly password: string };

/** How a log-in came: what is told of it, and what it belongs to. */
export interface LogInContext {
  /** With what, for people. */
  readonly browser: string;
  readonly correlationId: string;
}

const attempts = new LogInAttempts();

/** The same for an account that is not there, another password and a suspended account, and as slow: nobody finds out who has an account. */
const notKnown = () => refuse('log-in-failed', 'The account and the password do not go together');

function tooMany(seconds: number): Refusal<'too-many-attempts'> {
  return refuse('too-many-attempts', `Too many attempts: the next one is looked at in ${seconds} s`, undefined, { retryAfter: seconds });
}

/** Makes a link by which somebody logs in to an account, or sets its password; once. @returns its token; @throws as `runCommand` */
export async function issueAccountLink(store: EventStore, id: string, context: SentContext) {
  const allowed = await runCommand(store, { aggregate: account, id, name: 'IssueAccountLink', body: {}, context });
  if (isRefusal(allowed)) return allowed;
  const { state } = await readAggregate(store, account, id);
  if (state === null) return refuse('account-not-found', 'There is no such account');
  const issuing = { label: `Account ${id}`, principal: state.principal, account: id };
  return issueLink(store, issuing, asAuthentication(context.correlationId));
}

/** Logs in. @throws as `runCommand` */
export async function logIn(store: EventStore, proof: Proof, context: LogInContext): Promise<LoggedIn | Refusal> {
  if ('link' in proof) {
    const link = await redeemLink(store, proof.link, context.correlationId);
    if (isRefusal(link)) return link;
    return link.account === undefined
      ? startSession(store, { principal: link.principal, label: `Link: ${context.browser}` }, context.correlationId)
      : enter(store, link.account, 'link', context);
  }
  const refused = await unlessPassword(store, proof);
  return refused ?? enter(store, proof.account, 'password', context);
}

/**
 * Sets the password of an account, and logs in to it.
 * @throws as `runCommand`
 */
export async function setPassword(store: EventStore, proof: Proof, password: string, context: LogInContext): Promise<LoggedIn | Refusal> {
  // Before a link is used up.
  const known = 'link' in proof ? (await findCredential(store, proof.link, instantFrom(Date.now())))?.account : proof.account;
  if ([...password.normalize('NFKC')].length < LEAST_CHARACTERS || password.toLowerCase() === known?.toLowerCase()) {
    return refuse('password-too-short', 'A password has 12 characters or more, and is not the id of its account', [
      { field: 'newPassword', message: `must have at least ${LEAST_CHARACTERS} characters` },
    ]);
  }
  let id: string | undefined;
  if ('link' in proof) {
    // A link that only logs in as somebody has no account to set a password of, and is not used up by trying.
    if (known === undefined) return refuse('link-used', 'The link is not valid: it was used, was revoked, is too old, or is of no account');
    const link = await redeemLink(store, proof.link, context.correlationId);
    if (isRefusal(link)) return link;
    id = link.account;
  } else {
    const refused = await unlessPassword(store, proof);
    if (refused !== undefined) return refused;
    id = proof.account;
  }
  const hash = await hashPassword(password);
  if (hash === BUSY || id === undefined) return tooMany(1);
  const sent = asAuthentication(context.correlationId);
  const set = await runCommand(store, { aggregate: account, id, name: 'SetAccountPassword', body: { hash }, context: sent });
  return isRefusal(set) ? notKnown() : enter(store, id, 'link' in proof ? 'link' : 'password', context);
}

async function enter(
  store: EventStore,
  id: string,
  by: 'link' | 'password',
  { browser, correlationId }: LogInContext,
): Promise<LoggedIn | Refusal> {
  const sent = asAuthentication(correlationId);
  const noted = await runCommand(store, { aggregate: account, id, name: 'NoteLogIn', body: { by }, context: sent });
  if (isRefusal(noted)) return notKnown();
  const { state } = await readAggregate(store, account, id);
  if (state === null) return notKnown();
  const label = `${by === 'link' ? 'Link' : 'Password'}: ${browser}`;
  return startSession(store, { principal: state.principal, label, account: id }, correlationId);
}

/** Why it is not known that an account is somebody's; undefined when it is. */
async function unlessPassword(
  store: EventStore,
  { account: id, password }: Extract<Proof, { readonly account: string }>,
): Promise<Refusal | undefined> {
  const wait = attempts.begin(id, performance.now());
  if (wait > 0) return tooMany(wait);
  const { state }: { readonly state: AccountState } = await readAggregate(store, account, id);
  const right = await isPassword(password, state?.hash);
  if (right === BUSY) return tooMany(1);
  if (!right || state === null || state.suspendedAt !== undefined) return notKnown();
  attempts.succeeded(id);
  return undefined;
}
