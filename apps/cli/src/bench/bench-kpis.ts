import { deterministicId, instantFrom, isRefusal } from '#eventsourcing';
import type { Mongo } from '#mongo';
import { type Kpi, kpis, OPERATOR, ticketFacts } from '#ticketing';
import { boundOf, queries, relatedTickets, runQuery } from '#ticketing-app';
import { onOwnStores } from './on-own-stores.js';
import { ownMemory } from './own-memory.js';

const YEAR = 365 * 86_400_000;
const FROM = Date.parse('2025-01-01T00:00:00Z');
const BULK = 5_000;

/**
 * Every KPI over a year of tickets (`BENCH_FACTS`, default 20,000), grouped by month and, if possible, tier: microseconds of processor time
 * per ticket, of the reader and both embedded nodes together, the indexes used, the private memory afterwards, and the digest of the
 * numbers. In a directory that is kept (`BENCH_DIR`) the facts are made once.
 */
export async function benchKpis(): Promise<void> {
  const tickets = Number(process.env['BENCH_FACTS'] ?? 20_000);
  await onOwnStores(async ({ store, mongo }) => {
    await fill(mongo, tickets);
    for (const kpi of kpis) {
      const { id, dimensions } = kpi;
      const asked = {
        id,
        from: instantFrom(FROM),
        to: instantFrom(FROM + YEAR),
        groupBy: ['month', ...(dimensions.includes('tier') ? (['tier'] as const) : [])] as const,
        filters: {},
        compare: false,
        evaluatedAt: instantFrom(FROM + 2 * YEAR),
      };
      const cpu = process.cpuUsage();
      const began = performance.now();
      const report = await runQuery({ store, models: mongo }, queries.kpi, { principal: OPERATOR }, asked);
      if (isRefusal(report)) throw new Error(report.message);
      const seconds = (performance.now() - began) / 1_000;
      const { user, system } = process.cpuUsage(cpu);
      console.log(
        `kpis       ${id}: ${((user + system) / tickets).toFixed(1)} microseconds of processor time a ticket, ${seconds.toFixed(1)} s over ${tickets} tickets, ` +
          `${report.groups.length} groups, ${ownMemory()} MiB, ${await planOf(mongo, kpi)}, ${report.digest.slice(0, 19)}`,
      );
    }
  });
}

/** The indexes that a KPI's queries use: for its own tickets, and for related ones. */
async function planOf(mongo: Mongo, kpi: Kpi): Promise<string> {
  const own = await indexesOf(mongo, boundOf(kpi, { from: FROM, to: FROM + YEAR, filters: {} }));
  if (kpi.relation === undefined) return own;
  return `${own}; other tickets by ${await indexesOf(mongo, { ...relatedTickets(kpi.relation), openedAt: { $lt: new Date(FROM + YEAR) } })}`;
}

async function indexesOf({ db }: Mongo, where: object): Promise<string> {
  const { queryPlanner } = await db.collection(ticketFacts.name).find(where).explain('queryPlanner');
  const { winningPlan } = queryPlanner as { readonly winningPlan: object };
  const names = Array.from(JSON.stringify(winningPlan).matchAll(/"indexName":"([^"]*)"/g), ([, name]) => name);
  return names.length === 0 ? 'no index' : [...new Set(names)].join(' and ');
}

/** Facts of tickets opened evenly over a year: three of four resolved by L1, the others handed on. */
async function fill({ db }: Mongo, tickets: number): Promise<void> {
  const collection = db.collection<{ _id: string }>(ticketFacts.name);
  // From an earlier run, in a directory that was kept.
  if ((await collection.estimatedDocumentCount()) === tickets) return;
  await collection.createIndexes(ticketFacts.indexes.map(({ key }) => ({ key: { ...key } })));
  for (let done = 0; done < tickets; done += BULK) {
    const bulk = Array.from({ length: Math.min(BULK, tickets - done) }, (_, index) => factsOf(done + index, tickets));
    await collection.insertMany(bulk, { ordered: false });
  }
}

function factsOf(index: number, of: number): { _id: string } {
  const opened = FROM + Math.floor((index / of) * YEAR);
  const at = (hours: number) => new Date(opened + hours * 3_600_000);
  const goesUp = index % 4 === 0;
  const tier = goesUp ? 'L2' : 'L1';
  const facts = {
    _id: deterministicId('facts', String(index)),
    client: `client-${index % 20}`,
    kind: 'incident',
    channel: index % 9 === 0 ? 'monitoring' : 'phone',
    priority: (['low', 'medium', 'high', 'critical'] as const)[index % 4],
    impact: 'low',
    urgency: 'low',
    tier,
    category: `category-${index % 50}`,
    service: `service-${index % 10}`,
    majorIncident: false,
    securityIncident: false,
    status: 'closed',
    agent: `agent-${index % 200}`,
    zone: index % 2 === 0 ? 'UTC' : 'Europe/Berlin',
    contractVersion: 0,
    openedAt: at(0),
    openedTier: 'L1',
    acknowledgedAt: at(0.2),
    resolvedAt: at(6),
    resolvedTier: tier,
    resolvedAgent: `agent-${index % 200}`,
    article: `article-${index % 500}`,
    closedAt: at(30),
    endedAt: at(30),
    reopens: 0,
    escalations: goesUp ? 1 : 0,
    deescalations: 0,
    returns: 0,
    reassignments: 0,
    replies: index % 5 === 0 ? 1 : 0,
    touchSeconds: 1_200,
    articles: [`article-${index % 500}`],
    touch: [{ tier, agent: `agent-${index % 200}`, seconds: 1_200 }],
    times: [{ tier: 'L1', state: 'waiting', millis: 720_000 }],
    holds: index % 6 === 0 ? [{ reason: 'customer', from: at(1), to: at(2) }] : [],
    majorIncidents: [],
    satisfaction: index % 10 === 0 ? [{ cycle: 1, score: 1 + (index % 5), at: at(20) }] : [],
    resolutions: [{ at: at(6), tier, agent: `agent-${index % 200}`, closedAt: at(30) }],
    stays: goesUp
      ? [
          { tier: 'L1', from: at(0), to: at(2), handled: true },
          { tier: 'L2', from: at(2), to: at(30), handled: true },
        ]
      : [{ tier: 'L1', from: at(0), to: at(30), handled: true }],
    handOffs: goesUp ? [{ escalationId: 'e', from: 'L1', to: 'L2', at: at(2), outcome: 'accepted', settledAt: at(3), quality: 80 }] : [],
    clocks: (['response', 'resolution'] as const).map((kind) => ({
      kind,
      cycle: 1,
      startedAt: at(0),
      verdict: index % 8 === 0 ? 'breached' : 'met',
      decidedAt: at(kind === 'response' ? 0.2 : 6),
      contractVersion: 0,
      target: 8 * 3_600_000,
      elapsed: 6 * 3_600_000,
    })),
    revision: 8,
    // As of the start of an empty log nothing has changed since.
    position: 0,
  };
  return facts;
}
