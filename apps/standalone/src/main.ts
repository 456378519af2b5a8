import { ConfigError, createLog, loadConfig, terminal, type Config } from '#platform';
import type { TicketCommands } from '#ticketing';
import { startStandalone, type Standalone } from './standalone.js';
import { CannotStart } from './stores.js';

const firstTicket: TicketCommands['OpenTicket'] = {
  client: 'northwind',
  kind: 'incident',
  summary: 'Cannot print invoices',
  reporter: { id: 'j.doe', name: 'Jane Doe' },
  channel: 'phone',
  impact: 'medium',
  urgency: 'high',
};

/** One Ctrl-C arrives twice where npm is in between: from the terminal, and passed on by npm. */
const SAME_KEYSTROKE_MS = 500;

/** How long a stop may take before it is given up, in milliseconds. */
const STOP_WITHIN_MS = 15_000;

/** What `npm start` runs. Says where things are on standard output; its log, JSON lines, goes to standard error. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog(config.logLevel, process.stderr);

  const starting = startStandalone(config, log);
  let stopping: Promise<never> | undefined;
  let toldToStopAt: number | undefined;
  const end = async (code: number): Promise<never> => {
    const forced = setTimeout(() => {
      log.error({ afterMs: STOP_WITHIN_MS }, 'could not stop in time');
      process.exit(1);
    }, STOP_WITHIN_MS);
    forced.unref();
    try {
      await (await starting).stop();
    } catch (error) {
      log.error({ err: error }, 'could not stop in order');
      process.exit(1);
    }
    log.info({}, 'stopped');
    process.exit(code);
  };

  // A process in an unknown state must not go on writing: whoever watches it starts it again, and nothing acknowledged is lost.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event === 'uncaughtException' ? 'uncaught exception' : 'unhandled rejection');
      stopping ??= end(1);
    });
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (toldToStopAt === undefined) {
        toldToStopAt = Date.now();
        log.info({ signal }, 'stopping');
        stopping ??= end(0);
      } else if (Date.now() - toldToStopAt > SAME_KEYSTROKE_MS) {
        log.warn({ signal }, 'second signal: ending at once');
        process.exit(1);
      }
    });
  }

  const standalone = await starting;
  terminal(process.stdout).print(banner(standalone, config));
  log.info({ api: standalone.api, pid: process.pid }, 'tierline runs');
}

function banner({ api, eventStoreUrl, mongodbUrl, dataDir }: Standalone, config: Config): string {
  const kept = (configured: string | undefined): string => (configured === undefined ? '  (embedded)' : '');
  return `
  Tierline is running.

  API           ${api}/v1
  Docs          ${api}/docs
  EventStoreDB  ${withoutPassword(eventStoreUrl)}${kept(config.eventStoreUrl)}
  MongoDB       ${withoutPassword(mongodbUrl)}${kept(config.mongodbUrl)}
  Data          ${dataDir ?? 'in the two servers'}
  Log level     ${config.logLevel}

  Open a ticket (again with the same key: nothing is done twice):
    curl -i ${api}/v1/tickets -H 'Content-Type: application/json' -H 'Idempotency-Key: first-ticket' -d '${JSON.stringify(firstTicket)}'

  Read the queue of L1:
    curl ${api}/v1/queues/L1

  Follow all events, from the start of the log (Ctrl-C ends it):
    curl -N ${api}/v1/events

  \`npm run demo\` fills it with a day of a service desk. Ctrl-C stops.

`;
}

/** A connection string as it may be shown. */
function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^/@]*?):[^/@]*@/, '$1:***@');
}

main().catch((error: unknown) => {
  const expected = error instanceof ConfigError || error instanceof CannotStart;
  terminal(process.stderr).print(`${expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
