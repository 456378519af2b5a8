import { type Instant, instantFrom, isRefusal } from '#eventsourcing';
import { OPERATOR, TIERS } from '#ticketing';
import { type AppQuery, queries, runQuery, type When } from '#ticketing-app';
import { BPIC2013 } from '../import/ready-mappings.js';
import { importLog } from '../import/import-log.js';
import { readMapping } from '../import/mapping.js';
import { onOwnStores, type OwnStores } from './on-own-stores.js';

const QUESTIONS = 20;

/**
 * Past lists over the entire real log: the first query, which reads the log, and others at instants spread over its two years, for the
 * queue of each tier, the list of tickets and the SLA board.
 */
export async function benchTimeTravel(log: string): Promise<void> {
  await onOwnStores(async ({ store, mongo }) => {
    await importLog({ file: log, mapping: await readMapping('bpic2013'), source: BPIC2013, store });
    const stores = { store, models: mongo };
    const first = await timed(async () => {
      while (isRefusal(await ask(stores, queries.pastQueue, { tier: 'L1', filter: {}, limit: 50, when: { asOf: instant(0.5) } })));
    });
    console.log(`past       first question ${first.toFixed(1)} s of processor time, with both embedded stores`);
    for (const [name, question] of Object.entries(questions(stores))) {
      const seconds: number[] = [];
      let entries = 0;
      for (let index = 0; index < QUESTIONS; index++)
        seconds.push(await timed(async () => (entries += await question(index, { asOf: instant((index + 0.5) / QUESTIONS) }))));
      seconds.sort((one, other) => one - other);
      const [median, worst] = [seconds[QUESTIONS / 2] ?? 0, seconds.at(-1) ?? 0];
      console.log(
        `past       ${name}: ${Math.round(median * 1000)} ms, at worst ${Math.round(worst * 1000)} ms of processor time, ` +
          `${((median / first) * 100).toFixed(1)} % of the first question; ${Math.round(entries / QUESTIONS)} entries on a page`,
      );
    }
  });
}

/** An instant within the years of the log. */
function instant(share: number): Instant {
  const [from, to] = [Date.parse('2010-06-01T00:00:00Z'), Date.parse('2012-06-01T00:00:00Z')];
  return instantFrom(Math.round(from + (to - from) * share));
}

type Stores = { readonly store: OwnStores['store']; readonly models: OwnStores['mongo'] };

function questions(stores: Stores): Readonly<Record<string, (index: number, when: When) => Promise<number>>> {
  const entries = async (page: Promise<unknown>) => ((await page) as { readonly items: readonly object[] }).items.length;
  return {
    queue: (index, when) => entries(ask(stores, queries.pastQueue, { tier: TIERS[1 + (index % 3)] ?? 'L1', filter: {}, limit: 50, when })),
    list: (_, when) => entries(ask(stores, queries.pastTickets, { filter: {}, order: '-openedAt', limit: 50, when })),
    board: (_, when) => entries(ask(stores, queries.pastBoard, { key: 'any', filter: {}, limit: 50, when })),
  };
}

function ask<Asked, Answer>(stores: Stores, query: AppQuery<Asked, Answer>, asked: Asked) {
  return runQuery(stores, query, { principal: OPERATOR }, asked);
}

/** Seconds of processor time, including the stores in this process: the only reliable measure on a busy machine. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1_000_000;
}
