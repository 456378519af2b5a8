import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { instantFrom, isRefusal, streamName } from '#eventsourcing';
import { contract, ticket } from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { eventually } from '../eventually.js';
import { testStores } from '../stores.js';
import { build, Program } from './built-program.js';

const TICKETS = 120;
const MINUTE = 60_000;
const ofResponse = ['SlaThresholdReached 50', 'SlaThresholdReached 75', 'SlaThresholdReached 90', 'SlaBreached '];

describe('two workers, one of which is killed in the middle', () => {
  let closeAll = async (): Promise<void> => undefined;
  beforeAll(() => build(), 300_000);
  afterAll(() => closeAll());

  it('record each warning and each breach once', async () => {
    const { eventStoreUrl, mongodbUrl, store, onClose, close } = await testStores({ empty: true });
    closeAll = close;

    // Twenty minutes ago: fifteen were promised for the response.
    const effectiveAt = instantFrom(Date.now() - 20 * MINUTE);
    const opening = {
      client: `client-${randomUUID()}`,
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact: 'high',
      urgency: 'critical',
    } as const;
    const sent = () => {
      const commandId = randomUUID();
      return { commandId, actor: { id: 'ada', kind: 'agent' as const }, correlationId: commandId, causationId: commandId };
    };
    // What these tickets tell late is concluded from at once.
    const body = { client: opening.client, terms: { quietTime: 0, tierTargets: {} }, effectiveFrom: instantFrom(Date.now() - 60 * MINUTE) };
    const agreed = await runSystemCommand(store, { aggregate: contract, id: opening.client, name: 'AgreeContract', body, context: sent() });
    if (isRefusal(agreed)) throw new Error(JSON.stringify(agreed));
    const ids = await Promise.all(
      Array.from({ length: TICKETS }, async () => {
        const opened = await runSystemCommand(store, {
          aggregate: ticket,
          id: undefined,
          name: 'OpenTicket',
          body: { ...opening, effectiveAt },
          context: sent(),
        });
        if (isRefusal(opened)) throw new Error(JSON.stringify(opened));
        return opened.id;
      }),
    );
    const told = async (id: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { type, data } of store.readStream(streamName(ticket, id))) {
        if (type.startsWith('Sla')) found.push(`${type} ${(data as { percent?: number }).percent ?? ''}`);
      }
      return found;
    };
    const toldTickets = async () => (await Promise.all(ids.map(told))).filter((moments) => moments.length > 0).length;

    const env = { TIERLINE_EVENTSTORE_URL: eventStoreUrl, TIERLINE_MONGODB_URL: mongodbUrl };
    const [first, second] = [Program.worker(env), Program.worker(env)];
    onClose(() => Promise.all([first.end('SIGTERM'), second.end('SIGTERM')]));
    await eventually(toldTickets, (count) => count >= TICKETS / 10);
    expect(await first.end('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
    await eventually(toldTickets, (count) => count >= TICKETS);
    // Long enough for a timekeeper that would tell something again.
    await pause(1_000);
    for (const id of ids) expect(await told(id)).toEqual(ofResponse);
  }, 300_000);
});
