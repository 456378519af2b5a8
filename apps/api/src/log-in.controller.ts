import { readFile } from 'node:fs/promises';
import { Body, Controller, Get, Header, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore } from '#eventsourcing';
import { Problem } from '#http';
import type { IdentityProvider, Unavailable } from '#oidc';
import { JsonLog } from '#platform';
import { endSessionsOfProvider, ReadModels, startSession } from '#ticketing-app';
import { providerUnavailable } from './authentication.js';
import { idTokenIn, keepIdToken, keepPendingLogIn, keepSession, pendingLogInIn, refuseForged } from './browser-session.js';
import { documented } from './documented.js';
import { browserOf } from './sessions.controller.js';
import { unlessRefused } from './ticket-problems.js';

/** Token of the identity provider; null if there is none. */
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
      <noscript><p>Logging in requires JavaScript.</p></noscript>
      <p><button id="log-in" type="button" hidden>Log in</button><button id="log-out" type="button" hidden>Log out</button></p>
      <form id="with-password" hidden>
        <p><label>Account <input id="account" autocomplete="username" autocapitalize="none" spellcheck="false" required></label></p>
        <p><label>Password <input id="password" type="password" autocomplete="current-password" required></label></p>
        <p><button>Log in with a password</button> <button id="with-passkey" type="button" hidden>Log in with a passkey</button></p>
      </form>
      <form id="with-code" hidden>
        <p><label>Code of your authenticator, or a recovery code <input id="code" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" required></label></p>
        <p><button>Continue</button></p>
      </form>
      <form id="add-passkey" hidden>
        <p><label>Name of this device or key <input id="passkey-label" maxlength="100" required></label></p>
        <p><button>Add a passkey</button></p>
      </form>
      <section id="authenticator" hidden>
        <p><button id="begin-totp" type="button">Set up an authenticator app</button></p>
        <form id="confirm-totp" hidden>
          <p>Add this key to the app (<a id="totp-uri">open it on this device</a>), then enter the code it shows.</p>
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
        <p><label>New password (at least 12 characters) <input id="new-password" type="password" autocomplete="new-password" minlength="12" required></label></p>
        <p><button>Set password and log in</button></p>
      </form>
      ${hasProvider ? '<p id="elsewhere"><a href="/login/oidc">Log in with your identity provider</a></p>' : ''}
      <p><a href="/docs">API documentation</a></p>
    </main>
    <script src="/login/page.js"></script>
  </body>
</html>
`;

const folder = new URL('../log-in/', import.meta.url);

const files: Readonly<Record<string, string>> = {
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
};

/** The page for logging in and out. */
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
    if ('unavailable' in begun) return this.#away(begun, reply);
    keepPendingLogIn(request, reply, begun.pending);
    void reply.code(302).header('Location', begun.address);
  }

  /** Where the browser returns to. Whatever the result, the attempt is over. */
  @Get('callback')
  @Header('Referrer-Policy', 'no-referrer')
  async finish(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    const [, search = ''] = /\?(.*)$/.exec(request.url) ?? [];
    const found = await this.#provider().finishLogIn(search, pendingLogInIn(request));
    keepPendingLogIn(request, reply);
    if ('unavailable' in found) return this.#away(found, reply);
    if ('unknown' in found || found.principal.roles.length === 0) {
      const reason = 'unknown' in found ? found.unknown : 'the identity provider assigns no Tierline role';
      this.log.warn({ reason, correlationId: request.correlationId }, 'a login through the identity provider failed');
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

  /** Where a browser goes after logging out here, to log out at the provider too. */
  @Post('oidc/log-out')
  @HttpCode(200)
  async logOut(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<{ readonly address?: string }> {
    refuseForged(request);
    const idToken = idTokenIn(request);
    keepIdToken(request, reply);
    // People who logged in by a link or password are not logged in there.
    const address = idToken === undefined ? undefined : await this.#provider().logOutAddress(idToken);
    return address === undefined ? {} : { address };
  }

  /** The provider's notification that someone has logged out there. */
  @Post('oidc/back-channel')
  @HttpCode(200)
  async loggedOut(@Body() body: unknown, @Req() { correlationId }: FastifyRequest): Promise<void> {
    const token = body instanceof URLSearchParams ? body.get('logout_token') : null;
    const found = await this.#provider().loggedOut(token ?? '');
    if ('unavailable' in found) throw providerUnavailable(found, this.log);
    if ('unknown' in found) {
      this.log.warn({ reason: found.unknown, correlationId }, 'a logout token of the identity provider was refused');
      throw Problem.of('invalid-body', 'This requires a logout token of the identity provider');
    }
    const ended = await endSessionsOfProvider(this.store, this.models, found, correlationId);
    this.log.info({ ended, correlationId }, 'a logout arrived from the identity provider');
  }

  /** For people in a browser, the page says so. */
  #away(found: Unavailable, reply: FastifyReply): void {
    providerUnavailable(found, this.log);
    void reply.code(302).header('Location', '/login?unavailable');
  }

  #provider(): IdentityProvider {
    if (this.provider?.hasBrowserLogIn === true) return this.provider;
    throw Problem.of('not-found', 'There is nothing at this URL');
  }

  @Get(':file')
  async file(@Param('file') name: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const type = Object.hasOwn(files, name) ? files[name] : undefined;
    if (type === undefined) throw Problem.of('not-found', 'There is nothing at this URL');
    void reply.header('Content-Type', type);
    return readFile(new URL(name, folder), 'utf8');
  }
}
