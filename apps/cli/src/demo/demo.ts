import { join } from 'node:path';
import { instantFrom } from '#eventsourcing';
import { startStandalone } from '#local';
import type { Colours, Config } from '#platform';
import { TIERS } from '#ticketing';
import { type Api, keyFor } from '../api-client.js';
import { Complaint } from '../complaint.js';
import { findStores } from '../session.js';
import { showProgress } from '../progress.js';
import { followTheSun } from './follow-the-sun.js';
import { demoDay, lastWorkingDay, savedFilter } from './scenario.js';
import { queueOf, saveFilter, sendAll, settled, whenReady } from './send.js';

export interface DemoOptions {
  readonly config: Config;
  /** The API to use; default: that of an `npm start` on the data directory, or a new one. */
  readonly api?: string;
  /** The key for that API; default: the one in the data directory. */
  readonly key?: string;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
  readonly colours: Colours;
}

/** Fills Tierline with the last working day of a service desk, through the API, like any other client. */
export async function demo(options: DemoOptions): Promise<void> {
  const { config, signal, print, colours } = options;
  const { url, close, own } = options.api === undefined ? await findApi(config) : { url: options.api, close: async () => {}, own: false };
  try {
    const api: Api = { url, key: await keyFor(config.dataDir, options.key) };
    await whenReady(api, signal);
    print(own ? 'Nothing runs on the data directory yet, so the demo starts the stores and the API for itself.\n' : `Sending to ${url}\n`);
    const day = lastWorkingDay(instantFrom(Date.now()));
    const commands = demoDay(day);
    const progress = showProgress(`Replaying ${day}`, 'commands');
    const { tickets, done, repeated, position } = await sendAll(api, commands, signal, (sent) =>
      progress.update(sent, commands.length),
    ).finally(() => progress.stop());
    print(
      `${day}: ${done} commands on ${tickets.size} tickets${repeated === 0 ? '' : `, ${repeated === done ? 'all' : repeated} of them known already, so nothing was done twice`}\n\n`,
    );
    await settled(api, signal);
    for (const tier of TIERS) {
      const { tickets: waiting, byState, first } = await queueOf(api, tier, position, signal);
      const states = Object.entries(byState).map(([state, count]) => `${count} ${state}`);
      print(
        `  ${colours.bold(tier)}  ${String(waiting).padStart(3)} in the queue  ${states.join(', ')}${first === undefined ? '' : colours.dim(`  next: ${first}`)}\n`,
      );
    }
    const found = await saveFilter(api, savedFilter, position, signal);
    print(`\nThe saved filter ${colours.bold(savedFilter.name)} finds ${found} tickets.\n`);
    print('\nAssigned automatically just now, by the desk whose day it is:\n');
    const given = await followTheSun(api, day, signal);
    for (const { summary, why = 'Nothing yet: does a worker run?' } of given) print(`  ${summary}\n    ${colours.dim(why)}\n`);
    const address = own ? `http://${config.host}:${config.port}` : url;
    const authorized = `-H "Authorization: Bearer $(cat ${join(config.dataDir, 'admin.token')})"`;
    const next: [string, string][] = [
      ...(own ? ([['npm start', 'API and worker, to stay']] as [string, string][]) : []),
      [`curl ${authorized} ${address}/v1/queues/L2`, 'the queue of L2'],
      [`curl ${authorized} '${address}/v1/tickets?filter=${savedFilter.name}'`, 'what nobody at the desk has yet: the saved filter'],
      [`npx tierline replay ${tickets.get('wifi-warehouse')}`, 'a hand-off that was returned for want of evidence'],
      [`npx tierline replay ${tickets.get('webshop-down')}`, 'a major incident, whose children were resolved with it'],
      [`npx tierline replay ${tickets.get('invoice-printing')}`, 'a fault with its log kept here, and a second report merged into it'],
      [`npx tierline replay ${tickets.get('vpn-gateway-defect')}`, 'a fault that went up to the vendor'],
      [`npx tierline replay ${given[0]?.ticketId}`, 'who was given a ticket automatically, and why'],
      ['npx tierline doctor', 'the views against a fresh fold of the log'],
      ['node examples/reporting-job/report.js', 'a report from MongoDB'],
      ['node examples/escalation-subscriber/subscriber.js', 'every escalation from EventStoreDB'],
    ];
    const width = Math.max(...next.map(([command]) => command.length));
    print(`\nLook at it:\n${next.map(([command, what]) => `  ${command.padEnd(width)}   ${colours.dim(what)}\n`).join('')}`);
  } finally {
    await close();
  }
}

async function findApi(config: Config): Promise<{ url: string; close: () => Promise<void>; own: boolean }> {
  const { running, stores } = await findStores(config);
  if (running !== undefined) return { url: running.api, close: async () => {}, own: false };
  if (stores === undefined) {
    throw new Complaint(
      'TIERLINE_EVENTSTORE_URL and TIERLINE_MONGODB_URL are set, so the demo cannot tell which API serves these stores',
      'Set API_URL, such as http://127.0.0.1:3000',
    );
  }
  await stores.close();
  const standalone = await startStandalone({ ...config, port: 0, embeddedEventStoreDBPort: 0, embeddedMongoDBPort: 0 });
  return { url: standalone.api, close: () => standalone.close(), own: true };
}
