import { join, resolve } from 'node:path';
import { runProgram, type Standalone, startStandalone } from '#local';
import type { Config } from '#platform';
import type { TicketCommands } from '#ticketing';

const firstTicket: TicketCommands['OpenTicket'] = {
  client: 'northwind',
  kind: 'incident',
  summary: 'Cannot print invoices',
  reporter: { id: 'j.doe', name: 'Jane Doe' },
  channel: 'phone',
  impact: 'medium',
  urgency: 'high',
};

function banner({ api, eventStoreUrl, mongodbUrl, reportsUrl, dataDir, firstLogIn }: Standalone, config: Config): string {
  const tokenFile = join(dataDir ?? resolve(config.dataDir), 'admin.token');
  const key = `-H "Authorization: Bearer $(cat '${tokenFile}')"`;
  const kept = (configured: string | undefined): string => (configured === undefined ? '  (embedded)' : '');
  return `
  Tierline is running.

  API           ${api}/v1
  Docs          ${api}/docs
  EventStoreDB  ${withoutPassword(eventStoreUrl)}${kept(config.eventStoreUrl)}
  MongoDB       ${withoutPassword(mongodbUrl)}${kept(config.mongodbUrl)}
${reportsUrl === undefined ? '' : `  Reports       ${withoutPassword(reportsUrl)}  (read-only)\n`}  Data          ${dataDir ?? 'in the two servers'}
${dataDir === undefined ? '' : `  Passwords     in ${join(dataDir, 'tierline.json')}: the URLs above, whole\n`}  Key           ${tokenFile} (of an administrator: for you alone)
  Log level     ${config.logLevel}
${firstLogIn === undefined ? '' : `\n  Log in with a browser (once, within the hour; \`npx tierline login-link\` makes another):\n    ${firstLogIn}\n`}
  Open a ticket (again with the same key: nothing is done twice):
    curl -i ${key} ${api}/v1/tickets -H 'Content-Type: application/json' -H 'Idempotency-Key: first-ticket' -d '${JSON.stringify(firstTicket)}'

  Read the queue of L1:
    curl ${key} ${api}/v1/queues/L1

  Follow all events, from the start of the log (Ctrl-C ends it):
    curl -N ${key} ${api}/v1/events

  \`npm run demo\` fills it with a day of a service desk. Ctrl-C stops.

`;
}

/** A connection string without its secrets. */
function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^/@]*?):[^/@]*@/, '$1:***@');
}

// The program of `npm start`. It prints where things are on standard output; its log, JSON lines, goes to standard error.
await runProgram(startStandalone, { log: process.stderr, banner });
