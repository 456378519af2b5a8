import { type Aggregate, type CommandsOf, commandsOn, event, type EventsOf, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Flag, Name, SomeOf, Text, TextList } from '../command-fields.js';
import { present, same } from '../plain-json.js';
import { about, flag, instant, oneOf, open, optional, refer, type Static, text } from '../schema.js';
import { actorSchema, type Tier, TIERS } from '../vocabulary.js';
import { CLIENTS_NOT_NAMED, clientsNamed, type Principal, principalSchema, type Role, ROLES } from './principal.js';

const LOG_IN_METHODS = ['link', 'password'] as const;

export const accountSchema = about(
  open({
    account: about(text, 'Id of the person, as events name them'),
    principal: about(refer(principalSchema), 'What they may do and see'),
    invitedAt: about(instant, 'When the account was made'),
    invitedBy: about(refer(actorSchema), 'Who made it'),
    hasPassword: about(flag, 'Whether they log in with a password'),
    passwordSetAt: optional(about(instant, 'When they last set it')),
    lastLogIn: optional(about(instant, 'When they last logged in')),
    lastLogInBy: optional(about(oneOf(LOG_IN_METHODS), 'With what they last logged in')),
    suspendedAt: optional(about(instant, 'Since when nobody logs in with it')),
  }),
  'An account of a person who has no identity provider',
);

/** An account as it is shown. */
export type Account = Static<typeof accountSchema>;

/** An account, with the hash of its password. */
export type AccountState = (Account & { readonly hash?: string }) | null;

@JSONSchema({
  description: 'Says anew what somebody may do and see: at once, in sessions that go on, too.',
  examples: [{ name: 'Ada', roles: ['lead'], clients: ['northwind'] }],
})
export class ChangeAccount {
  @Name({ description: 'Name of the person', optional: true })
  name?: string;

  @SomeOf(ROLES, { description: 'What they may do' })
  roles!: readonly Role[];

  @TextList({ description: 'The clients whose data they see', max: 100, atLeastOne: true, optional: true })
  clients?: readonly string[];

  @Flag({ description: 'That they see the data of all clients, in place of `clients`', optional: true })
  allClients?: boolean;

  @SomeOf(TIERS, { description: 'The tiers that they work at; all, unless said', optional: true })
  tiers?: readonly Tier[];

  @TextList({ description: 'Ids of the teams that they belong to', max: 100, optional: true })
  teams?: readonly string[];
}

@JSONSchema({
  description: 'Makes an account for a person. They log in once somebody has made a link for them (`POST /v1/accounts/{account}/links`).',
  examples: [{ account: 'ada', name: 'Ada', roles: ['agent'], clients: ['northwind'], tiers: ['L1', 'L2'] }],
})
export class InviteAccount extends ChangeAccount {
  @Name({ description: 'Id of the person, as events name them', example: 'ada', max: 100 })
  account!: string;
}

@JSONSchema({
  description: 'Keeps somebody from logging in, and ends what they have begun.',
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

const events = {
  AccountInvited: event<AccountState, Told>({
    evolve: (_state, told, { actor, effectiveAt }) => ({ ...told, invitedAt: effectiveAt, invitedBy: actor, hasPassword: false }),
  }),
  AccountChanged: event<AccountState, Told>({ evolve: (state, { principal }) => state && { ...state, principal } }),
  AccountSuspended: event<AccountState, { readonly account: string; readonly reason?: string }>({
    evolve: (state, _data, { effectiveAt }) => state && { ...state, suspendedAt: effectiveAt },
  }),
  AccountReinstated: event<AccountState, { readonly account: string }>({
    evolve: (state) => {
      if (state === null) return null;
      const { suspendedAt: _, ...active } = state;
      return active;
    },
  }),
  AccountLinkIssued: event<AccountState, { readonly account: string }>({ evolve: (state) => state }),
  AccountPasswordSet: event<AccountState, { readonly account: string; readonly hash: string }>({
    evolve: (state, { hash }, { effectiveAt }) => state && { ...state, hash, hasPassword: true, passwordSetAt: effectiveAt },
  }),
  AccountLoggedIn: event<AccountState, { readonly account: string; readonly by: (typeof LOG_IN_METHODS)[number] }>({
    evolve: (state, { by }, { effectiveAt }) => state && { ...state, lastLogIn: effectiveAt, lastLogInBy: by },
  }),
};

const command = commandsOn<AccountState, EventsOf<{ readonly events: typeof events }>>();

const noAccount = () => refuse('account-not-found', 'There is no such account');

/** An account of a person; of no client. One stream each: `account-<id>`. */
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
        return suspendedAt === undefined ? [{ type: 'AccountSuspended', data: present({ account, reason }) }] : [];
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
    /** The link itself is made by who sends it: the domain knows no chance. */
    IssueAccountLink: command({
      refuses: ['account-not-found'],
      decide(_command: Readonly<Record<never, never>>, state) {
        if (state === null || state.suspendedAt !== undefined) return noAccount();
        return [{ type: 'AccountLinkIssued', data: { account: state.account } }];
      },
    }),
    /** The password is hashed by who sends it: the domain knows no chance. */
    SetAccountPassword: command({
      refuses: ['account-not-found'],
      decide({ hash }: { readonly hash: string }, state) {
        if (state === null || state.suspendedAt !== undefined) return noAccount();
        return [{ type: 'AccountPasswordSet', data: { account: state.account, hash } }];
      },
    }),
    NoteLogIn: command({
      refuses: ['account-not-found'],
      decide({ by }: { readonly by: (typeof LOG_IN_METHODS)[number] }, state) {
        if (state === null || state.suspendedAt !== undefined) return noAccount();
        return [{ type: 'AccountLoggedIn', data: { account: state.account, by } }];
      },
    }),
  },
} satisfies Aggregate<AccountState>;

export type AccountEvents = EventsOf<typeof account>;
export type AccountCommands = CommandsOf<typeof account>;

const invalid = () => refuse('account-invalid', 'An account sees either some clients or all', [CLIENTS_NOT_NAMED]);

/** Whom an account is of; undefined when it names both some clients and all, or none. */
export function principalOfAccount(
  id: string,
  { name, roles, clients: some, allClients, tiers, teams }: ChangeAccount,
): Principal | undefined {
  const clients = clientsNamed(some, allClients);
  if (clients === undefined) return undefined;
  return present({
    kind: 'person' as const,
    id,
    name,
    roles: ROLES.filter((role) => roles.includes(role)),
    clients,
    tiers: tiers ?? ('all' as const),
    teams: teams ?? [],
  });
}

/** An account as it is shown: without the hash of its password. */
export function shownAccount({ hash: _hash, ...account }: NonNullable<AccountState>): Account {
  return account;
}
