import { type Aggregate, type CommandsOf, commandsOn, event, type EventsOf, type Instant, refuse } from '#eventsourcing';
import { omitUndefined } from '../plain-json.js';
import { about, instant, listOf, oneOf, open, optional, refer, type Static, text } from '../schema.js';
import { actorSchema } from '../vocabulary.js';
import { type Principal, principalSchema } from './principal.js';

export const CREDENTIAL_FORMS = ['key', 'link', 'session'] as const;

const credentialFields = {
  key: about(text, 'Id of the credential: the first part of the key itself, not secret'),
  form: about(oneOf(CREDENTIAL_FORMS), 'An API key, a single-use login link, or a browser session'),
  label: about(text, 'What it is for'),
  principal: about(refer(principalSchema), 'Principal that it authenticates'),
  routes: optional(about(listOf(text), 'Only these routes and everything below them are allowed, such as `GET /v1/tickets`; absent: all')),
  account: optional(about(text, 'Id of its account, whose current roles and access apply instead of those at the time of issue')),
  provider: optional(
    about(
      open({ subject: about(text, 'Subject at the identity provider'), sid: optional(about(text, 'Session at the identity provider')) }),
      'The identity provider’s side of a session: the session ends when they log out there',
    ),
  ),
  expiresAt: optional(about(instant, 'When it expires; absent: never')),
};

export const keySchema = about(
  open({
    ...credentialFields,
    issuedAt: about(instant, 'When it was issued'),
    issuedBy: about(refer(actorSchema), 'Who issued it'),
    lastUsedOn: optional(about(text, 'The last date (UTC) on which it was used')),
    revokedAt: optional(about(instant, 'When it was revoked')),
    redeemedAt: optional(about(instant, 'When the login link was used')),
  }),
  'A credential. Its secret is only in the first response and is not stored anywhere',
);

/** A credential, for display. */
export type Key = Static<typeof keySchema>;

/** A credential, with the SHA-256 of its secret in lower-case hexadecimal. */
export type Credential = Key & { readonly hash: string };

export type CredentialState = Credential | null;

interface Issued {
  readonly key: string;
  readonly form: Credential['form'];
  readonly label: string;
  readonly principal: Principal;
  readonly routes?: readonly string[];
  /** Id of the account that it belongs to. */
  readonly account?: string;
  readonly provider?: NonNullable<Key['provider']>;
  readonly expiresAt?: Instant;
  /** SHA-256 of the secret, in lower-case hexadecimal. */
  readonly hash: string;
}

const events = {
  CredentialIssued: event<CredentialState, Issued>({
    personal: null,
    evolve: (_state, issued, { actor, effectiveAt }) => ({ ...issued, issuedAt: effectiveAt, issuedBy: actor }),
  }),
  CredentialUsed: event<CredentialState, { readonly key: string; readonly on: string }>({
    personal: null,
    evolve: (state, { on }) => state && { ...state, lastUsedOn: on },
  }),
  LinkRedeemed: event<CredentialState, { readonly key: string }>({
    personal: null,
    evolve: (state, _data, { effectiveAt }) => state && { ...state, redeemedAt: effectiveAt },
  }),
  CredentialRevoked: event<CredentialState, { readonly key: string }>({
    personal: null,
    evolve: (state, _data, { effectiveAt }) => state && { ...state, revokedAt: effectiveAt },
  }),
};

const command = commandsOn<CredentialState, EventsOf<{ readonly events: typeof events }>>();

const revocation = ({ key, revokedAt }: Credential) =>
  revokedAt === undefined ? [{ type: 'CredentialRevoked' as const, data: { key } }] : [];

const noKey = () => refuse('key-not-found', 'There is no such key');

/** A key, a link or a session; belongs to no client. One stream each: `credential-<id>`. */
export const credential = {
  category: 'credential',
  noun: 'key',
  idName: 'key',
  initial: null,
  client: () => '',
  events,
  commands: {
    /** The sender makes and hashes the secret: the domain has no randomness. */
    IssueCredential: command({
      refuses: ['key-exists'],
      decide({ form, label, principal, routes, account, provider, expiresAt, hash }: Omit<Issued, 'key'>, state, { id: key = '' }) {
        if (state !== null) return refuse('key-exists', 'A key with that name exists already');
        return [
          { type: 'CredentialIssued', data: omitUndefined({ key, form, label, principal, routes, account, provider, expiresAt, hash }) },
        ];
      },
    }),
    NoteCredentialUse: command({
      refuses: ['key-not-found'],
      decide({ on }: { readonly on: string }, state) {
        if (state === null) return noKey();
        return state.lastUsedOn !== undefined && state.lastUsedOn >= on ? [] : [{ type: 'CredentialUsed', data: { key: state.key, on } }];
      },
    }),
    RedeemLink: command({
      refuses: ['key-not-found', 'link-used'],
      decide(_command: Readonly<Record<never, never>>, state, { effectiveAt }) {
        if (state === null || state.form !== 'link') return noKey();
        if (state.redeemedAt !== undefined || !isValid(state, effectiveAt))
          return refuse('link-used', 'The link was already used, was revoked, or has expired');
        return [{ type: 'LinkRedeemed', data: { key: state.key } }];
      },
    }),
    EndSession: command({
      route: 'DELETE /v1/sessions/{key}',
      refuses: ['key-not-found'],
      decide(_command: Readonly<Record<never, never>>, state) {
        if (state === null || state.form !== 'session') return noKey();
        return revocation(state);
      },
    }),
    RevokeCredential: command({
      route: 'DELETE /v1/api-keys/{key}',
      refuses: ['key-not-found'],
      decide(_command: Readonly<Record<never, never>>, state) {
        return state === null ? noKey() : revocation(state);
      },
    }),
  },
} satisfies Aggregate<CredentialState>;

export type CredentialEvents = EventsOf<typeof credential>;
export type CredentialCommands = CommandsOf<typeof credential>;

/** Whether it is neither revoked nor expired at an instant. */
export function isValid({ revokedAt, expiresAt }: Pick<Credential, 'revokedAt' | 'expiresAt'>, at: Instant): boolean {
  return revokedAt === undefined && (expiresAt === undefined || at < expiresAt);
}

/** A credential for display: without the hash. */
export function shown({ hash: _hash, ...key }: Credential): Key {
  return key;
}
