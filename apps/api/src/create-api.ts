import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { EventStore } from '#eventsourcing';
import { httpAdapter, type HttpOptions, prepareHttp, type RateLimits, refuseForeignPages, takeBytes, takeForm, UNLIMITED } from '#http';
import type { IdentityProvider } from '#oidc';
import { DerivedSecrets, type JsonLog, type LogInConfig } from '#platform';
import type { PersonalKeys, SealedBlobs } from '#privacy';
import { Accounts, Passkeys, type PasswordHashes, type ReadModels, Revocations, TotpCodes } from '#ticketing-app';
import type { Networks, WebhookSecrets } from '#webhooks';
import { ApiDocument } from './api-document.js';
import { ApiModule } from './api.module.js';
import { authenticate } from './authentication.js';
import { ATTACHMENTS } from './attachments.controller.js';
import { KnownRoutes } from './known-routes.js';
import { INBOUND_MAIL_OF_CLIENT, MAIL_TYPE } from './inbound-mail.controller.js';
import { loadOpenApi } from './documented.js';

/** Dependencies of the HTTP edge. The code that opened the connections closes them, after the application. */
export interface ApiParts extends HttpOptions {
  readonly store: EventStore;
  /** A `Mongo` connection. */
  readonly mongo: ReadModels;
  /** Storage of attachments. */
  readonly blobs: SealedBlobs;
  /** Where webhooks may go; default: public addresses. */
  readonly networks?: Networks;
  /** Keys for encrypting personal data. */
  readonly keys: PersonalKeys;
  /** Secrets for signing webhooks. */
  readonly secrets: WebhookSecrets;
  readonly log: JsonLog;
  /** The identity provider, if any. */
  readonly identityProvider?: IdentityProvider;
  /** Origins whose pages may call the API, besides its own. */
  readonly allowedOrigins?: readonly string[];
  /** Settings for logging in to accounts. */
  readonly logIn: LogInConfig;
  /** Hashing of passwords. */
  readonly passwords?: PasswordHashes;
  /** Addresses from which this product sends mail: mail from them never comes from a requester. */
  readonly ownAddresses?: readonly string[];
  /** Rate limits; default: none. */
  readonly limits?: RateLimits;
}

/** The initialised HTTP application, not yet listening: `await app.listen(port, host)`. */
export async function createApi(parts: ApiParts): Promise<NestFastifyApplication> {
  const {
    store,
    mongo,
    blobs,
    keys,
    secrets,
    log,
    identityProvider,
    allowedOrigins = [],
    limits = UNLIMITED,
    logIn,
    passwords,
    ownAddresses,
    networks,
  } = parts;
  const derived = new DerivedSecrets(logIn.keyFile);
  const accounts = new Accounts(store, new TotpCodes(derived), new Passkeys(derived, logIn.passkeys), logIn.secondFactorRoles, passwords);
  const module = ApiModule.on(store, mongo, blobs, keys, secrets, accounts, limits, log, identityProvider, ownAddresses, networks);
  const app = await NestFactory.create<NestFastifyApplication>(module, httpAdapter(parts), {
    logger: log,
    bodyParser: false,
    abortOnError: false,
  });
  prepareHttp(app, log, parts);
  await refuseForeignPages(app, allowedOrigins);
  const revocations = await Revocations.begin(store);
  authenticate(app, { store, revocations, limits, logIn, log, ...(identityProvider && { identityProvider }) });
  takeBytes(app, `/${ATTACHMENTS}`, 'application/octet-stream');
  takeBytes(app, INBOUND_MAIL_OF_CLIENT, MAIL_TYPE);
  takeForm(app, '/login/oidc/back-channel');
  const routes = app.get(KnownRoutes);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', ({ method, url }) => routes.add(method, url));
  await app.init();
  app.get(ApiDocument).publish(async () => (await loadOpenApi()).openApiDocument(app));
  await app.getHttpAdapter().getInstance().ready();
  return app;
}
