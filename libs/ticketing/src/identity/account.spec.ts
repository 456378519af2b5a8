import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { account, shownAccount } from './account.js';

const given = scenariosOf(account, { id: 'ada', actor: { id: 'root', kind: 'agent' }, start: 0, step: 1_000 });
const rights = { name: 'Ada', roles: ['lead', 'agent'], clients: ['northwind'] } as const;
const invite = ['InviteAccount', { account: 'ada', ...rights }] as const;
const suspend = ['SuspendAccount', { reason: 'left' }] as const;
const setPassword = ['SetAccountPassword', { hash: 'h' }] as const;

describe('an account', () => {
  it('is made once, for some clients or for all', () => {
    const principal = { kind: 'person', id: 'ada', name: 'Ada', roles: ['agent', 'lead'], clients: ['northwind'], tiers: 'all', teams: [] };
    expect(
      given()
        .when(...invite)
        .events(),
    ).toEqual([{ type: 'AccountInvited', data: { account: 'ada', principal } }]);
    expect(
      given(invite)
        .when(...invite)
        .refusal(),
    ).toMatchObject({ refused: 'account-exists' });
    for (const clients of [{ clients: ['a'], allClients: true }, {}, { allClients: false }])
      expect(
        given()
          .when('InviteAccount', { account: 'ada', roles: ['agent'], ...clients })
          .refusal(),
      ).toMatchObject({
        refused: 'account-invalid',
        faults: [{ field: 'clients' }],
      });
  });

  it('is changed as a whole; the same again is no change', () => {
    expect(given(invite).when('ChangeAccount', rights).events()).toEqual([]);
    expect(
      given(invite)
        .when('ChangeAccount', { roles: ['auditor'], allClients: true })
        .events(),
    ).toMatchObject([{ type: 'AccountChanged', data: { principal: { id: 'ada', roles: ['auditor'], clients: 'all' } } }]);
    expect(given().when('ChangeAccount', rights).refusal()).toMatchObject({ refused: 'account-not-found' });
    expect(
      given(invite)
        .when('ChangeAccount', { roles: ['agent'] })
        .refusal(),
    ).toMatchObject({ refused: 'account-invalid' });
  });

  it('is suspended and reinstated, which repeats without a change', () => {
    expect(given(invite, suspend).state).toHaveProperty('suspendedAt');
    expect(
      given(invite, suspend)
        .when(...suspend)
        .events(),
    ).toEqual([]);
    expect(given(invite, suspend, ['ReinstateAccount', {}]).state).not.toHaveProperty('suspendedAt');
    expect(given(invite).when('ReinstateAccount', {}).events()).toEqual([]);
    for (const [name, command] of [suspend, ['ReinstateAccount', {}]] as const)
      expect(given().when(name, command).refusal()).toMatchObject({ refused: 'account-not-found' });
  });

  it('has a password, which nobody is shown, and tells when somebody logged in', () => {
    const { state } = given(invite, setPassword, ['NoteLogIn', { by: 'password' }]);
    expect(state && shownAccount(state)).toMatchObject({ hasPassword: true, lastLogInBy: 'password' });
    expect(state && shownAccount(state)).not.toHaveProperty('hash');
    expect(given(invite).when('IssueAccountLink', {}).events()).toEqual([{ type: 'AccountLinkIssued', data: { account: 'ada' } }]);
  });

  const enrol = ['EnrolTotp', { enrolment: 'e', totpStep: 7, recoveryHashes: ['a', 'b'] }] as const;
  const required = { refused: 'second-factor-required' };

  it('with an authenticator takes a code that was not used before, of now or later', () => {
    const enrolled = given(invite, enrol);
    for (const factor of [undefined, { totpStep: 7 }, { totpStep: 6 }, { recoveryCode: 2 }])
      expect(enrolled.when('NoteLogIn', { by: 'link', factor }).refusal()).toMatchObject(required);
    const by = { by: 'password' } as const;
    expect(enrolled.when('NoteLogIn', { ...by, factor: { totpStep: 8 } }).events()).toEqual([
      { type: 'AccountLoggedIn', data: { account: 'ada', ...by, totpStep: 8 } },
    ]);
    const used = given(
      invite,
      enrol,
      ['NoteLogIn', { ...by, factor: { totpStep: 8 } }],
      ['NoteLogIn', { ...by, factor: { recoveryCode: 1 } }],
    );
    for (const factor of [{ totpStep: 8 }, { recoveryCode: 1 }])
      expect(used.when('NoteLogIn', { ...by, factor }).refusal()).toMatchObject(required);
    expect(used.state && shownAccount(used.state)).toMatchObject({ recoveryCodesLeft: 1, totpEnrolledAt: expect.any(String) });
    expect(JSON.stringify(used.state && shownAccount(used.state))).not.toMatch(/"(totp|recoveryHashes|enrolment)"/);
    expect(enrolled.when(...enrol).refusal()).toMatchObject({ refused: 'totp-enrolled' });
  });

  it('is logged in to by a passkey alone, for challenges that come later and later', () => {
    const key = { passkey: 'p', credential: 'c', publicKey: 'k', counter: 0 };
    const added = given(invite, enrol, ['AddPasskey', { label: 'Laptop', ...key }]);
    const by = { by: 'passkey' } as const;
    const use = { passkey: 'p', counter: 3, challengedAt: 10 };
    expect(added.when('NoteLogIn', { ...by, factor: use }).events()).toEqual([
      { type: 'AccountLoggedIn', data: { account: 'ada', ...by, ...use } },
    ]);
    expect(added.when('NoteLogIn', { ...by, factor: { ...use, passkey: 'q' } }).refusal()).toMatchObject(required);
    const used = given(invite, ['AddPasskey', { label: 'Laptop', ...key }], ['NoteLogIn', { ...by, factor: use }]);
    expect(used.when('NoteLogIn', { ...by, factor: use }).refusal()).toMatchObject(required);
    expect(used.state).toMatchObject({ passkeys: [{ passkey: 'p', lastUsedAt: expect.any(String) }], passkeyKeys: { p: { counter: 3 } } });
    expect(Object.keys((used.state && shownAccount(used.state)) ?? {})).toEqual(
      expect.not.arrayContaining(['passkeyKeys', 'challengedAt']),
    );
    expect(used.when('AddPasskey', { label: 'x', ...key }).refusal()).toMatchObject({ refused: 'passkey-exists' });
    expect(used.when('RemovePasskey', { passkey: 'q' }).refusal()).toMatchObject({ refused: 'passkey-not-found' });
    expect(used.when('RemovePasskey', { passkey: 'p' }).events()).toEqual([
      { type: 'AccountPasskeyRemoved', data: { account: 'ada', passkey: 'p' } },
    ]);
    const many = Array.from({ length: 20 }, (_, index) => ['AddPasskey', { label: 'x', ...key, passkey: `p${index}` }] as const);
    expect(
      given(invite, ...many)
        .when('AddPasskey', { label: 'x', ...key })
        .refusal(),
    ).toMatchObject({ refused: 'too-many-passkeys' });
  });

  it('loses its authenticator to a code of it, or to an administrator', () => {
    const removed = [{ type: 'AccountTotpRemoved', data: { account: 'ada' } }];
    expect(given(invite, enrol).when('RemoveTotp', { factor: undefined }).refusal()).toMatchObject(required);
    expect(
      given(invite, enrol)
        .when('RemoveTotp', { factor: { recoveryCode: 0 } })
        .events(),
    ).toEqual(removed);
    expect(given(invite, enrol).when('ResetTotp', {}).events()).toEqual(removed);
    expect(given(invite).when('ResetTotp', {}).events()).toEqual([]);
    expect(given(invite, enrol, ['ResetTotp', {}]).state).toEqual(given(invite).state);
  });

  it('takes no password, no link and no log-in while it is suspended or not there', () => {
    for (const none of [given(), given(invite, suspend)]) {
      expect(none.when(...setPassword).refusal()).toMatchObject({ refused: 'account-not-found' });
      expect(none.when('NoteLogIn', { by: 'link' }).refusal()).toMatchObject({ refused: 'account-not-found' });
      expect(none.when('IssueAccountLink', {}).refusal()).toMatchObject({ refused: 'account-not-found' });
    }
  });
});
