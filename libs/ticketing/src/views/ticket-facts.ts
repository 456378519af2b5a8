import type { Derived, Instant, StateFace } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import { clockVerdictSchema } from '../events/sla.js';
import { openingSchema, resolvedAt, ticketFactsSchema } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { ended, type SlaClock, slaClockSchema } from '../sla/sla-clock.js';
import { isOf } from '../sla/sla-terms.js';
import { verdictOf } from '../sla/sla-restatement.js';
import { CLOCK_VERDICTS, type Tier, TICKET_STATUSES, tierSchema } from '../vocabulary.js';
import { reportedFactsSchema } from './reported-facts.js';
import { documentSchema } from './stored.js';
import { detailFactsSchema, type TicketFold } from './ticket-fold.js';
import { about, count, flag, instant, listOf, oneOf, open, optional, parts, refer, type Static, text, uuid } from '../schema.js';

const staySchema = open({
  tier: about(refer(tierSchema), 'The tier'),
  team: optional(about(text, 'Team at that tier')),
  from: about(instant, 'Start'),
  to: optional(about(instant, 'End; absent while ongoing. The last one ends with the ticket')),
  handled: about(flag, 'Whether the tier accepted it: false while a hand-off is pending, and when it was returned'),
});

const clockOutcomeSchema = open({
  ...parts(slaClockSchema, 'kind', 'tier', 'vendor', 'cycle', 'startedAt'),
  verdict: about(oneOf([...CLOCK_VERDICTS, 'void']), 'Verdict as known now; `void`: under the corrected terms there was no such clock'),
  decidedAt: about(instant, 'When it was breached, otherwise when it ended; decides the period it counts in'),
  contractVersion: optional(about(count, 'Version of the contract that decided; absent while active')),
  ...parts(clockVerdictSchema, 'dueAt', 'breachedAt'),
  target: optional(about(count, 'Its target, in milliseconds of open time')),
  elapsed: optional(about(count, 'Time used, in milliseconds of open time; absent while active')),
  was: optional(about(oneOf(CLOCK_VERDICTS), 'Verdict before the restatement')),
  restatedAt: optional(about(instant, 'When it was last restated')),
});

export const ticketFactsDocumentSchema = about(
  open({
    ...parts(
      openingSchema,
      'client',
      'kind',
      'channel',
      'priority',
      'impact',
      'urgency',
      'tier',
      'team',
      'service',
      'component',
      'category',
    ),
    ...parts(ticketFactsSchema, 'majorIncident', 'securityIncident'),
    status: about(oneOf(TICKET_STATUSES), 'Current status'),
    agent: optional(about(text, 'Id of the assigned agent')),
    zone: about(text, "Time zone of the client's calendar, by its IANA name"),
    contractVersion: about(count, "Version of the client's contract that applies; 0: the default contract"),
    system: optional(about(text, 'Source system of an imported ticket, such as `bpic2013`')),
    openedAt: about(instant, 'When it was opened'),
    openedTier: about(refer(tierSchema), 'The tier of entry'),
    ...parts(detailFactsSchema, 'firstResponseAt'),
    ...parts(reportedFactsSchema, 'acknowledgedAt'),
    resolvedAt: optional(about(instant, 'When it was resolved; absent while unresolved, also after a reopening')),
    resolvedTier: optional(about(refer(tierSchema), 'Tier that resolved it')),
    resolvedTeam: optional(about(text, 'Team at that tier')),
    resolvedAgent: optional(about(text, 'Id of the agent who was assigned when it was resolved')),
    article: optional(about(text, 'Knowledge article used to resolve it')),
    rootCause: optional(
      about(
        open({
          category: about(text, 'Category of the root cause'),
          change: about(flag, 'Whether it references a change'),
          lowerTierCanResolve: about(flag, 'Whether a lower tier can resolve it alone next time'),
        }),
        'Root cause recorded by L3',
      ),
    ),
    ...parts(detailFactsSchema, 'closedAt', 'cancelledAt'),
    ...parts(reportedFactsSchema, 'mergedAt'),
    endedAt: optional(about(instant, 'When it was closed, cancelled or merged; absent while it is in the backlog')),
    duplicateOf: optional(about(uuid, 'Ticket that it was merged into or is a duplicate of')),
    reopens: about(count, 'How many times it was reopened'),
    ...parts(detailFactsSchema, 'escalations', 'deescalations'),
    returns: about(count, 'How many times it came back to a tier that had handed it up, returned or handed down'),
    ...parts(reportedFactsSchema, 'reassignments', 'replies'),
    touchSeconds: about(count, 'Seconds of work on it, measured and stated'),
    ...parts(reportedFactsSchema, 'servedBy', 'articles', 'touch', 'times', 'holds', 'majorIncidents', 'satisfaction', 'resolutions'),
    stays: about(listOf(staySchema), 'Stays at tiers and teams, oldest first'),
    ...parts(detailFactsSchema, 'handOffs'),
    clocks: about(
      listOf(clockOutcomeSchema),
      'Verdicts on SLA promises, including active clocks that are already breached; each promise counts once',
    ),
  }),
  'Facts of a ticket for reports: dates as dates, durations as numbers, ids instead of names, no free text',
);

/** The facts of a ticket that reports use. */
export type TicketFacts = Static<typeof ticketFactsDocumentSchema>;
export type ClockOutcome = TicketFacts['clocks'][number];

/** The value in a root cause that led to no change. */
const NO_CHANGE = 'none';

function facts({ ticket, promises, facts, reported }: TicketFold): TicketFacts {
  const { client, kind, channel, priority, impact, urgency, tier, team, service, component, category, work } = ticket;
  const { majorIncident, securityIncident, assignee, rootCause, resolution, returns, cycle, links } = ticket;
  const { openedAt, firstResponseAt, closedAt, cancelledAt, escalations, deescalations, handOffs, imported } = facts;
  const { mergedAt } = reported;
  const standing = resolvedAt(work) === undefined ? undefined : reported.resolutions.at(-1);
  const endedAt = closedAt ?? cancelledAt ?? (work.status === 'merged' ? mergedAt : undefined);
  return omitUndefined({
    client,
    kind,
    channel,
    priority,
    impact,
    urgency,
    tier,
    team,
    service,
    component,
    category,
    majorIncident,
    securityIncident,
    status: work.status,
    agent: assignee?.id,
    zone: termsOf(promises).calendar.zone,
    contractVersion: promises.contract?.version ?? 0,
    system: imported?.system,
    openedAt,
    openedTier: facts.stays[0]?.tier ?? tier,
    firstResponseAt,
    acknowledgedAt: reported.acknowledgedAt,
    resolvedAt: resolvedAt(work),
    resolvedTier: standing?.tier,
    resolvedTeam: standing?.team,
    resolvedAgent: standing?.agent,
    article: resolution?.article,
    rootCause: rootCause && {
      category: rootCause.category,
      change: (rootCause.changeReference ?? NO_CHANGE).toLowerCase() !== NO_CHANGE,
      lowerTierCanResolve: rootCause.lowerTierCanResolve,
    },
    closedAt,
    cancelledAt,
    mergedAt: work.status === 'merged' ? mergedAt : undefined,
    endedAt,
    duplicateOf: work.status === 'merged' ? work.into : links.find(({ relation }) => relation === 'duplicate-of')?.ticketId,
    reopens: cycle - 1,
    escalations,
    deescalations,
    returns,
    reassignments: reported.reassignments,
    replies: reported.replies,
    touchSeconds: reported.touch.reduce((sum, { seconds }) => sum + seconds, 0),
    servedBy: reported.servedBy,
    articles: reported.articles,
    touch: reported.touch,
    times: reported.times,
    holds: reported.holds,
    majorIncidents: reported.majorIncidents,
    satisfaction: reported.satisfaction,
    resolutions: reported.resolutions,
    stays: stays(facts, endedAt),
    handOffs,
    clocks: promises.clocks.flatMap((clock) => clockOutcome(clock, promises.told) ?? []),
  });
}

function stays({ stays, handOffs }: TicketFold['facts'], endedAt: Instant | undefined): TicketFacts['stays'] {
  return stays.map(({ tier, team, since }, index) => {
    const next = stays[index + 1]?.since ?? endedAt;
    // Late facts may put a move before the one that led to it: no stay is shorter than zero.
    const to = next !== undefined && next < since ? since : next;
    return omitUndefined({ tier, team, from: since, to, handled: handled(tier, since, index === 0, handOffs) });
  });
}

function handled(tier: Tier, since: Instant, isFirst: boolean, handOffs: TicketFold['facts']['handOffs']): boolean {
  const brought = isFirst ? undefined : handOffs.find(({ to, at }) => to === tier && at === since);
  return brought === undefined || brought.outcome === 'accepted';
}

/** The outcome of a clock; undefined until there is one. */
function clockOutcome(clock: SlaClock, told: TicketFold['promises']['told']): ClockOutcome | undefined {
  const { kind, tier, vendor, cycle, startedAt, stoppedAt, restated, target } = clock;
  // It continues in another cycle, and is counted there.
  if (clock.continuedIn !== undefined) return undefined;
  const subject = { kind, tier, vendor, cycle, startedAt };
  if (!ended(clock)) {
    // A breach may have been recorded under several terms, and have been wrong under some of them.
    const breachedAt = clock.breachedAt ?? told.flatMap((one) => (one.percent === undefined && isOf(clock, one) ? (one.at ?? []) : []))[0];
    if (breachedAt === undefined) return undefined;
    return omitUndefined({ ...subject, verdict: 'breached' as const, decidedAt: breachedAt, breachedAt, target });
  }
  const first = verdictOf(clock);
  const known = restated === undefined ? first : restated.is;
  const decidedAt = known?.breachedAt ?? stoppedAt ?? first.breachedAt ?? startedAt;
  return omitUndefined({
    ...subject,
    decidedAt,
    ...(known === undefined ? { verdict: 'void' as const } : known),
    was: restated === undefined ? undefined : first.verdict,
    restatedAt: restated?.at,
  });
}

/** What a document depends on, apart from the ticket itself. */
const FROM_TICKET = [
  ...(['client', 'kind', 'channel', 'priority', 'impact', 'urgency', 'tier', 'team', 'service', 'component', 'category'] as const),
  ...(['majorIncident', 'securityIncident', 'work', 'assignee', 'rootCause', 'resolution', 'returns', 'cycle', 'links'] as const),
];
const FROM_FACTS = ['openedAt', 'firstResponseAt', 'closedAt', 'cancelledAt', 'escalations', 'deescalations'] as const;

/** Notes, replies to the requester, diagnostic steps and evidence, which are most events, change no fact. */
function factsOrTheSame(fold: TicketFold | null, before?: Derived<TicketFold | null>) {
  if (fold === null) return null;
  const was = before?.state;
  const same =
    was !== undefined &&
    was !== null &&
    was.promises === fold.promises &&
    was.reported === fold.reported &&
    FROM_TICKET.every((key) => was.ticket[key] === fold.ticket[key]) &&
    FROM_FACTS.every((key) => was.facts[key] === fold.facts[key]) &&
    was.facts.handOffs === fold.facts.handOffs &&
    was.facts.stays === fold.facts.stays;
  return same ? (before?.document ?? null) : facts(fold);
}

/** One document per ticket, by its id: counted by KPIs and reporting jobs. */
export const ticketFacts: StateFace<TicketFold | null> = {
  name: 'ticket_facts_v1',
  alias: 'ticket_facts',
  version: 3,
  dates: true,
  schema: () => documentSchema(ticketFactsDocumentSchema, 'Id of the ticket'),
  document: factsOrTheSame,
  indexes: [
    { key: { openedAt: 1 } },
    { key: { client: 1, openedAt: 1 } },
    { key: { resolvedAt: 1 } },
    { key: { endedAt: 1, openedAt: 1 } },
    { key: { resolvedAgent: 1, resolvedAt: 1 } },
    { key: { category: 1, openedAt: 1 } },
    { key: { position: 1 } },
  ],
};
