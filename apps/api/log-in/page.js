'use strict';
// What follows the # is never sent to a server, so a link is in no log. It is used when somebody presses the button: who only looks at the
// page (a mail scanner, a browser that fetches ahead) does not use it up.

/** Why the identity provider did not log anybody in. */
let failed = {
  '?failed': 'That did not log you in. Try again; the log of the server says why.',
  '?unavailable': 'The identity provider does not answer. Try again in a moment, or log in another way.',
}[location.search];
const at = (id) => document.getElementById(id);
const say = (text) => {
  at('said').textContent = text;
};
const ask = async (method, path, body) => {
  const headers = { 'X-CSRF-Protection': '1', ...(body && { 'Content-Type': 'application/json' }) };
  try {
    const answer = await fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return { ok: answer.ok, status: answer.status, json: await answer.json().catch(() => ({})) };
  } catch {
    return { ok: false, status: 0, json: {} };
  }
};
/** Why the server refused something: what is wrong with each field, where it says so. */
const why = ({ faults, detail = 'The server did not answer. Try again.' }) => faults?.map(({ message }) => message).join('; ') || detail;
/** Shows these parts of the page alone. Nothing of who was here before is left on it. */
function showOnly(...ids) {
  const parts = ['log-in', 'log-out', 'with-password', 'with-code', 'set-password'];
  for (const id of [...parts, 'add-passkey', 'authenticator', 'confirm-totp', 'recovery']) at(id).hidden = !ids.includes(id);
  if (at('elsewhere')) at('elsewhere').hidden = !ids.includes('with-password');
  at('begin-totp').hidden = false;
  at('recovery-codes').textContent = at('totp-secret').textContent = at('totp-uri').href = '';
  for (const id of ['account', 'password', 'new-password', 'code']) at(id).value = '';
}
async function show() {
  const { ok, status, json } = await ask('GET', '/v1/principal');
  if (!ok && status !== 401) return say(why(json));
  showOnly(ok ? 'log-out' : 'with-password');
  if (ok) failed = undefined;
  if (!ok && failed) return say(failed);
  if (!ok)
    return say(
      at('elsewhere') ? 'Nobody is logged in.' : 'Nobody is logged in. Whoever runs this server makes a link: npx tierline login-link',
    );
  const {
    principal: { id, name = id, roles },
    credential,
  } = json;
  say('Logged in as ' + name + ' (' + roles.join(', ') + ').');
  await showOwnAccount();
  at('log-out').onclick = async () => {
    const ended = await ask('DELETE', '/v1/sessions/' + encodeURIComponent(credential.key));
    if (!ended.ok && ended.status !== 401) return say('You are still logged in: ' + why(ended.json));
    const { json } = at('elsewhere') ? await ask('POST', '/login/oidc/log-out') : { json: {} };
    if (json.address) location.assign(json.address);
    else await show();
  };
}
/** Whether passkeys of a domain work where this page is open; says so if not. */
const areForHere = (domain) => {
  const are = location.hostname === domain || location.hostname.endsWith('.' + domain);
  if (!are) say('Passkeys work only at ' + domain + ': open this page there.');
  return are;
};
const hasPasskeys = typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;
at('with-passkey').hidden = !hasPasskeys;
at('with-passkey').onclick = async () => {
  const { ok, json } = await ask('POST', '/v1/passkey-challenges');
  if (!ok) return say(why(json));
  if (!areForHere(json.rpId)) return;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json);
  const passkey = await navigator.credentials.get({ publicKey }).catch(() => null);
  if (passkey === null) return say('No passkey was used.');
  await enter('/v1/sessions', { passkey: passkey.toJSON() });
};
async function addPasskey() {
  const { ok, json } = await ask('POST', '/v1/own-account/passkeys/options');
  if (!ok) return say(why(json));
  if (!areForHere(json.rp.id)) return;
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json);
  const made = await navigator.credentials.create({ publicKey }).catch(() => null);
  if (made === null) return say('No passkey was made.');
  const added = await ask('POST', '/v1/own-account/passkeys', { label: at('passkey-label').value, response: made.toJSON() });
  say(added.ok ? 'The passkey logs you in from now on.' : why(added.json));
  at('passkey-label').value = '';
}
/** Offers passkeys and an authenticator to who has an account. */
async function showOwnAccount() {
  const own = await ask('GET', '/v1/own-account');
  at('add-passkey').hidden = !own.ok || !hasPasskeys;
  at('add-passkey').onsubmit = async (event) => {
    event.preventDefault();
    await addPasskey();
  };
  at('authenticator').hidden = !own.ok || own.json.totpEnrolledAt !== undefined;
  at('begin-totp').onclick = async () => {
    const { ok, json } = await ask('POST', '/v1/own-account/totp');
    if (!ok) return say(why(json));
    at('totp-secret').textContent = json.secret.replace(/.{4}(?=.)/g, '$& ');
    at('totp-uri').href = json.uri;
    at('begin-totp').hidden = true;
    at('confirm-totp').hidden = false;
    at('confirm-totp').onsubmit = async (event) => {
      event.preventDefault();
      const confirmed = await ask('POST', '/v1/own-account/totp/confirmation', { enrolment: json.enrolment, code: at('totp-code').value });
      at('totp-code').value = '';
      if (!confirmed.ok) return say(why(confirmed.json));
      say('Logging in takes a code of your authenticator from now on.');
      at('confirm-totp').hidden = true;
      at('totp-secret').textContent = '';
      at('recovery-codes').textContent = confirmed.json.recoveryCodes.join('\n');
      at('recovery').hidden = false;
    };
  };
}
/**
 * Logs in by what the server is told, and says what came of it. What was entered may be corrected; a link that is no good gives way to the
 * password.
 */
async function enter(path, proof) {
  say('One moment.');
  const { ok, status, json } = await ask('POST', path, proof);
  if (ok) return show();
  const asksFor = json.code === 'second-factor-required' && (json.factor ?? 'code');
  if (asksFor === 'code') {
    showOnly('with-code');
    at('with-code').onsubmit = async (event) => {
      event.preventDefault();
      await enter(path, { ...proof, code: at('code').value });
      at('code').value = '';
    };
    at('code').focus();
    return say('Now the code of your authenticator.');
  }
  if (asksFor === 'passkey' || (proof.link && !proof.code && status === 401)) showOnly('with-password');
  say(why(json));
}
at('with-password').onsubmit = async (event) => {
  event.preventDefault();
  await enter('/v1/sessions', { account: at('account').value, password: at('password').value });
  at('password').value = '';
};
async function begin() {
  const [, forPassword, link = ''] = /^#(password-)?(.*)$/.exec(location.hash) ?? [];
  history.replaceState(null, '', location.pathname);
  if (link === '') return show();
  if (forPassword) {
    showOnly('set-password');
    say('This link sets your password, once.');
    at('set-password').onsubmit = async (event) => {
      event.preventDefault();
      await enter('/v1/passwords', { link, newPassword: at('new-password').value });
      at('new-password').value = '';
    };
    return;
  }
  showOnly('log-in');
  say('This link logs you in, once.');
  at('log-in').onclick = () => enter('/v1/sessions', { link });
}
addEventListener('hashchange', () => {
  if (location.hash !== '') void begin();
});
void begin();
