// Two questions to the reporting collection `ticket_facts`:   mongosh "$URL" --quiet --file examples/reporting-queries/questions.mongosh.js
// FROM and TO in the environment bound the first one: dates, the last year unless given.

const to = new Date(process.env.TO ?? Date.now());
const from = new Date(process.env.FROM ?? to.getTime() - 365 * 86_400_000);

// How many tickets each client opened in each month. Index: openedAt.
db.ticket_facts
  .aggregate([
    { $match: { openedAt: { $gte: from, $lt: to } } },
    { $group: { _id: { client: '$client', month: { $dateToString: { date: '$openedAt', format: '%Y-%m' } } }, opened: { $sum: 1 } } },
    { $project: { _id: 0, client: '$_id.client', month: '$_id.month', opened: 1 } },
    { $sort: { client: 1, month: 1 } },
  ])
  .forEach((line) => print(JSON.stringify(line)));

// What each tier has in its backlog, and since when. Index: endedAt, openedAt.
db.ticket_facts
  .aggregate([
    { $match: { endedAt: null } },
    { $group: { _id: '$tier', backlog: { $sum: 1 }, oldest: { $min: '$openedAt' } } },
    { $project: { _id: 0, tier: '$_id', backlog: 1, oldest: 1 } },
    { $sort: { tier: 1 } },
  ])
  .forEach((line) => print(JSON.stringify(line)));
