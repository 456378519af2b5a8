import { Body, Controller, Get, Header, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore } from '#eventsourcing';
import { Problem } from '#http';
import type { IdentityProvider } from '#oidc';
import { JsonLog } from '#platform';
import { endSessionsOfProvider, ReadModels, startSession } from '#ticketing-app';
import { providerUnavailable } from './authentication.js';
import { CSRF_HEADER, idTokenIn, keepIdToken, keepPendingLogIn, keepSession, pendingLogInIn, refuseForged } from './browser-session.js';
import { documented } from './documented.js';
import { browserOf } from './sessions.controller.js';
import { unlessRefused } from './ticket-problems.js';

/** Token of the identity provider; null where there is none. */
export const IDENTITY_PROVIDER = Symbol('identity provider');

const page = (hasProvider: boolean): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Log in to Tierline</title>
    <link rel="stylesheet" href="/login/page.css">
  </head>
  <body>
    <main>
      <h1>Tierline</h1>
      <p id="said" role="status"></p>
      <noscript><p>Logging in takes JavaScript.</p></noscript>
      <p><button id="log-in" type="button" hidden>Log in</button><button id="log-out" type="button" hidden>Log out</button></p>
      <form id="with-password" hidden>
        <p><label>Account <input id="account" autocomplete="username" required></label></p>
        <p><label>Password <input id="password" type="password" autocomplete="current-password" required></label></p>
        <p><button>Log in with a password</button> <button id="with-passkey" type="button" hidden>Log in with a passkey</button></p>
      </form>
      <form id="with-code" hidden>
        <p><label>Code of your authenticator, or a recovery code <input id="code" autocomplete="one-time-code" required></label></p>
        <p><button>Go on</button></p>
      </form>
      <form id="add-passkey" hidden>
        <p><label>Name of this device or key <input id="passkey-label" maxlength="100" required></label></p>
        <p><button>Add a passkey</button></p>
      </form>
      <section id="authenticator" hidden>
        <p><button id="begin-totp" type="button">Set up an authenticator app</button></p>
        <form id="confirm-totp" hidden>
          <p>Add this key to the app (<a id="totp-uri">open it on this device</a>), then enter the code that it shows.</p>
          <p><code id="totp-secret"></code></p>
          <p><label>Code <input id="totp-code" inputmode="numeric" autocomplete="one-time-code" required></label></p>
          <p><button>Confirm</button></p>
        </form>
        <div id="recovery" hidden>
          <p>Keep these codes. Each works once should you lose the app; they are not shown again.</p>
          <pre id="recovery-codes"></pre>
        </div>
      </section>
      <form id="set-password" hidden>
        <p><label>New password, of 12 characters or more <input id="new-password" type="password" autocomplete="new-password" minlength="12" required></label></p>
        <p><button>Set the password, and log in</button></p>
      </form>
      ${hasProvider ? '<p id="elsewhere"><a href="/login/oidc">Log in at your identity provider</a></p>' : ''}
      <p><a href="/docs">Documentation of the API</a></p>
    </main>
    <script src="/login/page.js"></script>
  </body>
</html>
`;

const style = `body { font: 1rem/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 32rem; padding: 0 1rem; }
button, input { font: inherit; padding: .5rem 1rem; }
label input { box-sizing: border-box; display: block; width: 100%; }
code, pre { font-size: 1.1rem; overflow-wrap: anywhere; }
#with-password, #with-code, #set-password, #add-passkey, #authenticator { border-top: 1px solid #ccc; }
`;

// What follows the # is never sent to a server, so a link is in no log. It is used when somebody presses the button: who only looks at the
// page (a mail scanner, a browser that fetches ahead) does not use it up.
const script = `'use strict';
const failed = location.search === '?failed';
const at = (id) => document.getElementById(id);
const say = (text) => { at('said').textContent = text; };
const ask = async (method, path, body) => {
  const headers = { '${CSRF_HEADER}': '1', ...(body && { 'Content-Type': 'application/json' }) };
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
  if (!ok) return say(at('elsewhere') ? 'Nobody is logged in.' : 'Nobody is logged in. Whoever runs this server makes a link: npx tierline login-link');
  const { principal: { id, name = id, roles }, credential } = json;
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
      at('recovery-codes').textContent = confirmed.json.recoveryCodes.join('\\n');
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
addEventListener('hashchange', () => { if (location.hash !== '') void begin(); });
void begin();
`;

const files: Readonly<Record<string, { readonly type: string; readonly text: string }>> = {
  'page.css': { type: 'text/css; charset=utf-8', text: style },
  'page.js': { type: 'text/javascript; charset=utf-8', text: script },
};

/** The page that people log in and out on. */
@documented((openapi) => openapi.ApiExcludeController())
@Controller('login')
export class LogInController {
  constructor(
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(ReadModels) private readonly models: ReadModels,
    @Inject(IDENTITY_PROVIDER) private readonly provider: IdentityProvider | null,
    @Inject(JsonLog) private readonly log: JsonLog,
  ) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header(
    'Content-Security-Policy',
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  @Header('Referrer-Policy', 'no-referrer')
  page(): string {
    return page(this.provider?.hasBrowserLogIn === true);
  }

  /** Sends the browser to the identity provider. */
  @Get('oidc')
  async begin(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    const begun = await this.#provider().beginLogIn();
    if ('unavailable' in begun) throw providerUnavailable(begun, this.log);
    keepPendingLogIn(request, reply, begun.pending);
    void reply.code(302).header('Location', begun.address);
  }

  /** Where the browser comes back to. Whatever comes of it, the attempt is over. */
  @Get('callback')
  @Header('Referrer-Policy', 'no-referrer')
  async finish(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    const [, search = ''] = /\?(.*)$/.exec(request.url) ?? [];
    const found = await this.#provider().finishLogIn(search, pendingLogInIn(request));
    keepPendingLogIn(request, reply);
    if ('unavailable' in found) throw providerUnavailable(found, this.log);
    if ('unknown' in found || found.principal.roles.length === 0) {
      const reason = 'unknown' in found ? found.unknown : 'the identity provider gives them no role of ours';
      this.log.warn({ reason, correlationId: request.correlationId }, 'somebody could not log in at the identity provider');
      void reply.code(302).header('Location', '/login?failed');
      return;
    }
    const how = `OpenID Connect: ${browserOf(request)}`;
    keepSession(
      request,
      reply,
      unlessRefused(
        await startSession(this.store, { principal: found.principal, label: how, provider: found.provider }, request.correlationId),
      ),
    );
    keepIdToken(request, reply, found.idToken);
    void reply.code(302).header('Location', '/login');
  }

  /** Where a browser goes on that has logged out here, to be logged out at the provider too. */
  @Post('oidc/log-out')
  @HttpCode(200)
  async logOut(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<{ readonly address?: string }> {
    refuseForged(request);
    const idToken = idTokenIn(request);
    keepIdToken(request, reply);
    // Who has come by a link or a password is not logged in there.
    const address = idToken === undefined ? undefined : await this.#provider().logOutAddress(idToken);
    return address === undefined ? {} : { address };
  }

  /** What the provider sends when somebody has logged out there. */
  @Post('oidc/back-channel')
  @HttpCode(200)
  async loggedOut(@Body() body: unknown, @Req() { correlationId }: FastifyRequest): Promise<void> {
    const token = body instanceof URLSearchParams ? body.get('logout_token') : null;
    const found = await this.#provider().loggedOut(token ?? '');
    if ('unavailable' in found) throw providerUnavailable(found, this.log);
    if ('unknown' in found) {
      this.log.warn({ reason: found.unknown, correlationId }, 'a logout token of the identity provider was refused');
      throw Problem.of('invalid-body', 'It takes a logout token of the identity provider');
    }
    const ended = await endSessionsOfProvider(this.store, this.models, found, correlationId);
    this.log.info({ ended, correlationId }, 'somebody has logged out at the identity provider');
  }

  #provider(): IdentityProvider {
    if (this.provider?.hasBrowserLogIn === true) return this.provider;
    throw Problem.of('not-found', 'There is nothing at this address');
  }

  @Get(':file')
  file(@Param('file') name: string, @Res({ passthrough: true }) reply: FastifyReply): string {
    const file = Object.hasOwn(files, name) ? files[name] : undefined;
    if (file === undefined) throw Problem.of('not-found', 'There is nothing at this address');
    void reply.header('Content-Type', file.type);
    return file.text;
  }
}
