import { DEFAULT_WEIGHTS } from '../contract/rates.js';
import { rank, type Tier, TIERS } from '../vocabulary.js';
import { type Context, type Counted, type Facts, type Kpi, kpi, kpiOf, type KpiRelation, OF_TICKET, type Span, tierMoves } from './kpi.js';

const DAY = 86_400_000;
const HOUR = 3_600_000;

/** Default N of the KPIs that look at N days. */
export const DEFAULT_DAYS = 30;

const EVERY = ['tier', 'team', 'agent', ...OF_TICKET] as const;
const workEvents = ['TouchTimeStopped', 'TouchTimeDeducted', 'TouchTimeRecorded'] as const;
const resolvedEvents = ['TicketResolved', 'TicketResolvedWithRootCause', 'TicketReopened', 'TicketClosed'] as const;
const handOffEvents = ['TicketEscalated', 'EscalationAccepted', 'EscalationReturned'] as const;
const moveEvents = [...handOffEvents, 'TicketDeescalated', 'TicketReopened'] as const;
const clockEvents = ['SlaBreached', 'SlaRestated', 'SlaTermsRebased'] as const;

/** A share of the tickets that were resolved in the period. */
const shareOfResolved = { unit: 'share', aggregation: 'share', once: 'ticket', dimensions: EVERY, anchor: 'resolved' } as const;

/** The ticket among the resolved ones, with whoever resolved it. */
function resolved(facts: Facts, n: number, more: Partial<Counted> = {}): readonly Counted[] {
  const { resolvedAt, resolvedTier: tier, resolvedTeam: team, resolvedAgent: agent } = facts;
  return resolvedAt === undefined ? [] : [{ at: +resolvedAt, n, tier, team, agent, ...more }];
}

/** The ticket among the opened ones, at its tier of entry. */
function opened({ openedAt, openedTier: tier, stays }: Facts, n: number): readonly Counted[] {
  return [{ at: +openedAt, n, tier, team: stays[0]?.team }];
}

const one = (holds: boolean) => (holds ? 1 : 0);
const resolvedFields = ['resolvedAt', 'resolvedTier', 'resolvedTeam', 'resolvedAgent'] as const;

/** What identifies a recurrence; undefined if too little is known to say that two tickets are alike. */
function fingerprint({ client, service, category, component }: Facts): string | undefined {
  return category === undefined ? undefined : JSON.stringify([client, service ?? null, category, component ?? null]);
}
const fingerprintFields = ['client', 'service', 'category', 'component'] as const;

/** Name → the earliest instant at which something held, in milliseconds since 1970. */
type Since = Map<string, number>;

/** Notes that something held at an instant; nothing if either is unknown. */
function note(since: Since, name: string | undefined, at: Date | undefined): void {
  if (name !== undefined && at !== undefined) since.set(name, Math.min(since.get(name) ?? Infinity, +at));
}

/** Procedures of L1: articles with which it, or self-service, has resolved a ticket of the client, and since when. */
const procedures: KpiRelation<Since> = {
  having: { article: 'any', resolvedTier: ['L0', 'L1'] },
  fields: ['client', 'article', 'resolvedTier', 'resolvedAt'],
  none: () => new Map(),
  add: (since, one) => {
    if (rank(one.resolvedTier ?? 'L4') <= rank('L1')) note(since, procedureOf(one), one.resolvedAt);
  },
};

function procedureOf({ client, article }: Facts): string | undefined {
  return article === undefined ? undefined : JSON.stringify([client, article]);
}

/** Resolved at L2 or L3 by a procedure that L1 had when the ticket was opened. */
function isAvoidable(facts: Facts, known: Since): boolean {
  const procedure = procedureOf(facts);
  const since = procedure === undefined ? undefined : known.get(procedure);
  return since !== undefined && since < +facts.openedAt && (facts.resolvedTier === 'L2' || facts.resolvedTier === 'L3');
}

/** When the tier owned the ticket. While a hand-off is pending it is still the sender's. */
function handledAt(facts: Facts, tier: Tier): readonly Span[] {
  const { stays, handOffs, resolvedAt, endedAt } = facts;
  const end = Math.min(resolvedAt === undefined ? Infinity : +resolvedAt, endedAt === undefined ? Infinity : +endedAt);
  return stays.flatMap((stay, index): Span[] => {
    if (stay.tier !== tier || !stay.handled) return [];
    const brought = index === 0 ? undefined : handOffs.find(({ to, at }) => to === tier && +at === +stay.from);
    const given = stay.to === undefined ? undefined : handOffs.find(({ from, at }) => from === tier && +at === +(stay.to ?? 0));
    const from = +(brought?.settledAt ?? stay.from);
    const until = given === undefined ? stay.to : given.settledAt;
    return [[from, Math.max(from, Math.min(end, until === undefined ? Infinity : +until))]];
  });
}

function tiersOf({ stays }: Facts): readonly Tier[] {
  return TIERS.filter((tier) => stays.some((stay) => stay.tier === tier && stay.handled));
}

function overlap([from, to]: Span, [begin, end]: Span): number {
  return Math.max(0, Math.min(to, end) - Math.max(from, begin));
}

/** When it was in the backlog: from its opening to its end, without the times between a closing and a reopening. */
function inBacklog({ openedAt, endedAt, resolutions }: Facts): readonly Span[] {
  const closed = resolutions.flatMap(({ closedAt, reopenedAt }): Span[] =>
    closedAt === undefined || reopenedAt === undefined ? [] : [[+closedAt, +reopenedAt]],
  );
  let from = +openedAt;
  const spans: Span[] = [];
  for (const [begin, end] of closed) {
    if (begin > from) spans.push([from, begin]);
    from = Math.max(from, end);
  }
  const end = endedAt === undefined ? Infinity : +endedAt;
  return from < end ? [...spans, [from, end]] : spans;
}

/** Work on the ticket, by who did it; by nobody if none was recorded. */
function work(facts: Facts, n: (seconds: number, tier: Tier) => number): readonly Counted[] {
  const { closedAt, touch, resolvedTier, tier } = facts;
  if (closedAt === undefined) return [];
  if (touch.length === 0) return [{ at: +closedAt, n: 0, tier: resolvedTier ?? tier, agent: facts.resolvedAgent }];
  return touch.map((one) => ({ at: +closedAt, n: n(one.seconds, one.tier), tier: one.tier, agent: one.agent }));
}

/** Every KPI, in the order in which they are listed. */
export const kpis: readonly Kpi[] = [
  kpi({
    id: 'first-contact-resolution',
    version: 1,
    title: 'First contact resolution',
    says: 'Tickets resolved at L1 in the first interaction (never on hold, never handed on or to another agent, no reply from the requester before the resolution, never reopened) ÷ tickets resolved. A ticket counts at the time of its last resolution.',
    ...shareOfResolved,
    fields: [...resolvedFields, 'escalations', 'deescalations', 'reassignments', 'replies', 'holds', 'reopens'],
    events: [
      ...resolvedEvents,
      ...handOffEvents,
      'TicketAssigned',
      'TicketUnassigned',
      'TicketTakenOver',
      'RequesterReplied',
      'TicketPutOnHold',
    ],
    count: (facts) =>
      resolved(
        facts,
        one(
          facts.resolvedTier === 'L1' &&
            facts.escalations + facts.deescalations + facts.reassignments + facts.replies + facts.reopens + facts.holds.length === 0,
        ),
      ),
  }),
  kpi({
    id: 'first-level-resolution',
    version: 1,
    title: 'First level resolution',
    says: 'Tickets resolved at L1 and never handed up ÷ tickets resolved.',
    ...shareOfResolved,
    fields: [...resolvedFields, 'escalations'],
    events: [...resolvedEvents, ...handOffEvents],
    count: (facts) => resolved(facts, one(facts.resolvedTier === 'L1' && facts.escalations === 0)),
  }),
  kpi({
    id: 'escalation-rate',
    version: 1,
    title: 'Escalation rate',
    says: 'Per tier: tickets with at least one hand-off from the tier to a higher one that was accepted in the period ÷ tickets that the tier handled in the period. `also` counts those handed on by people (`manual`) and by policies (`automatic`).',
    unit: 'share',
    aggregation: 'share',
    once: 'ticket',
    dimensions: ['tier', ...OF_TICKET],
    anchor: 'life',
    fields: ['resolvedAt', 'endedAt', 'stays', 'handOffs'],
    events: moveEvents,
    count: (facts) =>
      tiersOf(facts).map((tier) => ({
        tier,
        n: 0,
        spans: handledAt(facts, tier),
        hits: facts.handOffs.flatMap(({ from, outcome, settledAt, automatic }) =>
          from === tier && outcome === 'accepted' && settledAt !== undefined
            ? [{ at: +settledAt, also: automatic ? 'automatic' : 'manual' }]
            : [],
        ),
      })),
  }),
  kpi({
    id: 'return-rate',
    version: 1,
    title: 'Return rate',
    says: 'Hand-offs to a higher tier that were returned ÷ hand-offs that were accepted or returned. A hand-off counts at the time of its return or acceptance. Tier and team are those of the sender.',
    unit: 'share',
    aggregation: 'share',
    once: 'each',
    dimensions: ['tier', 'team', ...OF_TICKET],
    anchor: 'life',
    fields: ['handOffs'],
    events: handOffEvents,
    count: ({ handOffs }) =>
      handOffs.flatMap(({ from, fromTeam, outcome, settledAt }) =>
        settledAt === undefined ? [] : [{ at: +settledAt, n: one(outcome === 'returned'), tier: from, team: fromTeam }],
      ),
  }),
  kpi({
    id: 'ping-pong',
    version: 1,
    title: 'Ping-pong',
    says: 'Number of times that tickets went up from a tier and came back to it (A → B → A), returned or handed down. Tier and team are those they came back to.',
    unit: 'bounces',
    aggregation: 'count',
    once: 'each',
    dimensions: ['tier', 'team', ...OF_TICKET],
    anchor: 'life',
    fields: ['stays'],
    events: moveEvents,
    count: ({ stays }) => {
      const moves = tierMoves(stays);
      return moves.flatMap(({ tier, team, from }, index): Counted[] => {
        const [up, before] = [moves[index - 1], moves[index - 2]];
        return up !== undefined && before?.tier === tier && rank(up.tier) > rank(tier) ? [{ at: +from, n: 1, tier, team }] : [];
      });
    },
  }),
  kpi({
    id: 'mtta',
    version: 1,
    title: 'Mean time to acknowledge',
    says: 'Mean of first acknowledged − opened, with p50 and p90, of the tickets first acknowledged in the period. A ticket is acknowledged by the first response, or by the acknowledgement of an escalation. Tier is the tier of entry.',
    unit: 'milliseconds',
    aggregation: 'mean',
    once: 'each',
    dimensions: ['tier', 'team', ...OF_TICKET],
    anchor: 'life',
    fields: ['openedAt', 'openedTier', 'acknowledgedAt', 'stays'],
    events: ['TicketOpened', 'WorkStarted', 'EscalationAccepted', 'PublicReplySent', 'EscalationAcknowledged'],
    count: (facts) => {
      const { acknowledgedAt, openedAt } = facts;
      if (acknowledgedAt === undefined) return [];
      return opened(facts, Math.max(0, +acknowledgedAt - +openedAt)).map((counted) => ({ ...counted, at: +acknowledgedAt }));
    },
  }),
  kpi({
    id: 'mttr',
    version: 1,
    title: 'Mean time to resolve',
    says: 'Mean of resolved − opened, with p50 and p90, of the tickets resolved in the period. The last resolution of a ticket counts.',
    unit: 'milliseconds',
    aggregation: 'mean',
    once: 'each',
    dimensions: EVERY,
    anchor: 'resolved',
    fields: [...resolvedFields, 'openedAt'],
    events: ['TicketOpened', ...resolvedEvents],
    count: (facts) => resolved(facts, Math.max(0, +(facts.resolvedAt ?? 0) - +facts.openedAt)),
  }),
  kpi({
    id: 'mttr-without-waiting',
    version: 1,
    title: 'Mean time to resolve, without waiting',
    says: 'As mttr, without the time on hold.',
    unit: 'milliseconds',
    aggregation: 'mean',
    once: 'each',
    dimensions: EVERY,
    anchor: 'resolved',
    fields: [...resolvedFields, 'openedAt', 'holds'],
    events: ['TicketOpened', 'TicketPutOnHold', 'TicketResumed', ...resolvedEvents],
    count: (facts) => {
      const life: Span = [+facts.openedAt, +(facts.resolvedAt ?? 0)];
      const held = facts.holds.reduce((sum, { from, to }) => sum + overlap(life, [+from, to === undefined ? Infinity : +to]), 0);
      return resolved(facts, Math.max(0, life[1] - life[0] - held));
    },
  }),
  kpi({
    id: 'sla-compliance',
    version: 1,
    title: 'SLA compliance',
    says: 'Promises met ÷ (met + breached). A promise counts at the time of its verdict; a breach, at the time of the breach. Verdicts are as known now, including restated ones; cancelled promises count only if they were breached before. `clock` is the kind of promise.',
    unit: 'share',
    aggregation: 'share',
    once: 'each',
    dimensions: ['clock', ...EVERY],
    anchor: 'life',
    fields: ['clocks', 'tier', 'team', 'agent', ...resolvedFields],
    events: [...clockEvents, ...resolvedEvents, ...handOffEvents, 'WorkStarted', 'PublicReplySent'],
    count: ({ clocks, tier, team, agent, resolvedTier, resolvedTeam, resolvedAgent }) =>
      clocks.flatMap(({ kind, tier: ofTier, verdict, decidedAt }) =>
        verdict === 'met' || verdict === 'breached'
          ? [
              {
                at: +decidedAt,
                n: one(verdict === 'met'),
                clock: kind,
                tier: ofTier ?? resolvedTier ?? tier,
                team: resolvedTeam ?? team,
                agent: resolvedAgent ?? agent,
              },
            ]
          : [],
      ),
  }),
  kpi({
    id: 'average-handling-time',
    version: 1,
    title: 'Average handling time',
    says: 'Σ touch time, measured and stated, of the tickets closed in the period ÷ those tickets. Tier and agent are those of the work: a ticket counts for each that worked on it.',
    unit: 'milliseconds',
    aggregation: 'ratio',
    once: 'ticket',
    dimensions: ['tier', 'agent', ...OF_TICKET],
    anchor: 'closed',
    fields: ['closedAt', 'touch', 'resolvedTier', 'resolvedAgent', 'tier'],
    events: [...workEvents, 'TicketClosed'],
    count: (facts) => work(facts, (seconds) => seconds * 1_000),
  }),
  kpi({
    id: 'backlog',
    version: 1,
    title: 'Backlog',
    says: 'Tickets opened and neither closed, cancelled nor merged, at the end of the period (now, if it is not over), at their tier at that time, with p50 and p90 of their age; `also` counts them by age.',
    unit: 'tickets',
    aggregation: 'stock',
    once: 'each',
    dimensions: ['tier', 'team', ...OF_TICKET],
    anchor: 'life',
    fields: ['openedAt', 'endedAt', 'resolutions', 'stays'],
    events: ['TicketOpened', ...moveEvents, 'TicketClosed', 'TicketCancelled', 'TicketMerged'],
    count: (facts) => {
      const open = inBacklog(facts);
      return facts.stays.flatMap(({ tier, team, from, to }) => {
        const stay: Span = [+from, to === undefined ? Infinity : +to];
        const spans = open.flatMap((span): Span[] =>
          overlap(span, stay) > 0 ? [[Math.max(span[0], stay[0]), Math.min(span[1], stay[1])]] : [],
        );
        return spans.length === 0 ? [] : [{ spans, n: 1, since: +facts.openedAt, tier, team }];
      });
    },
  }),
  kpi({
    id: 'reopen-rate',
    version: 1,
    title: 'Reopen rate',
    says: 'Tickets with a resolution in the period that did not last ÷ tickets resolved in the period. Tier, team and agent are those of the resolution.',
    unit: 'share',
    aggregation: 'share',
    once: 'ticket',
    dimensions: EVERY,
    anchor: 'life',
    fields: ['resolutions'],
    events: resolvedEvents,
    count: ({ resolutions }) =>
      resolutions.map(({ at, tier, team, agent, reopenedAt }) => ({ at: +at, n: one(reopenedAt !== undefined), tier, team, agent })),
  }),
  kpiOf<Map<string, number[]>>({
    id: 'recurrence-rate',
    version: 1,
    title: 'Recurrence rate',
    says: 'Tickets that resemble one (same client, service, category and component) closed with a root cause in the N days before they were opened ÷ tickets resolved in the period. A ticket without a category resembles no other.',
    ...shareOfResolved,
    fields: [...resolvedFields, ...fingerprintFields, 'openedAt'],
    events: ['TicketOpened', 'TicketTriaged', ...resolvedEvents],
    relation: {
      having: { rootCause: 'any', closedAt: 'any' },
      fields: [...fingerprintFields, 'rootCause', 'closedAt'],
      none: () => new Map(),
      add: (closings, one) => {
        const name = fingerprint(one);
        if (name === undefined || one.rootCause === undefined || one.closedAt === undefined) return;
        const known = closings.get(name);
        if (known === undefined) closings.set(name, [+one.closedAt]);
        else known.push(+one.closedAt);
      },
    },
    count: (facts, { days }, closings) => {
      const name = fingerprint(facts);
      const opened = +facts.openedAt;
      const recurs = name !== undefined && (closings.get(name) ?? []).some((at) => at <= opened && at >= opened - days * DAY);
      return resolved(facts, one(recurs));
    },
  }),
  kpi({
    id: 'knowledge-use',
    version: 1,
    title: 'Knowledge use',
    says: 'Tickets closed with a knowledge article used or written on the way ÷ tickets closed in the period.',
    unit: 'share',
    aggregation: 'share',
    once: 'ticket',
    dimensions: EVERY,
    anchor: 'closed',
    fields: ['closedAt', 'articles', ...resolvedFields],
    events: [...resolvedEvents, 'TicketDeescalated', 'ConsultationAnswered'],
    count: (facts) => {
      const { closedAt, articles } = facts;
      return closedAt === undefined ? [] : resolved(facts, one(articles.length > 0), { at: +closedAt });
    },
  }),
  kpi({
    id: 'csat',
    version: 1,
    title: 'Customer satisfaction',
    says: 'Responses with a score of 4 or 5 ÷ responses, by the time of the response. Tier, team and agent are those of the rated resolution.',
    unit: 'share',
    aggregation: 'share',
    once: 'each',
    dimensions: EVERY,
    anchor: 'since-opening',
    fields: ['satisfaction', 'resolutions'],
    events: ['SatisfactionRecorded'],
    count: ({ satisfaction, resolutions }) =>
      satisfaction.map(({ cycle, score, at }) => {
        const judged = resolutions[cycle - 1];
        return { at: +at, n: one(score >= 4), tier: judged?.tier, team: judged?.team, agent: judged?.agent };
      }),
  }),
  kpiOf<Since>({
    id: 'proactive-identification',
    version: 1,
    title: 'Proactive identification',
    says: 'Incidents opened by monitoring, before any user reported the same fault (in a ticket merged into it, or its duplicate) ÷ incidents opened in the period.',
    unit: 'share',
    aggregation: 'share',
    once: 'ticket',
    dimensions: ['tier', 'team', ...OF_TICKET],
    anchor: 'opened',
    fields: ['kind', 'channel', 'openedAt', 'openedTier', 'stays'],
    events: ['TicketOpened', 'TicketMerged', 'TicketLinked'],
    relation: {
      having: { duplicateOf: 'any' },
      fields: ['duplicateOf', 'channel', 'openedAt'],
      none: () => new Map(),
      add: (since, { channel, duplicateOf, openedAt }) => {
        if (channel !== 'monitoring') note(since, duplicateOf, openedAt);
      },
    },
    count: (facts, _context, reported) =>
      facts.kind === 'incident'
        ? opened(facts, one(facts.channel === 'monitoring' && !((reported.get(facts._id) ?? Infinity) < +facts.openedAt)))
        : [],
  }),
  kpi({
    id: 'ticket-volume',
    version: 1,
    title: 'Ticket volume',
    says: 'Tickets opened in the period. Tier is the tier of entry.',
    unit: 'tickets',
    aggregation: 'count',
    once: 'each',
    dimensions: ['tier', 'team', ...OF_TICKET],
    anchor: 'opened',
    fields: ['openedAt', 'openedTier', 'stays'],
    events: ['TicketOpened'],
    count: (facts) => opened(facts, 1),
  }),
  kpiOf<Since>({
    id: 'avoidable-escalations',
    version: 1,
    title: 'Avoidable escalations',
    says: 'Tickets resolved at L2 or L3 by an article with which L1 or self-service had already resolved a ticket of the same client when they were opened ÷ tickets resolved at L2 or L3.',
    ...shareOfResolved,
    fields: [...resolvedFields, 'openedAt', 'article', 'client'],
    events: ['TicketOpened', ...resolvedEvents],
    relation: procedures,
    count: (facts, _context, known) =>
      facts.resolvedTier === 'L2' || facts.resolvedTier === 'L3' ? resolved(facts, one(isAvoidable(facts, known))) : [],
  }),
  kpi({
    id: 'tier-share',
    version: 1,
    title: "A tier's share of resolutions",
    says: 'Tickets resolved at the tier ÷ tickets resolved in the period. By tier; a well-run L1 resolves 40 to 80 %.',
    unit: 'share',
    aggregation: 'proportion',
    once: 'each',
    dimensions: EVERY,
    anchor: 'resolved',
    fields: resolvedFields,
    events: resolvedEvents,
    count: (facts) => resolved(facts, 1),
  }),
  kpi({
    id: 'response-time',
    version: 1,
    title: 'Response time between tiers',
    says: 'Mean of accepted − handed over, with p50 and p90, of the hand-offs accepted in the period. Tier and team are those that accepted.',
    unit: 'milliseconds',
    aggregation: 'mean',
    once: 'each',
    dimensions: ['tier', 'team', ...OF_TICKET],
    anchor: 'life',
    fields: ['handOffs'],
    events: handOffEvents,
    count: ({ handOffs }) =>
      handOffs.flatMap(({ to, toTeam, at, outcome, settledAt }) =>
        outcome === 'accepted' && settledAt !== undefined
          ? [{ at: +settledAt, n: Math.max(0, +settledAt - +at), tier: to, team: toTeam }]
          : [],
      ),
  }),
  kpi({
    id: 'vendor-escalation-rate',
    version: 1,
    title: 'Vendor escalation rate',
    says: 'Tickets handed to L4 by L3 in the period ÷ tickets that L3 handled in the period.',
    unit: 'share',
    aggregation: 'share',
    once: 'ticket',
    dimensions: OF_TICKET,
    anchor: 'life',
    fields: ['resolvedAt', 'endedAt', 'stays', 'handOffs'],
    events: handOffEvents,
    count: (facts) => {
      const spans = handledAt(facts, 'L3');
      const hits = facts.handOffs.filter(({ from, to }) => from === 'L3' && to === 'L4').map(({ at }) => ({ at: +at }));
      return spans.length + hits.length === 0 ? [] : [{ n: 0, spans, hits, tier: 'L3' }];
    },
  }),
  kpiOf<Since>({
    id: 'cost-per-ticket',
    version: 1,
    title: 'Cost per ticket',
    says: "Σ hours of touch time × the tier's weight, of the tickets closed in the period ÷ those tickets. `also.saving` is what working each avoidable escalation at L1 would have saved. In hours of L1; in the currency of `rates`, if they are given, or of the client's contract, if it has rates and `client` names one.",
    unit: 'cost',
    aggregation: 'ratio',
    once: 'ticket',
    dimensions: ['tier', 'agent', ...OF_TICKET],
    anchor: 'closed',
    fields: ['closedAt', 'touch', ...resolvedFields, 'tier', 'openedAt', 'article', 'client'],
    events: [...workEvents, ...resolvedEvents],
    relation: procedures,
    count: (facts, { weights }, known) => {
      const avoidable = isAvoidable(facts, known);
      return work(facts, (seconds, tier) => ((seconds * 1_000) / HOUR) * weights[tier]).map((counted) => {
        const { tier = 'L1', n } = counted;
        const saving = avoidable && weights[tier] > weights.L1 ? n * (1 - weights.L1 / weights[tier]) : 0;
        return saving > 0 ? { ...counted, also: { saving } } : counted;
      });
    },
  }),
  kpiOf<Since>({
    id: 'knowledge-transfer',
    version: 1,
    title: 'Knowledge transfer',
    says: 'Of the tickets resolved in the period that resemble one (same client, service, category and component) that L3 had resolved before they were opened: those resolved by a lower tier ÷ all.',
    ...shareOfResolved,
    fields: [...resolvedFields, ...fingerprintFields, 'openedAt'],
    events: ['TicketOpened', 'TicketTriaged', ...resolvedEvents],
    relation: {
      having: { resolvedTier: ['L3'] },
      fields: [...fingerprintFields, 'resolvedTier', 'resolvedAt'],
      none: () => new Map(),
      add: (since, one) => {
        if (one.resolvedTier === 'L3') note(since, fingerprint(one), one.resolvedAt);
      },
    },
    count: (facts, _context, known) => {
      const name = fingerprint(facts);
      const since = name === undefined ? undefined : known.get(name);
      const isLike = since !== undefined && since < +facts.openedAt;
      return isLike ? resolved(facts, one(rank(facts.resolvedTier ?? 'L4') < rank('L3'))) : [];
    },
  }),
  kpiOf<Map<string, number>>({
    id: 'client-retention',
    version: 1,
    title: 'Client retention',
    says: 'Clients who opened a ticket N days or more after the last ticket of the period that was resolved above L1 ÷ clients with such a ticket. Tickets count only once their N days are over.',
    unit: 'share',
    aggregation: 'share',
    once: 'client',
    dimensions: OF_TICKET,
    anchor: 'resolved',
    fields: [...resolvedFields, 'client'],
    events: ['TicketOpened', ...resolvedEvents],
    relation: {
      having: {},
      fields: ['client', 'openedAt'],
      none: () => new Map(),
      add: (latest, { client, openedAt }) => void latest.set(client, Math.max(latest.get(client) ?? -Infinity, +openedAt)),
    },
    count: (facts, { now, days }, latest) => {
      const over = facts.resolvedAt === undefined ? Infinity : +facts.resolvedAt + days * DAY;
      if (over > now || rank(facts.resolvedTier ?? 'L0') <= rank('L1')) return [];
      return resolved(facts, one((latest.get(facts.client) ?? -Infinity) >= over));
    },
  }),
  kpi({
    id: 'service-uptime',
    version: 1,
    title: 'Service uptime',
    says: "1 − time in which a service had a major incident that was not resolved ÷ its service hours, which are those of the client's contract. Covers the services named by tickets that were open in the period.",
    unit: 'share',
    aggregation: 'uptime',
    once: 'each',
    dimensions: ['client', 'service'],
    anchor: 'life',
    fields: ['client', 'service', 'majorIncidents'],
    events: ['TicketOpened', 'TicketTriaged', 'MajorIncidentDeclared', 'MajorIncidentStoodDown', ...resolvedEvents],
    count: ({ service, majorIncidents }) =>
      service === undefined
        ? []
        : [{ n: 1, spans: majorIncidents.map(({ from, to }): Span => [+from, to === undefined ? Infinity : +to]) }],
  }),
  kpi({
    id: 'development-collaboration',
    version: 1,
    title: 'Development collaboration',
    says: 'Root causes that name a change ÷ root causes of the tickets resolved in the period.',
    ...shareOfResolved,
    fields: [...resolvedFields, 'rootCause'],
    events: ['TicketResolvedWithRootCause', 'TicketReopened'],
    count: (facts) => (facts.rootCause === undefined ? [] : resolved(facts, one(facts.rootCause.change))),
  }),
];

/** A KPI by its id. */
export function kpiById(id: string): Kpi | undefined {
  return kpis.find((one) => one.id === id);
}

/** What a KPI is computed with by default. */
export function usualContext(now: number, calendarOf: Context['calendarOf'], more: Partial<Context> = {}): Context {
  return { now, days: DEFAULT_DAYS, weights: DEFAULT_WEIGHTS, calendarOf, ...more };
}
