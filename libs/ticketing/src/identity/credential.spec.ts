import { instantFrom } from '#eventsourcing';
import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { credential, isValid, shown } from './credential.js';
import { OPERATOR } from './principal.js';

const DAY = 86_400_000;
const given = scenariosOf(credential, { id: 'k', actor: { id: 'root', kind: 'agent' }, start: 0, step: 1_000 });
const issue = (form: 'key' | 'link' | 'session', expires?: number) =>
  [
    'IssueCredential',
    {
      form,
      label: 'for tests',
      principal: OPERATOR,
      hash: 'h',
      ...(expires === undefined ? {} : { expiresAt: instantFrom(expires) }),
    },
  ] as const;

describe('a credential', () => {
  it('is issued once, and shown without its hash', () => {
    expect(
      given()
        .when(...issue('key'))
        .events(),
    ).toMatchObject([{ type: 'CredentialIssued', data: { key: 'k', form: 'key', hash: 'h' } }]);
    expect(
      given(issue('key'))
        .when(...issue('key'))
        .refusal(),
    ).toMatchObject({ refused: 'key-exists' });
    const { state } = given(issue('key'));
    expect(state && shown(state)).toMatchObject({ key: 'k', issuedBy: { id: 'root' } });
    expect(state && shown(state)).not.toHaveProperty('hash');
  });

  it('is used: told once a day', () => {
    expect(given(issue('key')).when('NoteCredentialUse', { on: '1970-01-01' }).events()).toHaveLength(1);
    const used = given(issue('key'), ['NoteCredentialUse', { on: '1970-01-02' }]);
    expect(used.when('NoteCredentialUse', { on: '1970-01-02' }).events()).toEqual([]);
    expect(used.when('NoteCredentialUse', { on: '1970-01-01' }).events()).toEqual([]);
    expect(given().when('NoteCredentialUse', { on: '1970-01-01' }).refusal()).toMatchObject({ refused: 'key-not-found' });
  });

  it('is revoked, which repeats without a change', () => {
    expect(given(issue('key')).when('RevokeCredential', {}).events()).toMatchObject([{ type: 'CredentialRevoked' }]);
    const revoked = given(issue('key'), ['RevokeCredential', {}]);
    expect(revoked.when('RevokeCredential', {}).events()).toEqual([]);
    expect(revoked.state && isValid(revoked.state, instantFrom(DAY))).toBe(false);
    expect(given().when('RevokeCredential', {}).refusal()).toMatchObject({ refused: 'key-not-found' });
  });

  it('is ended as a session, and as nothing else', () => {
    expect(given(issue('session')).when('EndSession', {}).events()).toMatchObject([{ type: 'CredentialRevoked' }]);
    expect(given(issue('session'), ['EndSession', {}]).when('EndSession', {}).events()).toEqual([]);
    for (const none of [given(), given(issue('key')), given(issue('link'))])
      expect(none.when('EndSession', {}).refusal()).toMatchObject({ refused: 'key-not-found' });
  });

  it('ends when it was said to', () => {
    const { state } = given(issue('key', DAY));
    expect([DAY - 1, DAY].map((at) => state && isValid(state, instantFrom(at)))).toEqual([true, false]);
  });

  it('works once as a link: not again, not when revoked or too old, and not as a key', () => {
    expect(given(issue('link', DAY)).when('RedeemLink', {}).events()).toMatchObject([{ type: 'LinkRedeemed' }]);
    expect(given(issue('link'), ['RedeemLink', {}]).when('RedeemLink', {}).refusal()).toMatchObject({ refused: 'link-used' });
    expect(given(issue('link'), ['RevokeCredential', {}]).when('RedeemLink', {}).refusal()).toMatchObject({ refused: 'link-used' });
    expect(given(issue('link', DAY)).when('RedeemLink', {}, DAY).refusal()).toMatchObject({ refused: 'link-used' });
    expect(given(issue('key')).when('RedeemLink', {}).refusal()).toMatchObject({ refused: 'key-not-found' });
  });
});
