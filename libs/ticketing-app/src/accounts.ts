import { type EventStore, instantFrom, isName, isRefusal, readAggregate, refuse, type Refusal } from '#eventsourcing';
import { account, type AccountState, actorOf, isActiveAccount, type Principal, type SecondFactor } from '#ticketing';
import { asAuthentication, findCredential, issueLink, type LoggedIn, redeemLink, startSession } from './credentials.js';
import { LogInAttempts } from './log-in-attempts.js';
import { BUSY, PasswordHashes } from './passwords.js';
import { runCommand, type SentContext } from './run-command.js';
import type { Passkeys } from './passkeys.js';
import { newRecoveryCodes, type TotpBegun, TotpCodes } from './totp.js';

const LEAST_CHARACTERS = 12;

/** How someone logged in, for display. */
const HOW = { link: 'Link', password: 'Password', passkey: 'Passkey' } as const;

/** Proof that an account belongs to someone. */
export type Proof = ({ readonly link: string } | { readonly account: string; readonly password: string }) & {
  /** From the authenticator, if one is enrolled. */
  readonly code?: string | undefined;
};

/** A browser's answer for a passkey. */
export interface PasskeyProof {
  readonly passkey: object;
}

type PasswordProof = Extract<Proof, { readonly password: string }>;

/** Origin of a log-in: what to record, and the request it belongs to. */
export interface LogInContext {
  /** The browser, for display. */
  readonly browser: string;
  readonly correlationId: string;
}

/**
 * The same answer, equally slow, for an unknown account, a wrong password or code, and a suspended account: nobody can find out who has an
 * account.
 */
const notKnown = () => refuse('log-in-failed', 'The account, password, code or passkey is wrong');

function tooMany(seconds: number): Refusal<'too-many-attempts'> {
  return refuse('too-many-attempts', `Too many attempts: try again in ${seconds} s`, undefined, { retryAfter: seconds });
}

/** Makes a one-time link for logging in to an account, or for setting its password. @returns its token; @throws as `runCommand` */
export async function issueAccountLink(store: EventStore, id: string, context: SentContext) {
  const allowed = await runCommand(store, { aggregate: account, id, name: 'IssueAccountLink', body: {}, context });
  if (isRefusal(allowed)) return allowed;
  const { state } = await readAggregate(store, account, id);
  if (state === null) return refuse('account-not-found', 'There is no such account');
  const issuing = { label: `Account ${id}`, principal: state.principal, account: id };
  return issueLink(store, issuing, asAuthentication(context.correlationId));
}

/** For what people do to their own account. */
interface OwnContext {
  readonly principal: Principal;
  readonly correlationId: string;
}

/** Someone who has proved that an account is theirs. */
interface Proved {
  readonly id: string;
  readonly by: keyof typeof HOW;
  readonly factor: SecondFactor;
}

/** Accounts of people, and their means of logging in. */
export class Accounts {
  readonly #attempts = new LogInAttempts();

  constructor(
    private readonly store: EventStore,
    private readonly totp: TotpCodes,
    private readonly passkeys: Passkeys,
    /** Roles that require a second factor. */
    private readonly secondFactorRoles: readonly string[],
    private readonly passwords = new PasswordHashes(),
  ) {}

  /** Logs in. @throws as `runCommand` */
  async logIn(proof: Proof | PasskeyProof, context: LogInContext): Promise<LoggedIn | Refusal> {
    if ('passkey' in proof) return this.#enter(await this.#byPasskey(proof), context);
    if ('password' in proof) return this.#enter(await this.#byPassword(proof), context);
    const id = await this.#accountOfLink(proof.link);
    if (id !== undefined) return this.#enter(await this.#byLink(id, proof, context), context);
    const link = await redeemLink(this.store, proof.link, context.correlationId);
    if (isRefusal(link)) return link;
    return startSession(this.store, { principal: link.principal, label: `Link: ${context.browser}` }, context.correlationId);
  }

  /**
   * Sets the password of an account, and logs in to it.
   * @throws as `runCommand`
   */
  async setPassword(proof: Proof, password: string, context: LogInContext): Promise<LoggedIn | Refusal> {
    // Before the link is used up.
    const known = 'link' in proof ? await this.#accountOfLink(proof.link) : proof.account;
    if ([...password.normalize('NFKC')].length < LEAST_CHARACTERS || password.toLowerCase() === known?.toLowerCase()) {
      return refuse('password-too-short', 'A password must have at least 12 characters and must not be the account id', [
        { field: 'newPassword', message: `must have at least ${LEAST_CHARACTERS} characters` },
      ]);
    }
    // A link that only logs in as someone has no account whose password could be set; trying does not use it up.
    if (known === undefined)
      return refuse('link-used', 'The link is not valid: it was already used or revoked, has expired, or has no account');
    // Before a link is used up, since there may be too many hashes at once; after a password is checked, since that is slowed down.
    const early = 'link' in proof ? await this.passwords.hash(password) : undefined;
    if (early === BUSY) return tooMany(1);
    const proved = await ('link' in proof ? this.#byLink(known, proof, context) : this.#byPassword(proof));
    if (isRefusal(proved)) return proved;
    const hash = early ?? (await this.passwords.hash(password));
    if (hash === BUSY) return tooMany(1);
    const sent = asAuthentication(context.correlationId);
    const set = await runCommand(this.store, { aggregate: account, id: known, name: 'SetAccountPassword', body: { hash }, context: sent });
    return isRefusal(set) ? notKnown() : this.#enter(proved, context);
  }

  /** Begins enrolling an authenticator. Nothing is stored until it is confirmed. */
  async beginTotp(id: string): Promise<TotpBegun | Refusal> {
    const { state } = await readAggregate(this.store, account, id);
    return state?.totp === undefined ? this.totp.begin(id) : refuse('totp-enrolled', 'An authenticator is enrolled: remove it first');
  }

  /** Enrols an authenticator. @returns recovery codes, which are not stored; @throws as `runCommand` */
  async confirmTotp(
    id: string,
    { enrolment, code }: { readonly enrolment: string; readonly code: string },
    context: OwnContext,
  ): Promise<{ readonly recoveryCodes: readonly string[] } | Refusal> {
    const totpStep = await this.totp.step(id, enrolment, code);
    if (totpStep === undefined) return refuse('wrong-code', "The code does not match the authenticator's current one");
    const { codes, hashes } = newRecoveryCodes();
    const body = { enrolment, totpStep, recoveryHashes: hashes };
    const enrolled = await runCommand(this.store, { aggregate: account, id, name: 'EnrolTotp', body, context: asOwner(context) });
    return isRefusal(enrolled) ? enrolled : { recoveryCodes: codes };
  }

  /** Removes an authenticator, given one of its codes. @throws as `runCommand` */
  async removeTotp(id: string, code: string, context: OwnContext): Promise<Refusal | undefined> {
    const wait = this.#attempts.begin(id, performance.now());
    if (wait > 0) return tooMany(wait);
    const { state } = await readAggregate(this.store, account, id);
    const factor = state === null ? undefined : await this.totp.factor(state, code);
    const removed = await runCommand(this.store, {
      aggregate: account,
      id,
      name: 'RemoveTotp',
      body: { factor },
      context: asOwner(context),
    });
    if (isRefusal(removed)) return removed;
    this.#attempts.succeeded(id);
    return undefined;
  }

  /** Options for a browser to create a passkey. */
  async beginPasskey(id: string) {
    const { state } = await readAggregate(this.store, account, id);
    const options = state && (await this.passkeys.registration(state, state.passkeyKeys));
    return options ?? refuse('passkey-invalid', 'An account with an id longer than 64 bytes cannot have passkeys');
  }

  /** @returns the id of the passkey; @throws as `runCommand` */
  async addPasskey(
    id: string,
    { label, response }: { readonly label: string; readonly response: object },
    context: OwnContext,
  ): Promise<{ readonly passkey: string } | Refusal> {
    const made = await this.passkeys.made(id, response);
    if (made === undefined) return refuse('passkey-invalid', 'The passkey is not the requested one, or came too late');
    const body = { label, ...made };
    const added = await runCommand(this.store, { aggregate: account, id, name: 'AddPasskey', body, context: asOwner(context) });
    return isRefusal(added) ? added : { passkey: made.passkey };
  }

  /** @throws as `runCommand` */
  async removePasskey(id: string, passkey: string, context: OwnContext): Promise<Refusal | undefined> {
    const sent = { aggregate: account, id, name: 'RemovePasskey', body: { passkey }, context: asOwner(context) } as const;
    const removed = await runCommand(this.store, sent);
    return isRefusal(removed) ? removed : undefined;
  }

  /** Options for a browser to log in with a passkey of any account. */
  challenge() {
    return this.passkeys.logIn();
  }

  async #byPasskey({ passkey: response }: PasskeyProof): Promise<Proved | Refusal> {
    const id = this.passkeys.accountIn(response);
    if (id === undefined || !isName(id, 100)) return notKnown();
    const { state }: { readonly state: AccountState } = await readAggregate(this.store, account, id);
    const factor = await this.passkeys.used(state?.passkeyKeys, response);
    return factor === undefined || !isActiveAccount(state) ? notKnown() : { id, by: 'passkey', factor };
  }

  async #accountOfLink(link: string): Promise<string | undefined> {
    return (await findCredential(this.store, link, instantFrom(Date.now())))?.account;
  }

  /** Uses up a link to an account, once the other factors are there. */
  async #byLink(id: string, { link, code }: { readonly link: string; readonly code?: string | undefined }, context: LogInContext) {
    const { state } = await readAggregate(this.store, account, id);
    if (state === null) return notKnown();
    if (state.totp !== undefined) {
      const wait = this.#attempts.begin(id, performance.now());
      if (wait > 0) return tooMany(wait);
    }
    const factor = await this.#factor(state, code);
    if (isRefusal(factor)) return factor;
    const redeemed = await redeemLink(this.store, link, context.correlationId);
    return isRefusal(redeemed) ? redeemed : { id, by: 'link' as const, factor };
  }

  async #byPassword({ account: id, password, code }: PasswordProof): Promise<Proved | Refusal> {
    const wait = this.#attempts.begin(id, performance.now());
    if (wait > 0) return tooMany(wait);
    const { state }: { readonly state: AccountState } = await readAggregate(this.store, account, id);
    const right = await this.passwords.isOf(password, state?.hash);
    if (right === BUSY) return tooMany(1);
    if (!right || !isActiveAccount(state)) return notKnown();
    const factor = await this.#factor(state, code);
    return isRefusal(factor) ? factor : { id, by: 'password', factor };
  }

  /** What was given in addition to a link or password, if it is required. */
  async #factor(state: NonNullable<AccountState>, code: string | undefined): Promise<SecondFactor | Refusal> {
    const { totp, passkeys = [], principal } = state;
    if (totp === undefined) {
      const isDemanded = principal.roles.some((role) => this.secondFactorRoles.includes(role));
      // Someone without a second factor may begin a session, to enrol one.
      return isDemanded && passkeys.length > 0
        ? refuse('second-factor-required', "The account's passkey is required: log in with it", undefined, { factor: 'passkey' })
        : undefined;
    }
    if (code === undefined) return refuse('second-factor-required', 'A code from the authenticator or a recovery code is also required');
    return (await this.totp.factor(state, code)) ?? notKnown();
  }

  async #enter(proved: Proved | Refusal, { browser, correlationId }: LogInContext): Promise<LoggedIn | Refusal> {
    if (isRefusal(proved)) return proved;
    const { id, by, factor } = proved;
    const sent = asAuthentication(correlationId);
    // Decided on the log: of two requests with one code, only one gets in.
    const noted = await runCommand(this.store, { aggregate: account, id, name: 'NoteLogIn', body: { by, factor }, context: sent });
    if (isRefusal(noted)) return notKnown();
    this.#attempts.succeeded(id);
    const { state } = await readAggregate(this.store, account, id);
    if (state === null) return notKnown();
    const label = `${HOW[by]}: ${browser}`;
    return startSession(this.store, { principal: state.principal, label, account: id }, correlationId);
  }
}

/** The log-in service sends what only it can check; the event still names the owner as its actor. */
function asOwner({ principal, correlationId }: OwnContext): SentContext {
  return { ...asAuthentication(correlationId), onBehalfOf: actorOf(principal) };
}
