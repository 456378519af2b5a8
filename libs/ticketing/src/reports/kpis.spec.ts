import { epochMillis, type RecordedEvent } from '#eventsourcing';
import fc from 'fast-check';
import { calendarFor, defaultContract } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { isOver, resolvedAt, type Ticket } from '../events/ticket.js';
import { datedFacts } from '../testing/dated-facts.js';
import { type LivedTicket, randomDesk } from '../testing/random-desk.js';
import { rank, type Tier, TIERS } from '../vocabulary.js';
import type { Facts, Kpi } from './kpi.js';
import { DEFAULT_WEIGHTS } from '../contract/rates.js';
import { kpis, usualContext } from './kpis.js';
import type { TicketFacts } from '../views/ticket-facts.js';
import { fieldsFor, type Filters, type Group, KpiTally, type Tallied } from './tally.js';

const DAY = 86_400_000;
const start = Date.parse('2026-01-01T00:00:00.000Z');
const now = start + 200 * DAY;
const calendarOf = () => calendarFor(defaultContract.calendar);

interface Asked {
  readonly from?: number;
  readonly to?: number;
  readonly groupBy?: readonly Group[];
  readonly filters?: Filters;
}

function computed(kpi: Kpi, all: readonly Facts[], { from = start, to = now, groupBy = [], filters = {} }: Asked = {}): Tallied {
  // With no more of each ticket than is read of it.
  const { relation } = kpi;
  const related = relation?.none();
  for (const facts of all) relation?.add(related, only(facts, relation.fields));
  const tally = new KpiTally(kpi, { from, to, groupBy, filters }, usualContext(now, calendarOf), related);
  for (const facts of all) tally.add(only(facts, fieldsFor(kpi, { groupBy, filters })));
  return tally.result();
}

function only(facts: Facts, fields: readonly (keyof TicketFacts)[]): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([key]) => key === '_id' || fields.some((field) => field === key))) as never;
}

type Event<Type extends keyof TicketEvents> = Extract<RecordedEvent<TicketEvents>, { type: Type }>;

/** A ticket as one would look at it with nothing but its events, and the state of the ticket after each. */
class Seen {
  readonly id;
  readonly last: Ticket;
  readonly opened: number;
  constructor(private readonly lived: LivedTicket) {
    this.id = lived.id;
    this.last = lived.states.at(-1) as Ticket;
    this.opened = at(lived.events[0] as RecordedEvent<TicketEvents>);
  }
  all<Type extends keyof TicketEvents>(...types: Type[]): Event<Type>[] {
    return this.lived.events.filter(({ type }) => types.includes(type as Type)) as Event<Type>[];
  }
  count(...types: (keyof TicketEvents)[]): number {
    return this.all(...types).length;
  }
  before(event: { readonly revision: number }): Ticket | null {
    return this.lived.states[event.revision - 1] ?? null;
  }
  after(event: { readonly revision: number }): Ticket {
    return this.lived.states[event.revision] as Ticket;
  }
  isMove(event: { readonly revision: number }): boolean {
    const [before, after] = [this.before(event), this.after(event)];
    return before === null || before.work.status !== after.work.status || before.tier !== after.tier;
  }
  get client() {
    return this.last.client;
  }
  get openedTier(): Tier {
    return this.all('TicketOpened')[0]?.data.tier as Tier;
  }
  get resolved(): number | undefined {
    const standing = resolvedAt(this.last.work);
    return standing && epochMillis(standing);
  }
  get resolvedTier(): Tier {
    return this.last.resolvedBy.at(-1) as Tier;
  }
  get closed(): number | undefined {
    const closings = this.all('TicketClosed');
    return this.last.work.status === 'closed' ? at(closings.at(-1) as Event<'TicketClosed'>) : undefined;
  }
  get ended(): number {
    const end = this.all('TicketClosed', 'TicketCancelled', 'TicketMerged').at(-1);
    return end !== undefined && ['closed', 'cancelled', 'merged'].includes(this.last.work.status) ? at(end) : Infinity;
  }
  get alike(): string | undefined {
    const { client, service, category, component } = this.last;
    return category && [client, service, category, component].join('|');
  }
  get article(): string | undefined {
    return this.resolved === undefined ? undefined : this.last.resolution?.article;
  }
  readonly #memo: { handOffs?: ReturnType<Seen['findHandOffs']>; owners?: ReturnType<Seen['findOwners']> } = {};
  get handOffs() {
    return (this.#memo.handOffs ??= this.findHandOffs());
  }
  /** Who owned it, by the instants at which that changed. */
  get owners() {
    return (this.#memo.owners ??= this.findOwners());
  }
  findHandOffs() {
    return this.all('TicketEscalated').map((up) => {
      const settled = this.all('EscalationAccepted', 'EscalationReturned').find(({ data }) => data.escalationId === up.data.escalationId);
      return { ...up.data, at: at(up), settled: settled && { at: at(settled), accepted: settled.type === 'EscalationAccepted' } };
    });
  }
  findOwners(): readonly { readonly tier: Tier; readonly from: number }[] {
    let owner: Tier | undefined;
    return this.lived.events.flatMap((event) => {
      const tier = this.after(event).tier;
      const waits = this.handOffs.some(({ escalationId, to, settled }) => {
        const escalated = this.all('TicketEscalated').find(({ data }) => data.escalationId === escalationId);
        const isAfter = escalated !== undefined && escalated.revision <= event.revision;
        const settledBy = this.all('EscalationAccepted', 'EscalationReturned').find(({ data }) => data.escalationId === escalationId);
        return isAfter && to === tier && (settled === undefined || (settledBy !== undefined && settledBy.revision > event.revision));
      });
      if (waits || tier === owner) return [];
      owner = tier;
      return [{ tier, from: at(event) }];
    });
  }
  /** Seconds by tier. */
  get touch(): readonly { readonly tier: Tier; readonly seconds: number }[] {
    return [
      ...this.all('TouchTimeStopped').map(({ data }) => ({ tier: data.tier, seconds: data.seconds })),
      ...this.all('TouchTimeRecorded').map(({ data }) => ({ tier: data.tier, seconds: data.minutes * 60 })),
    ];
  }
  get promises() {
    return this.lived.fold.promises;
  }
}

const at = (event: { readonly metadata: { readonly effectiveAt: RecordedEvent<TicketEvents>['metadata']['effectiveAt'] } }) =>
  epochMillis(event.metadata.effectiveAt);
const sum = (numbers: readonly number[]) => numbers.reduce((one, other) => one + other, 0);
const share = (all: readonly boolean[]) => (all.length === 0 ? null : all.filter(Boolean).length / all.length);
const mean = (all: readonly number[]) => (all.length === 0 ? null : sum(all) / all.length);

/** The slow and obvious computation of each KPI over half-open periods, of some tiers. */
type Slowly = (
  desk: readonly Seen[],
  within: (at: number) => boolean,
  ofTier: (tier: Tier) => boolean,
  period: [number, number],
) => number | null;

const ofResolved =
  (value: (ticket: Seen, desk: readonly Seen[]) => boolean | undefined): Slowly =>
  (desk, within, ofTier) =>
    share(
      desk.flatMap((ticket) => {
        if (ticket.resolved === undefined || !within(ticket.resolved) || !ofTier(ticket.resolvedTier)) return [];
        return value(ticket, desk) ?? [];
      }),
    );

const wasHandled = (ticket: Seen, tier: Tier, [from, to]: [number, number]) =>
  ticket.owners.some((stay, index) => {
    if (stay.tier !== tier) return false;
    // A hand-off that waits for somebody is still the sender's.
    const end = Math.max(stay.from, Math.min(ticket.owners[index + 1]?.from ?? Infinity, ticket.resolved ?? Infinity, ticket.ended));
    return stay.from < to && (end > from || stay.from >= from);
  });

const avoidable = (ticket: Seen, desk: readonly Seen[]) =>
  ['L2', 'L3'].includes(ticket.resolvedTier) &&
  ticket.article !== undefined &&
  desk.some(
    (other) =>
      other.client === ticket.client &&
      other.article === ticket.article &&
      rank(other.resolvedTier) <= 1 &&
      (other.resolved ?? Infinity) < ticket.opened,
  );

const slowly: Readonly<Record<string, Slowly>> = {
  'first-contact-resolution': ofResolved((ticket) => {
    const interrupted = ticket.count('TicketEscalated', 'TicketDeescalated', 'TicketReopened', 'TicketPutOnHold', 'TicketUnassigned') > 0;
    const passedOn = ticket.all(...(['TicketAssigned', 'TicketTakenOver', 'WorkStarted'] as const)).some((event) => {
      const had = ticket.before(event)?.assignee;
      const has = ticket.after(event).assignee;
      return had !== undefined && has !== undefined && had.id !== has.id;
    });
    const asked = ticket.all('RequesterReplied').some((event) => !isOver(ticket.before(event) as Ticket));
    return ticket.resolvedTier === 'L1' && !interrupted && !passedOn && !asked;
  }),
  'first-level-resolution': ofResolved((ticket) => ticket.resolvedTier === 'L1' && ticket.count('TicketEscalated') === 0),
  'escalation-rate': (desk, within, ofTier, period) =>
    share(
      desk.flatMap((ticket) => {
        const up = ticket.handOffs.some(({ from, settled }) => settled?.accepted && ofTier(from) && within(settled.at));
        return up || TIERS.some((tier) => ofTier(tier) && wasHandled(ticket, tier, period)) ? [up] : [];
      }),
    ),
  'return-rate': (desk, within, ofTier) =>
    share(
      desk.flatMap(({ handOffs }) =>
        handOffs.flatMap(({ from, settled }) => (settled && within(settled.at) && ofTier(from) ? [!settled.accepted] : [])),
      ),
    ),
  'ping-pong': (desk, within, ofTier) =>
    sum(
      desk.map((ticket) => {
        const tiers = ticket
          .all(...(['TicketOpened', 'TicketEscalated', 'EscalationReturned', 'TicketDeescalated', 'TicketReopened'] as const))
          .map((event) => ({ tier: ticket.after(event).tier, at: at(event) }))
          .filter(({ tier }, index, all) => tier !== all[index - 1]?.tier);
        return tiers.filter(
          ({ tier, at }, index) =>
            tiers[index - 2]?.tier === tier && rank(tiers[index - 1]?.tier as Tier) > rank(tier) && within(at) && ofTier(tier),
        ).length;
      }),
    ),
  mtta: (desk, within, ofTier) =>
    mean(
      desk.flatMap((ticket) => {
        const noticed = ticket
          .all(...(['WorkStarted', 'EscalationAccepted', 'PublicReplySent', 'EscalationAcknowledged'] as const))
          .map((event) => at(event));
        const first = Math.min(...noticed);
        return noticed.length > 0 && within(first) && ofTier(ticket.openedTier) ? [Math.max(0, first - ticket.opened)] : [];
      }),
    ),
  mttr: (desk, within, ofTier) =>
    mean(
      desk.flatMap((ticket) =>
        ticket.resolved !== undefined && within(ticket.resolved) && ofTier(ticket.resolvedTier) ? [ticket.resolved - ticket.opened] : [],
      ),
    ),
  'mttr-without-waiting': (desk, within, ofTier) =>
    mean(
      desk.flatMap((ticket) => {
        const { resolved, opened } = ticket;
        if (resolved === undefined || !within(resolved) || !ofTier(ticket.resolvedTier)) return [];
        const holds = ticket.all('TicketPutOnHold').map((hold) => {
          const end = ticket.all(...Object.values(endsHolds)).find(({ revision }) => revision > hold.revision);
          return Math.max(0, Math.min(end === undefined ? Infinity : at(end), resolved) - Math.max(at(hold), opened));
        });
        return [resolved - opened - sum(holds)];
      }),
    ),
  'sla-compliance': (desk, within, ofTier) =>
    share(
      desk.flatMap((ticket) =>
        ticket.promises.clocks.flatMap((clock) => {
          if (clock.continuedIn !== undefined) return [];
          const told = ticket.promises.told.find(
            ({ clock: kind, tier, vendor, cycle, percent }) =>
              kind === clock.kind && tier === clock.tier && vendor === clock.vendor && cycle === clock.cycle && percent === undefined,
          );
          const goesOn = clock.state === 'running' || clock.state === 'paused';
          const breachedAt = clock.breachedAt ?? (goesOn ? (told?.at ?? undefined) : undefined);
          const verdict = goesOn ? (breachedAt ? 'breached' : 'none') : breachedAt ? 'breached' : clock.state;
          const known = clock.restated && !goesOn ? (clock.restated.is?.verdict ?? 'none') : verdict;
          const when = clock.restated && !goesOn ? (clock.restated.is?.breachedAt ?? clock.stoppedAt) : (breachedAt ?? clock.stoppedAt);
          const tier = clock.tier ?? (ticket.resolved === undefined ? ticket.last.tier : ticket.resolvedTier);
          if ((known !== 'met' && known !== 'breached') || when === undefined || !within(epochMillis(when)) || !ofTier(tier)) return [];
          return [known === 'met'];
        }),
      ),
    ),
  'average-handling-time': (desk, within, ofTier) =>
    mean(
      desk.flatMap((ticket) => {
        if (ticket.closed === undefined || !within(ticket.closed)) return [];
        const work = ticket.touch.length === 0 ? [{ tier: ticket.resolvedTier, seconds: 0 }] : ticket.touch;
        const ours = work.filter(({ tier }) => ofTier(tier));
        return ours.length === 0 ? [] : [sum(ours.map(({ seconds }) => seconds * 1_000))];
      }),
    ),
  backlog: (desk, _within, ofTier, [, to]) =>
    desk.filter((ticket) => {
      // Notes may be told late, moves come in order.
      const past = ticket.all(...everyType).filter((event) => at(event) <= to && ticket.isMove(event));
      const last = past.at(-1);
      return (
        last !== undefined && !['closed', 'cancelled', 'merged'].includes(ticket.after(last).work.status) && ofTier(ticket.after(last).tier)
      );
    }).length,
  'reopen-rate': (desk, within, ofTier) =>
    share(
      desk.flatMap((ticket) => {
        const resolutions = ticket.all('TicketResolved', 'TicketResolvedWithRootCause');
        const ours = resolutions.filter((event) => within(at(event)) && ofTier(event.data.tier));
        const lasted = ours.filter((event) => !ticket.all('TicketReopened').some(({ revision }) => revision > event.revision));
        return ours.length === 0 ? [] : [lasted.length < ours.length];
      }),
    ),
  'recurrence-rate': ofResolved((ticket, desk) =>
    desk.some(
      (other) =>
        other.last.rootCause !== undefined &&
        other.closed !== undefined &&
        other.alike !== undefined &&
        other.alike === ticket.alike &&
        other.closed <= ticket.opened &&
        other.closed >= ticket.opened - 30 * DAY,
    ),
  ),
  'knowledge-use': (desk, within, ofTier) =>
    share(
      desk.flatMap((ticket) => {
        if (ticket.closed === undefined || !within(ticket.closed) || !ofTier(ticket.resolvedTier)) return [];
        return [
          ticket.all('TicketResolved').some(({ data }) => data.article !== undefined) ||
            ticket.count('TicketResolvedWithRootCause') > 0 ||
            ticket.all('TicketDeescalated').some(({ data }) => data.solution.article !== undefined) ||
            ticket.all('ConsultationAnswered').some(({ data }) => data.article !== undefined),
        ];
      }),
    ),
  csat: (desk, within, ofTier) =>
    share(
      desk.flatMap((ticket) =>
        ticket.all('SatisfactionRecorded').flatMap((event) => {
          const judged = ticket.all('TicketResolved', 'TicketResolvedWithRootCause')[event.data.cycle - 1];
          return within(at(event)) && judged && ofTier(judged.data.tier) ? [event.data.score >= 4] : [];
        }),
      ),
    ),
  'proactive-identification': (desk, within, ofTier) =>
    share(
      desk.flatMap((ticket) => {
        if (ticket.last.kind !== 'incident' || !within(ticket.opened) || !ofTier(ticket.openedTier)) return [];
        const reported = desk.some((other) => {
          const { work, links } = other.last;
          const same =
            work.status === 'merged'
              ? work.into === ticket.id
              : links.find(({ relation }) => relation === 'duplicate-of')?.ticketId === ticket.id;
          return same && other.last.channel !== 'monitoring' && other.opened < ticket.opened;
        });
        return [ticket.last.channel === 'monitoring' && !reported];
      }),
    ),
  'ticket-volume': (desk, within, ofTier) => desk.filter((ticket) => within(ticket.opened) && ofTier(ticket.openedTier)).length,
  'avoidable-escalations': ofResolved((ticket, desk) =>
    ticket.resolvedTier === 'L2' || ticket.resolvedTier === 'L3' ? avoidable(ticket, desk) : undefined,
  ),
  'tier-share': (desk, within, ofTier) =>
    share(desk.flatMap((ticket) => (ticket.resolved !== undefined && within(ticket.resolved) ? [ofTier(ticket.resolvedTier)] : []))),
  'response-time': (desk, within, ofTier) =>
    mean(
      desk.flatMap(({ handOffs }) =>
        handOffs.flatMap(({ to, at, settled }) =>
          settled?.accepted && within(settled.at) && ofTier(to) ? [Math.max(0, settled.at - at)] : [],
        ),
      ),
    ),
  'vendor-escalation-rate': (desk, within, _ofTier, period) =>
    share(
      desk.flatMap((ticket) => {
        const vendor = ticket.handOffs.some(({ from, to, at }) => from === 'L3' && to === 'L4' && within(at));
        return vendor || wasHandled(ticket, 'L3', period) ? [vendor] : [];
      }),
    ),
  'cost-per-ticket': (desk, within, ofTier) =>
    mean(
      desk.flatMap((ticket) => {
        if (ticket.closed === undefined || !within(ticket.closed)) return [];
        const work = ticket.touch.length === 0 ? [{ tier: ticket.resolvedTier, seconds: 0 }] : ticket.touch;
        const ours = work.filter(({ tier }) => ofTier(tier));
        return ours.length === 0 ? [] : [sum(ours.map(({ tier, seconds }) => (seconds / 3600) * DEFAULT_WEIGHTS[tier]))];
      }),
    ),
  'knowledge-transfer': ofResolved((ticket, desk) => {
    const known = desk.some(
      (other) =>
        other.alike !== undefined &&
        other.alike === ticket.alike &&
        other.resolvedTier === 'L3' &&
        (other.resolved ?? Infinity) < ticket.opened,
    );
    return known ? rank(ticket.resolvedTier) < 3 : undefined;
  }),
  'client-retention': (desk, within) => {
    const clients = new Map<string, number>();
    for (const { client, resolved, resolvedTier } of desk) {
      if (resolved === undefined || !within(resolved) || rank(resolvedTier) < 2 || resolved + 30 * DAY > now) continue;
      clients.set(client, Math.max(resolved, clients.get(client) ?? 0));
    }
    return share(
      [...clients].map(([client, resolved]) => desk.some((other) => other.client === client && other.opened >= resolved + 30 * DAY)),
    );
  },
  'service-uptime': (desk, _within, _ofTier, [from, to]) => {
    const services = new Set(desk.flatMap(({ client, last }) => (last.service === undefined ? [] : [`${client}|${last.service}`])));
    if (services.size === 0) return null;
    let [up, all] = [0, 0];
    for (const service of services) {
      const ofService = desk.filter(({ client, last }) => `${client}|${last.service}` === service);
      // Cut at every instant at which anything changed, and asked in between.
      const cuts = [from, to, ...ofService.flatMap((ticket) => ticket.all(...everyType).map((event) => at(event)))]
        .filter((cut) => cut >= from && cut <= to)
        .sort((a, b) => a - b);
      cuts.slice(1).forEach((end, index) => {
        const begin = cuts[index] as number;
        const isDown = ofService.some((ticket) => {
          let major = false;
          for (const event of ticket.all(...everyType)) {
            if (at(event) > begin) break;
            const { majorIncident, work } = ticket.after(event);
            major = majorIncident && !['resolved', 'closed', 'cancelled', 'merged'].includes(work.status);
          }
          return major;
        });
        all += end - begin;
        if (!isDown) up += end - begin;
      });
    }
    return up / all;
  },
  'development-collaboration': ofResolved((ticket) =>
    ticket.last.rootCause === undefined ? undefined : ticket.last.rootCause.changeReference !== 'none',
  ),
};

const endsHolds = [
  'TicketResumed',
  'TicketResolved',
  'TicketResolvedWithRootCause',
  'TicketCancelled',
  'TicketMerged',
  'TicketPutOnHold',
] as const;
const everyType = [...new Set(kpis.flatMap(({ events }) => events)), 'InternalNoteAdded', 'TicketMergeRequested'] as (keyof TicketEvents)[];

const always = () => true;
/** Sums of fractions depend on their order. */
const rounded = (value: number | null) => value && Number(value.toPrecision(12));

describe('the KPIs', () => {
  it('are all that there is a slow computation of, each with words, and facts and events behind it', () => {
    expect(kpis.map(({ id }) => id).sort()).toEqual(Object.keys(slowly).sort());
    for (const { says, fields, events, version } of kpis) {
      expect(says).toMatch(/\.$/);
      expect(fields.length * events.length * version).toBeGreaterThan(0);
    }
  });

  it('are what a slow look at the events comes to', () => {
    fc.assert(
      fc.property(
        randomDesk(start, 10),
        fc.nat(100),
        fc.integer({ min: 20, max: 60 }),
        fc.constantFrom(...TIERS),
        (desk, first, days, tier) => {
          const seen = desk.map((one) => new Seen(one));
          const facts = desk.map(datedFacts);
          const part: [number, number] = [start + first * DAY, start + (first + days) * DAY];
          for (const kpi of kpis) {
            for (const [period, ofTier, filters] of [
              [[start, now], always, {}],
              [part, always, {}],
              ...(kpi.dimensions.includes('tier') ? [[[start, now], (one: Tier) => one === tier, { tier: [tier] }] as const] : []),
            ] as const) {
              const [from, to] = period;
              const { value } = computed(kpi, facts, { from, to, filters }).total;
              const expected = slowly[kpi.id]?.(seen, (at) => from <= at && at < to, ofTier, [from, to]) ?? null;
              const shown = { kpi: kpi.id, filters, value: rounded(value) };
              expect(shown).toEqual({ ...shown, value: rounded(expected) });
            }
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  const sample = fc.sample(randomDesk(start, 12), { numRuns: 40, seed: 1 }).map((desk) => desk.map(datedFacts));

  /** All tiers together are everything: of proportions, look at one. */
  const figureOf = (kpi: Kpi, facts: readonly Facts[]) => {
    const { total, groups } = computed(kpi, facts, kpi.aggregation === 'proportion' ? { groupBy: ['tier'] } : {});
    return (groups[0] ?? total).value;
  };

  it('are something else than all or nothing for some of such desks', () => {
    const plain = kpis.filter((kpi) => sample.every((facts) => [null, 0, 1].includes(figureOf(kpi, facts))));
    expect(plain.map(({ id }) => id)).toEqual([]);
  });

  it.each(kpis.map((kpi) => [kpi.id, kpi] as const))(
    '%s of a group is that of its month, in the zone of the client, and its client',
    (_id, kpi) => {
      const zones = { alpha: '+01:00', beta: 'Z', gamma: 'Z' } as const;
      for (const facts of sample.slice(0, 6)) {
        for (const { key, ...figure } of computed(kpi, facts, { to: Date.parse('2026-03-01T00:00:00Z'), groupBy: ['month', 'client'] })
          .groups) {
          const zone = zones[key.client as 'alpha'];
          const from = key.month as string;
          const to = `2026-0${Number(from.slice(-1)) + 1}`;
          const period = {
            from: Math.max(start, Date.parse(`${from}-01T00:00:00${zone}`)),
            to: Math.min(Date.parse('2026-03-01T00:00:00Z'), Date.parse(`${to}-01T00:00:00${zone}`)),
          };
          // Uptime is by the calendar of the client, which is the same for all here.
          const expected = computed(
            kpi,
            facts,
            kpi.aggregation === 'uptime'
              ? {
                  ...period,
                  from: Date.parse(`${from}-01T00:00:00Z`),
                  to: Date.parse(`${to}-01T00:00:00Z`),
                  filters: { client: [key.client as string] },
                }
              : { ...period, filters: { client: [key.client as string] } },
          );
          expect({ key, ...figure }).toEqual({ key, ...expected.total });
        }
      }
    },
  );

  it('have groups by tier whose parts make up the whole', () => {
    const volume = kpis.find(({ id }) => id === 'ticket-volume') as Kpi;
    const share = kpis.find(({ id }) => id === 'tier-share') as Kpi;
    for (const facts of sample) {
      const opened = computed(volume, facts, { groupBy: ['tier', 'channel'] });
      expect(sum(opened.groups.map(({ value }) => value ?? 0))).toBe(opened.total.value);
      const shares = computed(share, facts, { groupBy: ['tier'] }).groups;
      if (shares.length > 0) expect(sum(shares.map(({ value }) => value ?? 0))).toBeCloseTo(1, 9);
    }
  });

  it('have p50 and p90 by nearest rank', () => {
    const mttr = kpis.find(({ id }) => id === 'mttr') as Kpi;
    const resolvedAfter = (hours: number): Facts => ({
      ...(sample[0]?.[0] as Facts),
      openedAt: new Date(start),
      resolvedAt: new Date(start + hours * 3_600_000),
    });
    const { total } = computed(mttr, [5, 1, 2, 4, 3, 10, 6, 8, 9, 7].map(resolvedAfter));
    expect(total).toMatchObject({ value: 5.5 * 3_600_000, p50: 5 * 3_600_000, p90: 9 * 3_600_000, denominator: 10 });
  });
});
