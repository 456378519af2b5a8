import type { Instant } from '#eventsourcing';
import type { DiagnosticStep } from '../contract/hand-off.js';
import { omitUndefined, without, withOneMore } from '../plain-json.js';
import type { HoldReason, Person, Tier } from '../vocabulary.js';
import { TIMEKEEPER } from './automatic.js';
import { move, note, unchanged } from './definition.js';
import { asOf } from './past.js';
import { type RunbookRun, type RunbookStep, type StepRef, type StepResult, ticked } from './runbook.js';
import { activeWork, type Evidence, moveTo } from './ticket.js';

export const workEvents = {
  WorkStarted: move<{
    readonly tier: Tier;
    readonly team?: string;
    readonly agent: Person;
    /** Tickets on which the agent's touch time was running, and now ends. */
    readonly turnedFrom?: readonly string[];
  }>({
    says: 'somebody started working on it; the first time is a first response',
    publicData: 'all',
    evolve: (ticket, { tier, team, agent }) => ({
      ...moveTo(ticket, tier, team ?? ticket.team, agent),
      work: { status: 'in-progress', agent },
    }),
    endsTouch: false,
    firstResponse: true,
    endsChains: null,
    clocks: ({ tier }) => ({
      starts: [{ clock: 'tier-work', tier }],
      stops: [{ clock: 'response' }, { clock: 'tier-accept' }, { clock: 'tier-work', except: tier }],
      handOffPending: false,
    }),
    personal: null,
  }),

  DiagnosticStepRecorded: note<
    { readonly tier: Tier } & DiagnosticStep & {
        /** The step of a runbook that it ticks off. */
        readonly runbook?: StepRef & { readonly result: Exclude<StepResult, 'skipped'> };
      }
  >({
    says: 'what was tried, and the outcome; with `runbook`, it ticks off a runbook step',
    publicData: 'all',
    evolve: (ticket, { action, outcome, runbook }, { actor: by, effectiveAt: at }) => ({
      ...ticket,
      stepsTried: withOneMore(ticket.stepsTried, { action, outcome, at }, 'at'),
      ...(runbook && { runbooks: ticked(ticket.runbooks ?? [], runbook, { result: runbook.result, outcome, by, at }) }),
    }),
    personal: null,
  }),

  RunbookStarted: note<Pick<RunbookRun, 'run' | 'article' | 'version' | 'title'> & { readonly steps: readonly RunbookStep[] }>({
    says: 'a [runbook](knowledge.md#runbooks) was started, with the steps of that version of the article',
    publicData: 'all',
    evolve: (ticket, { steps, ...runbook }, { actor, effectiveAt }) => ({
      ...ticket,
      runbooks: withOneMore<'startedAt', RunbookRun>(
        ticket.runbooks ?? [],
        {
          ...runbook,
          startedBy: actor,
          startedAt: effectiveAt,
          cycle: asOf(ticket, effectiveAt).cycle,
          steps: steps.map((step) => ({ ...step, status: 'waiting' })),
        },
        'startedAt',
      ),
    }),
    personal: null,
  }),

  RunbookStepSkipped: note<StepRef & { readonly reason: string }>({
    says: 'a runbook step was skipped, and why',
    publicData: 'all',
    evolve: (ticket, { reason: outcome, ...ref }, { actor: by, effectiveAt: at }) => ({
      ...ticket,
      runbooks: ticked(ticket.runbooks ?? [], ref, { result: 'skipped', outcome, by, at }),
    }),
    personal: null,
  }),

  EvidenceAttached: note<Evidence>({
    says: 'evidence was attached by reference, with the SHA-256 and size of its content',
    publicData: 'all',
    evolve: (ticket, data, { effectiveAt: at }) => ({ ...ticket, evidence: withOneMore(ticket.evidence, { ...data, at }, 'at') }),
    personal: { fields: ['name'], content: 'sha256' },
  }),

  TicketPutOnHold: move<{ readonly reason: HoldReason; readonly note: string; readonly until?: Instant }>({
    says: 'work was paused for a listed reason, optionally until a given time',
    publicData: 'all',
    evolve: (ticket, { reason, until }, { effectiveAt }) => ({
      ...ticket,
      work: omitUndefined({ status: 'on-hold' as const, reason, since: effectiveAt, until, paused: activeWork(ticket.work) }),
    }),
    endsTouch: true,
    firstResponse: false,
    endsChains: null,
    clocks: ({ reason, until }) =>
      omitUndefined({ holds: reason, until, starts: reason === 'vendor' ? [{ clock: 'vendor' as const }] : undefined }),
    personal: null,
  }),

  HoldExpired: note<{ readonly reason: HoldReason; readonly until: Instant; readonly assignee?: Person }>({
    says: 'a hold has reached its `until`, and the contract leaves it to people: the assignee and the lead are notified',
    publicData: 'all',
    evolve: (ticket, { until }) =>
      ticket.work.status === 'on-hold' && ticket.work.until === until ? { ...ticket, work: { ...ticket.work, expired: true } } : ticket,
    personal: null,
  }),

  TicketResumed: move<{ readonly after: HoldReason }>({
    says: 'the hold ended',
    publicData: 'all',
    evolve: (ticket) => ({ ...ticket, work: activeWork(ticket.work) }),
    // What time ends is the hold until then, and no other of the same reason.
    supposes: ({ after }, { actor, effectiveAt }) => (actor?.id === TIMEKEEPER.id ? { hold: after, until: effectiveAt } : { hold: after }),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: () => ({ endsHolds: true, stops: [{ clock: 'vendor' }] }),
    personal: null,
  }),

  OnsiteVisitPlanned: move<{
    readonly visitId: string;
    readonly agent: Person;
    readonly location: string;
    readonly plannedFor: Instant;
  }>({
    says: 'an onsite visit was planned: by whom, where, when',
    publicData: 'all',
    evolve: (ticket, { visitId }) => ({ ...ticket, onsiteVisit: { id: visitId, status: 'planned' } }),
    personal: { fields: ['location'] },
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
  }),

  OnsiteVisitBegun: move<{ readonly visitId: string }>({
    says: 'the visit began',
    publicData: 'all',
    evolve: (ticket, { visitId }) => ({ ...ticket, onsiteVisit: { id: visitId, status: 'begun' } }),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
    personal: null,
  }),

  OnsiteVisitDone: move<{ readonly visitId: string; readonly outcome: string }>({
    says: 'the visit was completed, with its outcome',
    publicData: 'all',
    evolve: (ticket) => without(ticket, 'onsiteVisit'),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
    personal: null,
  }),

  TouchTimeRecorded: note<{ readonly tier: Tier; readonly agent: Person; readonly minutes: number; readonly activity?: string }>({
    says: 'minutes of work stated by an agent',
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),

  TouchTimeStarted: note<{ readonly tier: Tier; readonly agent: Person }>({
    says: 'an agent started working time on it: one stretch at a time per agent, which ends with the work at the latest',
    publicData: 'all',
    evolve: (ticket, { agent, tier }, { effectiveAt }) => ({
      ...ticket,
      touching: [...ticket.touching, { agent, tier, since: effectiveAt }],
    }),
    personal: null,
  }),

  TouchTimeStopped: note<{
    readonly tier: Tier;
    readonly agent: Person;
    readonly startedAt: Instant;
    readonly seconds: number;
    readonly activity?: string;
  }>({
    says: "the agent's stretch of working time ended: its seconds, at the tier where it began",
    publicData: 'all',
    evolve: (ticket, { agent, tier, startedAt: since, seconds }, { effectiveAt }) => ({
      ...ticket,
      touching: ticket.touching.filter((touch) => touch.agent.id !== agent.id || touch.since > since),
      touched: [...(ticket.touched ?? []), { agent, tier, since, until: effectiveAt < since ? since : effectiveAt, seconds }],
    }),
    personal: null,
  }),

  TouchTimeDeducted: note<{
    readonly tier: Tier;
    readonly agent: Person;
    readonly startedAt: Instant;
    readonly seconds: number;
    /** When the stretch ended in truth, as a fact that was told late shows; absent where its seconds were counted before. */
    readonly endedAt?: Instant;
    readonly activity?: string;
  }>({
    says:
      'seconds of a stretch are deducted: they were already counted, on this ticket or another; or the stretch had ended by `endedAt`, as a ' +
      'late fact shows',
    publicData: 'all',
    evolve: (ticket, { agent, startedAt, seconds, endedAt }) => ({
      ...ticket,
      touched: ticket.touched?.map((touch) =>
        touch.agent.id === agent.id && touch.since === startedAt
          ? { ...touch, seconds: touch.seconds - seconds, until: endedAt ?? touch.until }
          : touch,
      ),
    }),
    personal: null,
  }),
};
