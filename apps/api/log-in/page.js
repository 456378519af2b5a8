'use strict';
// What follows the # is never sent to a server, so a link is in no log. It is used when somebody presses the button: who only looks at the
// page (a mail scanner, a browser that fetches ahead) does not use it up.

const failed = location.search === '?failed';
const at = (id) => document.getElementById(id);
const say = (text) => {
  at('said').textContent = text;
};
const ask = async (method, path, body) => {
  const headers = { 'X-CSRF-Protection': '1', ...(body && { 'Content-Type': 'application/json' }) };
  const answer = await fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  return { ok: answer.ok, json: await answer.json().catch(() => ({})) };
};
async function show() {
  const { ok, json } = await ask('GET', '/v1/principal');
  at('log-out').hidden = !ok;
  at('with-password').hidden = ok;
  // Nothing of who was here before is left on the page.
  for (const id of ['add-passkey', 'authenticator', 'confirm-totp', 'recovery']) at(id).hidden = true;
  at('begin-totp').hidden = false;
  at('recovery-codes').textContent = '';
  if (at('elsewhere')) at('elsewhere').hidden = ok;
  if (!ok && failed) return say('That did not log you in. Try again; the log of the server says why.');
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
    await ask('DELETE', '/v1/sessions/' + encodeURIComponent(credential.key));
    const { json } = at('elsewhere') ? await ask('POST', '/login/oidc/log-out') : { json: {} };
    if (json.address) location.assign(json.address);
    else await show();
  };
}
const hasPasskeys = typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;
at('with-passkey').hidden = !hasPasskeys;
at('with-passkey').onclick = async () => {
  const { ok, json } = await ask('POST', '/v1/passkey-challenges');
  if (!ok) return say(json.detail);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json);
  const passkey = await navigator.credentials.get({ publicKey }).catch(() => null);
  if (passkey === null) return say('No passkey was used.');
  await enter('/v1/sessions', { passkey: passkey.toJSON() });
};
async function addPasskey() {
  const { ok, json } = await ask('POST', '/v1/own-account/passkeys/options');
  if (!ok) return say(json.detail);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json);
  const made = await navigator.credentials.create({ publicKey }).catch(() => null);
  if (made === null) return say('No passkey was made.');
  const added = await ask('POST', '/v1/own-account/passkeys', { label: at('passkey-label').value, response: made.toJSON() });
  say(added.ok ? 'The passkey logs you in from now on.' : added.json.detail);
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
    if (!ok) return say(json.detail);
    at('totp-secret').textContent = json.secret.replace(/.{4}(?=.)/g, '$& ');
    at('totp-uri').href = json.uri;
    at('begin-totp').hidden = true;
    at('confirm-totp').hidden = false;
    at('confirm-totp').onsubmit = async (event) => {
      event.preventDefault();
      const confirmed = await ask('POST', '/v1/own-account/totp/confirmation', { enrolment: json.enrolment, code: at('totp-code').value });
      at('totp-code').value = '';
      if (!confirmed.ok) return say(confirmed.json.detail);
      say('Logging in takes a code of your authenticator from now on.');
      at('confirm-totp').hidden = true;
      at('totp-secret').textContent = '';
      at('recovery-codes').textContent = confirmed.json.recoveryCodes.join('\n');
      at('recovery').hidden = false;
    };
  };
}
/** Logs in by what the server is told, and says what came of it; asks for a code where it takes one. */
async function enter(path, proof) {
  const { ok, json } = await ask('POST', path, proof);
  const takesCode = json.code === 'second-factor-required';
  at('with-code').hidden = !takesCode;
  if (takesCode) {
    at('with-password').hidden = true;
    at('with-code').onsubmit = async (event) => {
      event.preventDefault();
      const code = at('code').value;
      at('code').value = '';
      await enter(path, { ...proof, code });
    };
  } else if (!ok) at('with-password').hidden = false;
  if (ok) await show();
  else say(takesCode ? 'Now the code of your authenticator.' : (json.detail ?? 'The server did not answer.'));
  return ok || takesCode;
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
    say('This link sets your password, once.');
    at('set-password').hidden = false;
    at('set-password').onsubmit = async (event) => {
      event.preventDefault();
      at('set-password').hidden = await enter('/v1/passwords', { link, newPassword: at('new-password').value });
      at('new-password').value = '';
    };
    return;
  }
  say('This link logs you in, once.');
  at('log-in').hidden = false;
  at('log-in').onclick = async () => {
    at('log-in').hidden = true;
    await enter('/v1/sessions', { link });
  };
}
addEventListener('hashchange', () => {
  if (location.hash !== '') void begin();
});
void begin();
