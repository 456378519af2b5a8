// A report on the service desk, with nothing but MongoDB's own driver: read models are plain collections.
// Run it beside `npm start`:   node examples/reporting-job/report.js          tables
//                              node examples/reporting-job/report.js --csv    one CSV, for a spreadsheet or the next job

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';

// `npm start` keeps a user who only reads for jobs like this one.
const runFile = join(process.env.DATA_DIR ?? 'data', 'tierline.json');
const url = process.env.TIERLINE_MONGODB_URL ?? process.env.MONGODB_URL ?? JSON.parse(readFileSync(runFile, 'utf8')).reportsUrl;
const priorities = ['critical', 'high', 'medium', 'low'];

/** How many tickets each tier has, by priority and by how they stand. One document of `tier_queue` is one ticket. */
const backlog = [
  { $match: { queued: true } },
  {
    $group: {
      _id: '$tier',
      ...Object.fromEntries(priorities.map((priority) => [priority, { $sum: { $cond: [{ $eq: ['$priority', priority] }, 1, 0] } }])),
      unaccepted: { $sum: { $cond: [{ $eq: ['$state', 'awaiting-acceptance'] }, 1, 0] } },
      onHold: { $sum: { $cond: [{ $eq: ['$state', 'on-hold'] }, 1, 0] } },
      all: { $sum: 1 },
      oldest: { $min: '$openedAt' },
    },
  },
  { $sort: { _id: 1 } },
];

/**
 * How often what was promised was kept: met / (met + breached). One document of `ticket_sla` has all clocks of a ticket, one for each cycle.
 * A clock that is overdue counts as breached, although nothing has happened since. Instants are text that sorts by time.
 */
const compliance = (now) => [
  { $unwind: '$clocks' },
  { $match: { 'clocks.state': { $ne: 'cancelled' } } },
  {
    $project: {
      priority: 1,
      kind: '$clocks.kind',
      met: { $cond: [{ $eq: ['$clocks.state', 'met'] }, 1, 0] },
      breached: {
        $cond: [
          {
            $or: [
              { $ne: [{ $ifNull: ['$clocks.breachedAt', null] }, null] },
              { $and: [{ $eq: ['$clocks.state', 'running'] }, { $lt: ['$clocks.dueAt', now] }] },
            ],
          },
          1,
          0,
        ],
      },
    },
  },
  {
    $group: { _id: { kind: '$kind', priority: '$priority' }, met: { $sum: '$met' }, breached: { $sum: '$breached' }, clocks: { $sum: 1 } },
  },
];

const percent = (met, breached) => (met + breached === 0 ? '-' : `${((100 * met) / (met + breached)).toFixed(1)} %`);

function asTable(title, rows) {
  if (rows.length === 0) return `${title}: nothing\n`;
  const columns = Object.keys(rows[0]);
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => String(row[column]).length)));
  const line = (cells) =>
    cells.map((cell, index) => (index === 0 ? String(cell).padEnd(widths[index]) : String(cell).padStart(widths[index]))).join('  ');
  return `${title}\n${line(columns)}\n${widths.map((width) => '-'.repeat(width)).join('  ')}\n${rows.map((row) => line(Object.values(row))).join('\n')}\n`;
}

const quoted = (cell) => (/[",\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell));

const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000 });
try {
  const db = client.db();
  const now = new Date().toISOString();

  const perTier = (await db.collection('tier_queue').aggregate(backlog).toArray()).map(({ _id, ...counts }) => ({ tier: _id, ...counts }));

  const perPriority = (await db.collection('ticket_sla').aggregate(compliance(now)).toArray())
    .map(({ _id: { kind, priority }, met, breached, clocks }) => ({
      clock: kind,
      priority,
      met,
      breached,
      open: clocks - met - breached,
      compliance: percent(met, breached),
    }))
    .sort((one, other) => other.clock.localeCompare(one.clock) || priorities.indexOf(one.priority) - priorities.indexOf(other.priority));

  if (process.argv.includes('--csv')) {
    const facts = [
      ...perTier.flatMap(({ tier, oldest: _, ...counts }) => Object.entries(counts).map(([what, value]) => ['backlog', tier, what, value])),
      ...perPriority.flatMap(({ clock, priority, met, breached, open }) =>
        Object.entries({ met, breached, open }).map(([what, value]) => [`sla ${clock}`, priority, what, value]),
      ),
    ];
    console.log([['report', 'of', 'figure', 'value'], ...facts].map((cells) => cells.map(quoted).join(',')).join('\n'));
  } else {
    console.log(`Service desk at ${now}\n`);
    console.log(asTable('Open tickets by tier and priority', perTier));
    console.log(asTable('Promises kept, by clock and priority', perPriority));
  }
} catch (error) {
  console.error(`The report could not be made (${error.message}). Is \`npm start\` running, and is TIERLINE_MONGODB_URL what it printed?`);
  process.exitCode = 1;
} finally {
  await client.close();
}
