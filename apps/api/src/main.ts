import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { isIPv6 } from 'node:net';
import { openBlobStore } from '#blobs';
import { followCertificate, RateLimits, readCertificate } from '#http';
import { type ApiParts, CannotStart, connectStores, opening, portTaken, type Running, runProgram, unlessKeyMissing } from '#local';
import { type Config, ConfigError, type JsonLog } from '#platform';
import { SealedBlobs } from '#privacy';
import { ROLES } from '#ticketing';
import { logInKey, webhookKey } from '#ticketing-app';
import { Networks, WebhookSecrets } from '#webhooks';
import { createApi } from './create-api.js';
import { cursorKeyIn } from './cursor-key.js';
import { keepAdministratorKey } from './first-administrator.js';
import { signCursorsWith } from './pages.js';

/** How long requests may take to finish when the API must stop, in milliseconds. */
const FINISH_WITHIN_MS = 3_000;

/** The HTTP edge, with stores that run elsewhere. */
async function start(
  config: Config,
  log: JsonLog,
  { administratorKey = false }: ApiParts,
): Promise<Running & { readonly firstLogIn?: string }> {
  return opening(async (onClose) => {
    const { store, mongo, keys, attachments, close } = await connectStores(config, log);
    onClose(close);
    for (const key of [logInKey(config), webhookKey(config)]) await unlessKeyMissing(mongo, key);
    const firstLogIn = administratorKey ? await keepAdministratorKey(store, config.dataDir) : undefined;
    signCursorsWith(await cursorKeyIn(config.cursorKeyFile));
    const kept = await openBlobStore(config).catch((error: Error) => {
      const remedy =
        config.s3 === undefined
          ? 'Set ATTACHMENTS_DIR to a writable directory.'
          : 'Check that S3_URL, S3_BUCKET and the keys are correct, and that the bucket exists and may be listed, read and written.';
      throw new CannotStart(`Attachments cannot be stored (${error.message}). ${remedy}`, { cause: error });
    });
    const blobs = new SealedBlobs(kept, attachments);
    onClose(() => blobs.close());
    // Loaded only if used.
    const identityProvider = config.oidc && new (await import('#oidc')).IdentityProvider(config.oidc);
    const unknown = config.logIn.secondFactorRoles.filter((role) => !ROLES.some((known) => known === role));
    if (unknown.length > 0) throw new ConfigError([{ field: 'SECOND_FACTOR_ROLES', message: `must be some of ${ROLES.join(', ')}` }]);
    const { tls } = config;
    const certificate =
      tls &&
      (await readCertificate(tls).catch((error: Error) => {
        throw new CannotStart(`TLS_CERT_FILE and TLS_KEY_FILE cannot be used (${error.message}).`, { cause: error });
      }));
    const api = await createApi({
      store,
      mongo,
      keys,
      blobs,
      secrets: new WebhookSecrets(config.webhooks.keyFile),
      networks: new Networks(config.webhooks.networks),
      logIn: config.logIn,
      log,
      allowedOrigins: config.allowedOrigins,
      trustProxy: config.trustProxy,
      ...(config.notifications.mail && { ownAddresses: [config.notifications.mail.from.toLowerCase()] }),
      timeouts: config.timeouts,
      ...(certificate && { certificate }),
      limits: config.rateLimits.shared ? await RateLimits.shared(config.rateLimits, mongo.db) : new RateLimits(config.rateLimits),
      ...(identityProvider && { identityProvider }),
    });
    if (tls !== undefined) {
      const unfollow = followCertificate(api.getHttpServer() as TlsServer, tls, log);
      onClose(async () => unfollow());
    }
    onClose(async () => {
      // A client with an open connection would prevent stopping; requests at work get a while to finish.
      const cut = setTimeout(() => (api.getHttpServer() as Server).closeAllConnections(), FINISH_WITHIN_MS);
      await api.close().finally(() => clearTimeout(cut));
    });
    const { host, port } = config;
    await api.listen(port, host).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') throw portTaken(port, 'the API', 'PORT');
      if (error.code === 'EACCES')
        throw new CannotStart(`Port ${port} for the API may not be used (${error.message}). Set PORT to another one.`, { cause: error });
      if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
        throw new CannotStart(`This machine has no address ${host}. Set HOST to another one.`, { cause: error });
      throw error;
    });
    const { port: listening } = api.getHttpServer().address() as { port: number };
    const hostInUrl = isWildcard(host) ? 'localhost' : isIPv6(host) ? `[${host}]` : host;
    const url = `${tls === undefined ? 'http' : 'https'}://${hostInUrl}:${listening}`;
    return { url, ...(firstLogIn === undefined ? {} : { firstLogIn: `${url}/login#${firstLogIn}` }) };
  });
}

/** Whether a host means every address of the machine. */
const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

await runProgram(start, { log: process.stdout });
