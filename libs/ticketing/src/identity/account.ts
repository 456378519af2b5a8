import { type Aggregate, commandsOn, event, type EventsOf, type Instant, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Flag, Name, SomeOf, Text, TextList } from '../command-fields.js';
import { omitUndefined, same, without } from '../plain-json.js';
import { about, count, flag, instant, listOf, oneOf, open, optional, refer, type Static, text } from '../schema.js';
import { actorSchema, type Tier, TIERS } from '../vocabulary.js';
import { CLIENTS_NOT_NAMED, clientsNamed, type Principal, principalSchema, type Role, ROLES } from './principal.js';

const LOG_IN_METHODS = ['link', 'password', 'passkey'] as const;

const passkeySchema = open({
  passkey: about(text, 'Its id'),
  label: about(text, 'Name given by its owner'),
  addedAt: about(instant, 'When it was added'),
  lastUsedAt: optional(about(instant, 'When it was last used to log in')),
});

const MOST_PASSKEYS = 20;

export const accountSchema = about(
  open({
    account: about(text, 'Id of the person, as used in events'),
    principal: about(refer(principalSchema), 'Roles and access'),
    invitedAt: about(instant, 'When the account was created'),
    invitedBy: about(refer(actorSchema), 'Who created it'),
    hasPassword: about(flag, 'Whether it has a password'),
    passwordSetAt: optional(about(instant, 'When the password was last set')),
    lastLogIn: optional(about(instant, 'Last login')),
    lastLogInBy: optional(about(oneOf(LOG_IN_METHODS), 'Method of the last login')),
    totpEnrolledAt: optional(about(instant, 'When an authenticator (TOTP) was enrolled; login has required a code since')),
    recoveryCodesLeft: optional(about(count, 'Number of unused recovery codes')),
    passkeys: optional(about(listOf(passkeySchema), 'Passkeys of the account')),
    suspendedAt: optional(about(instant, 'When it was disabled')),
  }),
  'Account of a person without an identity provider',
);

/** An account, for display. */
export type Account = Static<typeof accountSchema>;

/** An account with its secrets. */
export type AccountState = (Account & AccountSecrets) | null;

interface AccountSecrets {
  /** Hash of the password. */
  readonly hash?: string;
  readonly totp?: Totp;
  /** Keys to verify passkeys, by their ids. */
  readonly passkeyKeys?: Readonly<Record<string, PasskeyKey>>;
  /**
   * When the challenge for the last log-in with a passkey was issued, in milliseconds since 1970: challenges from then or earlier are
   * refused.
   */
  readonly challengedAt?: number;
}

interface PasskeyKey {
  /** The id assigned by its authenticator. */
  readonly credential: string;
  /** As COSE, in base64url. */
  readonly publicKey: string;
  /** Number of uses, as counted by its authenticator; 0 if it does not count. */
  readonly counter: number;
}

/** A passkey created by a browser. */
export interface NewPasskey extends PasskeyKey {
  readonly passkey: string;
}

/** Use of a passkey: its owner was present and verified. */
export interface PasskeyUse {
  readonly passkey: string;
  readonly counter: number;
  readonly challengedAt: number;
}

/** An enrolled authenticator. Its secret is derived from the id of the enrolment, and is in no event. */
interface Totp {
  readonly enrolment: string;
  /** The time step of the last code used: codes of this step or an earlier one are refused. */
  readonly lastStep: number;
  /** SHA-256 of each recovery code, in lower-case hexadecimal; null once used. */
  readonly recoveryHashes: readonly (string | null)[];
}

/**
 * What was given in addition to a link or password: the time step of a code, or the index of a recovery code. Undefined if nothing. A
 * passkey counts as both factors.
 */
export type SecondFactor = { readonly totpStep: number } | { readonly recoveryCode: number } | PasskeyUse | undefined;

@JSONSchema({
  description: "Replaces a person's roles and access, effective at once, including in open sessions.",
  examples: [{ name: 'Ada', roles: ['lead'], clients: ['northwind'] }],
})
export class ChangeAccount {
  @Name({ description: 'Name of the person', optional: true })
  name?: string;

  @SomeOf(ROLES, { description: 'Roles' })
  roles!: readonly Role[];

  @TextList({ description: 'Clients whose data they may see', max: 100, atLeastOne: true, optional: true })
  clients?: readonly string[];

  @Flag({ description: 'Instead of `clients`: they may see the data of all clients', optional: true })
  allClients?: boolean;

  @SomeOf(TIERS, { description: 'Tiers they work at; default: all', optional: true })
  tiers?: readonly Tier[];

  @TextList({ description: 'Ids of the teams they belong to', max: 100, optional: true })
  teams?: readonly string[];
}

@JSONSchema({
  description:
    'Creates an account for a person, who can log in once a login link has been created for them (`POST /v1/accounts/{account}/links`).',
  examples: [{ account: 'ada', name: 'Ada', roles: ['agent'], clients: ['northwind'], tiers: ['L1', 'L2'] }],
})
export class InviteAccount extends ChangeAccount {
  @Name({ description: 'Id of the person, as used in events', example: 'ada', max: 100 })
  account!: string;
}

@JSONSchema({
  description: 'Disables an account: prevents login and ends open sessions.',
  examples: [{ reason: 'Has left the company' }],
})
export class SuspendAccount {
  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;
}

interface Told {
  readonly account: string;
  readonly principal: Principal;
}

interface LoggedIn extends Partial<PasskeyUse> {
  readonly account: string;
  readonly by: (typeof LOG_IN_METHODS)[number];
  /** The time step of the given code. */
  readonly totpStep?: number;
  /** Index of the recovery code given instead. */
  readonly recoveryCode?: number;
}

interface TotpEnrolment {
  readonly enrolment: string;
  /** The time step of the confirming code. */
  readonly totpStep: number;
  readonly recoveryHashes: readonly string[];
}

const events = {
  AccountInvited: event<AccountState, Told>({
    personal: null,
    evolve: (_state, told, { actor, effectiveAt }) => ({ ...told, invitedAt: effectiveAt, invitedBy: actor, hasPassword: false }),
  }),
  AccountChanged: event<AccountState, Told>({ personal: null, evolve: (state, { principal }) => state && { ...state, principal } }),
  AccountSuspended: event<AccountState, { readonly account: string; readonly reason?: string }>({
    personal: null,
    evolve: (state, _data, { effectiveAt }) => state && { ...state, suspendedAt: effectiveAt },
  }),
  AccountReinstated: event<AccountState, { readonly account: string }>({
    personal: null,
    evolve: (state) => {
      if (state === null) return null;
      const { suspendedAt: _, ...active } = state;
      return active;
    },
  }),
  AccountLinkIssued: event<AccountState, { readonly account: string }>({ personal: null, evolve: (state) => state }),
  AccountPasswordSet: event<AccountState, { readonly account: string; readonly hash: string }>({
    personal: null,
    evolve: (state, { hash }, { effectiveAt }) => state && { ...state, hash, hasPassword: true, passwordSetAt: effectiveAt },
  }),
  AccountLoggedIn: event<AccountState, LoggedIn>({
    personal: null,
    evolve: (state, { by, ...used }, { effectiveAt }) =>
      state && { ...withUsed(state, used, effectiveAt), lastLogIn: effectiveAt, lastLogInBy: by },
  }),
  AccountTotpEnrolled: event<AccountState, { readonly account: string } & TotpEnrolment>({
    personal: null,
    evolve: (state, { enrolment, totpStep, recoveryHashes }, { effectiveAt }) =>
      state && {
        ...state,
        totpEnrolledAt: effectiveAt,
        recoveryCodesLeft: recoveryHashes.length,
        totp: { enrolment, lastStep: totpStep, recoveryHashes },
      },
  }),
  AccountTotpRemoved: event<AccountState, { readonly account: string }>({
    personal: null,
    evolve: (state) => state && without(state, 'totp', 'totpEnrolledAt', 'recoveryCodesLeft'),
  }),
  AccountPasskeyAdded: event<AccountState, { readonly account: string; readonly label: string } & NewPasskey>({
    personal: null,
    evolve: (state, { passkey, label, credential, publicKey, counter }, { effectiveAt }) =>
      state && {
        ...state,
        passkeys: [...(state.passkeys ?? []), { passkey, label, addedAt: effectiveAt }],
        passkeyKeys: { ...state.passkeyKeys, [passkey]: { credential, publicKey, counter } },
      },
  }),
  AccountPasskeyRemoved: event<AccountState, { readonly account: string; readonly passkey: string }>({
    personal: null,
    evolve: (state, { passkey }) =>
      state && {
        ...state,
        passkeys: (state.passkeys ?? []).filter((one) => one.passkey !== passkey),
        passkeyKeys: without(state.passkeyKeys ?? {}, passkey),
      },
  }),
};

const command = commandsOn<AccountState, EventsOf<{ readonly events: typeof events }>>();

/** Whether this is an account that someone can log in to. */
export function isActiveAccount(state: AccountState): state is NonNullable<AccountState> {
  return state !== null && state.suspendedAt === undefined;
}

const noAccount = () => refuse('account-not-found', 'There is no such account');
const noFactor = () => refuse('second-factor-required', 'A code from the authenticator or a recovery code is required; each works once');

const removal = ({ account, totp }: NonNullable<AccountState>) =>
  totp === undefined ? [] : [{ type: 'AccountTotpRemoved' as const, data: { account } }];

/**
 * Whether the second factor is sufficient: with an enrolled authenticator, an unused code. A passkey is sufficient by itself, if its
 * challenge is newer than the last one.
 */
function isSufficient({ totp, passkeyKeys = {}, challengedAt = -Infinity }: NonNullable<AccountState>, factor: SecondFactor): boolean {
  if (factor !== undefined && 'passkey' in factor) return factor.passkey in passkeyKeys && factor.challengedAt > challengedAt;
  if (totp === undefined) return true;
  if (factor === undefined) return false;
  return 'totpStep' in factor ? factor.totpStep > totp.lastStep : typeof totp.recoveryHashes[factor.recoveryCode] === 'string';
}

function withUsed(
  state: NonNullable<AccountState>,
  { totpStep, recoveryCode, passkey, counter = 0, challengedAt }: Omit<LoggedIn, 'account' | 'by'>,
  at: Instant,
): NonNullable<AccountState> {
  const { totp, recoveryCodesLeft, passkeys, passkeyKeys = {} } = state;
  const key = passkey === undefined ? undefined : passkeyKeys[passkey];
  return omitUndefined({
    ...state,
    ...(recoveryCode !== undefined && recoveryCodesLeft !== undefined && { recoveryCodesLeft: recoveryCodesLeft - 1 }),
    ...(totp && {
      totp: {
        ...totp,
        lastStep: totpStep ?? totp.lastStep,
        recoveryHashes: totp.recoveryHashes.map((hash, index) => (index === recoveryCode ? null : hash)),
      },
    }),
    ...(passkey !== undefined && {
      challengedAt,
      passkeys: passkeys?.map((one) => (one.passkey === passkey ? { ...one, lastUsedAt: at } : one)),
      ...(key && { passkeyKeys: { ...passkeyKeys, [passkey]: { ...key, counter } } }),
    }),
  });
}

/** An account of a person; belongs to no client. One stream each: `account-<id>`. */
export const account = {
  category: 'account',
  noun: 'account',
  idName: 'account',
  initial: null,
  client: () => '',
  events,
  commands: {
    InviteAccount: command({
      body: InviteAccount,
      route: 'POST /v1/accounts',
      refuses: ['account-exists', 'account-invalid'],
      decide(rights, state, { id: account = '' }) {
        const principal = principalOfAccount(account, rights);
        if (principal === undefined) return invalid();
        if (state !== null) return refuse('account-exists', 'The account exists already');
        return [{ type: 'AccountInvited', data: { account, principal } }];
      },
    }),
    ChangeAccount: command({
      body: ChangeAccount,
      route: 'PUT /v1/accounts/{account}',
      refuses: ['account-not-found', 'account-invalid'],
      decide(rights, state, { id: account = '' }) {
        const principal = principalOfAccount(account, rights);
        if (principal === undefined) return invalid();
        if (state === null) return noAccount();
        return same(principal, state.principal) ? [] : [{ type: 'AccountChanged', data: { account, principal } }];
      },
    }),
    SuspendAccount: command({
      body: SuspendAccount,
      route: 'POST /v1/accounts/{account}/suspend',
      refuses: ['account-not-found'],
      decide({ reason }, state) {
        if (state === null) return noAccount();
        const { account, suspendedAt } = state;
        return suspendedAt === undefined ? [{ type: 'AccountSuspended', data: omitUndefined({ account, reason }) }] : [];
      },
    }),
    ReinstateAccount: command({
      route: 'POST /v1/accounts/{account}/reinstate',
      refuses: ['account-not-found'],
      decide(_command: Readonly<Record<never, never>>, state) {
        if (state === null) return noAccount();
        return state.suspendedAt === undefined ? [] : [{ type: 'AccountReinstated', data: { account: state.account } }];
      },
    }),
    /** The sender makes the link: the domain has no randomness. */
    IssueAccountLink: command({
      refuses: ['account-not-found'],
      decide(_command: Readonly<Record<never, never>>, state) {
        if (!isActiveAccount(state)) return noAccount();
        return [{ type: 'AccountLinkIssued', data: { account: state.account } }];
      },
    }),
    /** The sender hashes the password: the domain has no randomness. */
    SetAccountPassword: command({
      refuses: ['account-not-found'],
      decide({ hash }: { readonly hash: string }, state) {
        if (!isActiveAccount(state)) return noAccount();
        return [{ type: 'AccountPasswordSet', data: { account: state.account, hash } }];
      },
    }),
    NoteLogIn: command({
      refuses: ['account-not-found', 'second-factor-required'],
      decide({ by, factor }: { readonly by: (typeof LOG_IN_METHODS)[number]; readonly factor?: SecondFactor }, state) {
        if (!isActiveAccount(state)) return noAccount();
        if (!isSufficient(state, factor)) return noFactor();
        return [{ type: 'AccountLoggedIn', data: { account: state.account, by, ...factor } }];
      },
    }),
    /** The sender has verified a code of the authenticator. */
    EnrolTotp: command({
      refuses: ['account-not-found', 'totp-enrolled'],
      decide({ enrolment, totpStep, recoveryHashes }: TotpEnrolment, state) {
        if (!isActiveAccount(state)) return noAccount();
        if (state.totp !== undefined) return refuse('totp-enrolled', 'An authenticator is enrolled: remove it first');
        return [{ type: 'AccountTotpEnrolled', data: { account: state.account, enrolment, totpStep, recoveryHashes } }];
      },
    }),
    /** For its owner, who gives a code. */
    RemoveTotp: command({
      refuses: ['account-not-found', 'second-factor-required'],
      decide({ factor }: { readonly factor: SecondFactor }, state) {
        if (!isActiveAccount(state)) return noAccount();
        return isSufficient(state, factor) ? removal(state) : noFactor();
      },
    }),
    /** The sender has verified what the browser created. */
    AddPasskey: command({
      refuses: ['account-not-found', 'passkey-exists', 'too-many-passkeys'],
      decide({ label, passkey, credential, publicKey, counter }: { readonly label: string } & NewPasskey, state) {
        if (!isActiveAccount(state)) return noAccount();
        const { account, passkeys = [] } = state;
        if (passkeys.some((one) => one.passkey === passkey)) return refuse('passkey-exists', 'The passkey was already added');
        if (passkeys.length >= MOST_PASSKEYS) return refuse('too-many-passkeys', `An account has at most ${MOST_PASSKEYS} passkeys`);
        return [{ type: 'AccountPasskeyAdded', data: { account, label, passkey, credential, publicKey, counter } }];
      },
    }),
    RemovePasskey: command({
      route: 'DELETE /v1/accounts/{account}/passkeys/{passkey}',
      refuses: ['account-not-found', 'passkey-not-found'],
      decide({ passkey }: { readonly passkey: string }, state) {
        if (state === null) return noAccount();
        if (!state.passkeys?.some((one) => one.passkey === passkey)) return refuse('passkey-not-found', 'There is no such passkey');
        return [{ type: 'AccountPasskeyRemoved', data: { account: state.account, passkey } }];
      },
    }),
    /** For an owner who has lost both the authenticator and the recovery codes. */
    ResetTotp: command({
      route: 'DELETE /v1/accounts/{account}/totp',
      refuses: ['account-not-found'],
      decide(_command: Readonly<Record<never, never>>, state) {
        return state === null ? noAccount() : removal(state);
      },
    }),
  },
} satisfies Aggregate<AccountState>;

export type AccountEvents = EventsOf<typeof account>;

const invalid = () => refuse('account-invalid', 'An account sees either some clients or all', [CLIENTS_NOT_NAMED]);

/** The principal of an account; undefined if it names both some clients and all, or none. */
export function principalOfAccount(
  id: string,
  { name, roles, clients: some, allClients, tiers, teams }: ChangeAccount,
): Principal | undefined {
  const clients = clientsNamed(some, allClients);
  if (clients === undefined) return undefined;
  return omitUndefined({
    kind: 'person' as const,
    id,
    name,
    roles: ROLES.filter((role) => roles.includes(role)),
    clients,
    tiers: tiers ?? ('all' as const),
    teams: teams ?? [],
  });
}

/** Parts of an account, or of its events, that are never shown. */
export const ACCOUNT_SECRETS = ['hash', 'totp', 'recoveryHashes', 'passkeyKeys', 'challengedAt', 'credential', 'publicKey'] as const;

/** An account, for display. */
export function shownAccount(account: NonNullable<AccountState>): Account {
  return without(account as Account & Partial<Record<(typeof ACCOUNT_SECRETS)[number], unknown>>, ...ACCOUNT_SECRETS);
}
