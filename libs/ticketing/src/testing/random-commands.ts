import { type Instant, instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import {
  ASSIGNMENT_RULES,
  NOBODY_REASONS,
  CLOCK_KINDS,
  ANALYSIS_METHODS,
  CHANNELS,
  EVIDENCE_KINDS,
  HOLD_REASONS,
  IMPACTS,
  LINK_RELATIONS,
  TICKET_KINDS,
  TIERS,
  URGENCIES,
} from '../vocabulary.js';
import { STEP_RESULTS } from '../events/runbook.js';
import { notificationId } from '../ticket/escalation.js';
import type { HandOffBody } from '../ticket/hand-off.js';
import type { TicketCommandName, TicketCommands } from '../ticket/ticket.js';
import { type Contract, defaultContract, HOUR } from '../contract/contract.js';

/** Random but valid commands, as they are after validation: for properties that hold for every ticket. */

const word = fc.constantFrom('alpha', 'beta', 'gamma', 'delta');
const person = fc.record({ id: word });
const other = fc.constantFrom('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002');
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> => fc.option(value, { nil: undefined });
const few = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> => fc.array(value, { maxLength: 2 });

/** With everything that any tier requires. */
export const completeHandOff: HandOffBody = {
  summary: 's',
  errorMessages: ['e'],
  logs: ['l'],
  stepsTried: [{ action: 'a', outcome: 'o' }],
  notReproducibleBecause: 'b',
  diagnosticData: ['d'],
  environment: 'e',
  vendor: { vendor: 'v', caseReference: 'c', contract: 'k' },
};

const promised = { accept: HOUR, work: { businessDays: 1 } };
/** A contract with everything that a contract can have. */
export const officeHours: Contract = {
  ...defaultContract,
  calendar: { zone: 'Europe/Berlin', week: { monday: [{ from: '09:00', to: '17:00' }], thursday: [{ from: '00:00', to: '24:00' }] } },
  tierTargets: { L1: { critical: promised, high: promised, medium: promised, low: promised } },
  reopen: 'continue',
  assignment: 'automatic',
  holdEnds: 'tell',
  categorySkills: { alpha: ['beta'] },
  services: { alpha: ['alpha', 'beta'], gamma: [] },
  escalationPolicies: [
    {
      name: 'untouched',
      trigger: { on: 'opened' },
      steps: [
        { after: HOUR, targets: [{ kind: 'assignee' }] },
        { after: HOUR, targets: [{ kind: 'on-call', schedule: 'night' }], escalateToNextTier: true },
      ],
      rounds: 2,
      acknowledgedFor: HOUR,
      then: 'late',
    },
    { name: 'late', trigger: { on: 'breach', clock: 'resolution' }, steps: [{ after: 0, targets: [{ kind: 'team', team: 'alpha' }] }] },
    {
      name: 'prompt',
      trigger: { on: 'opened' },
      steps: [{ after: 0, targets: [{ kind: 'team', team: 'alpha' }] }],
      rounds: 9,
      acknowledgedFor: 60_000,
    },
    { name: 'waiting', trigger: { on: 'handed-over' }, steps: [{ after: 0, targets: [{ kind: 'team', team: 'beta' }] }] },
  ],
};
const randomTerms = fc.constantFrom(officeHours, { ...defaultContract, thresholds: [80], tiers: ['L1', 'L3'] as const });

/** Random lives begin on 2026-01-01. */
const holdEnds = ['2026-01-01T12:00:00Z', '2026-01-03T00:00:00Z', '2026-01-08T00:00:00Z', '2026-01-20T00:00:00Z', '2026-12-01T00:00:00Z'];

const contents: { readonly [Name in TicketCommandName]: fc.Arbitrary<TicketCommands[Name]> } = {
  OpenTicket: fc.record({
    client: word,
    kind: fc.constantFrom(...TICKET_KINDS),
    summary: word,
    reporter: person,
    channel: fc.constantFrom(...CHANNELS),
    impact: fc.constantFrom(...IMPACTS),
    urgency: fc.constantFrom(...URGENCIES),
    tier: maybe(fc.constantFrom(...TIERS)),
    team: maybe(word),
    entryReason: fc.option(word, { nil: undefined, freq: 8 }),
    majorIncident: maybe(fc.boolean()),
    securityIncident: maybe(fc.boolean()),
  }),
  TriageTicket: fc.record({
    category: word,
    impact: maybe(fc.constantFrom(...IMPACTS)),
    urgency: maybe(fc.constantFrom(...URGENCIES)),
    majorIncident: maybe(fc.boolean()),
    securityIncident: maybe(fc.boolean()),
    skills: maybe(few(word)),
    service: maybe(word),
    component: maybe(word),
  }),
  AssignTicket: fc.record({ team: maybe(word), assignee: maybe(person) }),
  UnassignTicket: fc.record({ reason: word, from: maybe(word) }),
  AssignAutomatically: fc.record({
    request: fc.record({ client: fc.constant('alpha'), tier: fc.constantFrom('L1' as const, 'L2' as const), skills: fc.constant([]) }),
    found: fc.oneof(
      fc.record({
        agent: person,
        team: word,
        shift: word,
        rule: fc.constantFrom(...ASSIGNMENT_RULES),
        candidates: fc.nat(9),
        openTickets: fc.nat(9),
      }),
      fc.record({ because: fc.constantFrom(...NOBODY_REASONS), teams: few(word) }),
    ),
  }),
  StartWork: fc.record({ agent: maybe(person) }),
  RecordDiagnosticStep: fc.record({ action: word, outcome: word }),
  StartRunbook: fc.record({ article: word }),
  TickRunbookStep: fc.record({ step: fc.integer({ min: 1, max: 3 }), result: fc.constantFrom(...STEP_RESULTS), outcome: word }),
  AttachEvidence: fc.record({
    name: word,
    kind: fc.constantFrom(...EVIDENCE_KINDS),
    url: fc.constant('https://x/y'),
    mediaType: fc.constant('text/plain'),
    sha256: fc.constant('0'.repeat(64)),
    bytes: fc.nat(),
  }),
  EscalateToTier: fc.record({
    tier: fc.constantFrom(...TIERS),
    team: maybe(word),
    reason: word,
    handoff: fc.oneof(
      { weight: 3, arbitrary: fc.constant(completeHandOff) },
      { weight: 1, arbitrary: fc.record<HandOffBody>({ summary: maybe(word), errorMessages: maybe(few(word)) }) },
    ),
  }),
  AcceptEscalation: fc.record({ agent: maybe(person) }),
  ReturnEscalation: fc.record({ reason: word }),
  DeescalateToTier: fc.record({
    tier: fc.constantFrom(...TIERS),
    team: maybe(word),
    reason: word,
    solution: fc.record({ kind: fc.constantFrom('solution' as const, 'procedure' as const), text: word, article: maybe(word) }),
  }),
  PutOnHold: fc.record({ reason: fc.constantFrom(...HOLD_REASONS), note: word, until: maybe(fc.constantFrom(...holdEnds)) }),
  EndHold: fc.constant({}),
  DeductTouchTime: fc.record({
    tier: fc.constantFrom(...TIERS),
    agent: person,
    startedAt: fc.constant(instantFrom(0)),
    seconds: fc.constant(0),
  }),
  Resume: fc.constant({}),
  ResolveTicket: fc.record({ category: maybe(word), article: maybe(word), cause: maybe(word), fix: maybe(word), workaround: maybe(word) }),
  ResolveWithRootCause: fc.record({
    rootCause: fc.record({
      category: word,
      analysis: fc.record({ method: fc.constantFrom(...ANALYSIS_METHODS), text: word, citedEvents: fc.array(fc.nat(3), { maxLength: 2 }) }),
      permanentFix: maybe(word),
      preventiveActions: few(fc.record({ action: word, owner: word })),
      changeReference: word,
      knowledgeArticle: fc.record({ id: word, action: fc.constantFrom('written' as const, 'updated' as const) }),
      lowerTierCanResolve: fc.boolean(),
    }),
  }),
  ReopenTicket: fc.record({ reason: word }),
  CloseTicket: fc.record({ note: maybe(word) }),
  CancelTicket: fc.record({ reason: word }),
  TakeOverTicket: fc.record({ reason: word, agent: maybe(person) }),
  ClaimTicket: fc.record({ agent: maybe(person) }),
  EscalateHierarchically: fc.record({ to: word, reason: word }),
  RequestConsultation: fc.record({ tier: fc.constantFrom(...TIERS), team: maybe(word), question: word }),
  AnswerConsultation: fc.record({ answer: word, article: maybe(word) }),
  SendPublicReply: fc.record({ text: word }),
  AddInternalNote: fc.record({ text: word }),
  RecordRequesterReply: fc.record({ text: word, author: maybe(person) }),
  RecordVendorReply: fc.record({ text: word }),
  DeclareMajorIncident: fc.record({ reason: word }),
  StandDownMajorIncident: fc.record({ reason: word }),
  PlanOnsiteVisit: fc.record({ agent: person, location: word, plannedFor: fc.constant('2026-12-01T09:00:00+01:00') }),
  BeginOnsiteVisit: fc.constant({}),
  CompleteOnsiteVisit: fc.record({ outcome: word }),
  RecordTouchTime: fc.record({ minutes: fc.integer({ min: 1, max: 1440 }), agent: maybe(person), activity: maybe(word) }),
  StartTouchTime: fc.record({ agent: maybe(person) }),
  StopTouchTime: fc.record({ agent: maybe(person), activity: maybe(word) }),
  RecordSlaMoments: fc.constant({}),
  RunEscalations: fc.constant({}),
  RecordNotification: fc.record({
    notification: fc
      .nat(1)
      .map((round) => notificationId('', { chain: 'prompt/0', round, step: 0 }, { kind: 'team', team: 'alpha' }, 'email')),
    attempts: fc.constant(1),
    failed: maybe(fc.constant({ because: 'refused' as const })),
  }),
  AcknowledgeEscalation: fc.record({ by: maybe(person), note: maybe(word) }),
  RebaseSlaTerms: fc.tuple(fc.integer({ min: 1, max: 3 }), randomTerms).map(([version, terms]) => ({
    contract: { version, tzdata: '2025b', terms },
    effectiveFrom: '2025-12-31T08:00:00.000Z' as Instant,
  })),
  TellErased: fc.record({ because: fc.constant('forgotten' as const), person: maybe(word) }),
  RestateSla: fc.record({ reason: word, clock: maybe(fc.constantFrom(...CLOCK_KINDS)) }),
  RecordSatisfaction: fc.record({ score: fc.integer({ min: 1, max: 5 }), comment: maybe(word) }),
  LinkTicket: fc.record({ ticketId: other, relation: fc.constantFrom(...LINK_RELATIONS) }),
  UnlinkTicket: fc.record({ ticketId: other, relation: fc.constantFrom(...LINK_RELATIONS), reason: maybe(word) }),
  MergeTicket: fc.record({ into: other, reason: word }),
  SplitTicket: fc.record({ summary: word, description: maybe(word), category: maybe(word), reason: word }),
  AbsorbTicket: fc.record({ ticketId: other, client: word, summary: word, reporter: person, reason: word }),
  CompleteMerge: fc.record({ into: other }),
  RefuseRelation: fc.record({
    ticketId: other,
    relation: fc.constantFrom(...LINK_RELATIONS, 'merged-into' as const),
    code: word,
    message: word,
  }),
  RecognizeRecurrence: fc.record({
    fix: fc.record({
      ticketId: other,
      tier: fc.constantFrom('L2' as const, 'L3' as const),
      fixedAt: fc.constant('2025-12-31T08:00:00.000Z' as Instant),
      rootCause: fc.boolean(),
    }),
  }),
  TellOfProblem: fc.record({
    problem: fc.record({
      problemId: other,
      title: word,
      status: fc.constantFrom('open' as const, 'known-error' as const, 'unlinked' as const),
    }),
  }),
  ProposeReply: fc.record({ text: word }),
  ProposeResolution: fc.record({ category: maybe(word), article: maybe(word), cause: maybe(word), fix: maybe(word) }),
  ProposeHandOff: fc.record({ tier: fc.constantFrom(...TIERS), reason: word, handoff: fc.constant(completeHandOff) }),
  ApproveProposal: fc.record({ proposalId: fc.constant(undefined) }),
  RejectProposal: fc.record({ proposalId: maybe(other), reason: word }),
  ResolveWithAlert: fc.record({ alertId: word, note: word }),
  ResolveWithParent: fc.record({ parent: other, category: maybe(word), fix: maybe(word) }),
};

/** One command, sent so many milliseconds after the one before. */
export interface SentCommand {
  readonly name: TicketCommandName;
  readonly command: TicketCommands[TicketCommandName];
  readonly after: number;
}

/** Commands that end a life are left out: they come seldom, so that lives are long. */
const names = Object.keys(contents).filter((name) => !['CancelTicket', 'CompleteMerge'].includes(name)) as TicketCommandName[];

const sent = (allowed: readonly TicketCommandName[]): fc.Arbitrary<SentCommand> =>
  fc.constantFrom(...allowed).chain((name) =>
    fc.record({
      name: fc.constant(name),
      command: contents[name] as fc.Arbitrary<TicketCommands[TicketCommandName]>,
      after: fc.oneof(fc.nat(100_000), fc.nat(500_000_000)),
    }),
  );

/** A hand-off that comes back at once, if the ticket is at L1: random lives seldom exceed the ping-pong limit. */
const bounce: fc.Arbitrary<SentCommand[]> = fc.constant([
  { name: 'EscalateToTier', command: { tier: 'L2', reason: 'r', handoff: completeHandOff }, after: 1000 },
  { name: 'ReturnEscalation', command: { reason: 'r' }, after: 1000 },
]);

/** A visit from start to end. */
const visit: fc.Arbitrary<SentCommand[]> = fc.tuple(sent(['PlanOnsiteVisit']), sent(['BeginOnsiteVisit']), sent(['CompleteOnsiteVisit']));

/** A hold, and then the timekeeper. */
const held: fc.Arbitrary<SentCommand[]> = fc.tuple(sent(['PutOnHold']), sent(['EndHold']));

/** Work that is started and taken away again. */
const takenAway: fc.Arbitrary<SentCommand[]> = fc.tuple(sent(['StartWork']), sent(['StartTouchTime']), sent(['UnassignTicket']));

/** A merge that the other ticket agrees to. */
const merge: fc.Arbitrary<SentCommand[]> = other.map((into) => [
  { name: 'MergeTicket', command: { into, reason: 'r' }, after: 1000 },
  { name: 'CompleteMerge', command: { into }, after: 1000 },
]);

/** An escalation that someone acknowledges, and that continues after a while. */
const paged: fc.Arbitrary<SentCommand[]> = fc.tuple(fc.boolean(), contents.RecordNotification).map(([named, outcome]) => [
  { name: 'RunEscalations', command: {}, after: 1000 },
  { name: 'RecordNotification', command: outcome, after: 1000 },
  { name: 'AcknowledgeEscalation', command: named ? { chain: 'prompt/0' } : {}, after: 1000 },
  { name: 'RunEscalations', command: {}, after: 100_000 },
]);

/** A link that is withdrawn, by someone or by the other ticket. */
const link: fc.Arbitrary<SentCommand[]> = fc
  .tuple(other, fc.constantFrom(...LINK_RELATIONS), fc.boolean())
  .map(([ticketId, relation, refused]) => [
    { name: 'LinkTicket', command: { ticketId, relation }, after: 1000 },
    refused
      ? { name: 'RefuseRelation', command: { ticketId, relation, code: 'c', message: 'm' }, after: 1000 }
      : { name: 'UnlinkTicket', command: { ticketId, relation }, after: 1000 },
  ]);

/** A runbook that is started, and one of its steps. */
const followed: fc.Arbitrary<SentCommand[]> = fc.tuple(sent(['StartRunbook']), sent(['TickRunbookStep']));

/** A question to another tier, and its answer. */
const asked: fc.Arbitrary<SentCommand[]> = fc.tuple(sent(['RequestConsultation']), sent(['AnswerConsultation']));

/** A proposal that is approved or rejected. */
const proposed: fc.Arbitrary<SentCommand[]> = fc.tuple(
  sent(['ProposeReply', 'ProposeResolution', 'ProposeHandOff']),
  fc
    .boolean()
    .map((approved): SentCommand =>
      approved ? { name: 'ApproveProposal', command: {}, after: 1000 } : { name: 'RejectProposal', command: { reason: 'r' }, after: 1000 },
    ),
);

/** A ticket's life: an opening, then anything; cancelled or merged rarely, since nothing follows. */
export const randomLife: fc.Arbitrary<readonly SentCommand[]> = fc
  .tuple(
    sent(['OpenTicket']),
    fc.array(
      fc.oneof(
        { weight: 45, arbitrary: sent(names).map((one) => [one]) },
        { weight: 15, arbitrary: sent(['EscalateToTier', 'AcceptEscalation', 'ReturnEscalation']).map((one) => [one]) },
        { weight: 9, arbitrary: sent(['AssignAutomatically']).map((one) => [one]) },
        { weight: 10, arbitrary: bounce },
        { weight: 3, arbitrary: visit },
        { weight: 3, arbitrary: held },
        { weight: 1, arbitrary: sent(['CancelTicket', 'CompleteMerge']).map((one) => [one]) },
        { weight: 1, arbitrary: merge },
        { weight: 3, arbitrary: link },
        { weight: 5, arbitrary: paged },
        { weight: 2, arbitrary: proposed },
        { weight: 2, arbitrary: asked },
        { weight: 2, arbitrary: followed },
        { weight: 3, arbitrary: takenAway },
      ),
      { maxLength: 40 },
    ),
  )
  .map(([first, rest]) => [first, ...rest.flat()]);

/** Something that people do, how many minutes after the previous one, and how long after that it is recorded. */
export interface LateFact {
  readonly name: TicketCommandName;
  readonly command: TicketCommands[TicketCommandName];
  readonly gap: number;
  readonly delay: number;
  /** Nothing that happened before it is recorded after it. */
  readonly ends?: true;
  /**
   * When it may be recorded: at `any-time`, or `after-moves` that happened before it. Default: before every move that happened before it,
   * and no later than the next one.
   */
  readonly told?: 'any-time' | 'after-moves';
  /** Minutes after which a hold ends by itself. */
  readonly lasts?: number;
  /** Sent by a policy, because of something in another ticket. */
  readonly by?: 'policy';
  /** What begins and what ends it, or takes it over: those of a pair are told in the order in which they happened. */
  readonly pair?: 'touch' | 'link' | 'acknowledgement';
}

const FACTS: readonly Omit<LateFact, 'gap' | 'delay'>[] = [
  { name: 'StartWork', command: {} },
  { name: 'PutOnHold', command: { reason: 'customer', note: 'n' } },
  { name: 'PutOnHold', command: { reason: 'vendor', note: 'n' } },
  { name: 'Resume', command: {} },
  { name: 'PutOnHold', command: { reason: 'customer', note: 'n' }, lasts: 30 },
  { name: 'SendPublicReply', command: { text: 't' }, told: 'any-time' },
  { name: 'RecordDiagnosticStep', command: { action: 'a', outcome: 'o' }, told: 'any-time' },
  { name: 'RecordDiagnosticStep', command: { action: 'b', outcome: 'o' }, told: 'any-time' },
  { name: 'AcknowledgeEscalation', command: {}, told: 'after-moves', pair: 'acknowledgement' },
  { name: 'AcknowledgeEscalation', command: { by: { id: 'bob' } }, told: 'after-moves', pair: 'acknowledgement' },
  { name: 'ResolveWithParent', command: { parent: '00000000-0000-4000-8000-000000000003', category: 'x' }, by: 'policy' },
  { name: 'RecordTouchTime', command: { minutes: 5 }, told: 'after-moves' },
  { name: 'StartTouchTime', command: {}, told: 'after-moves', pair: 'touch' },
  { name: 'StartTouchTime', command: { agent: { id: 'bob' } }, told: 'after-moves', pair: 'touch' },
  { name: 'StopTouchTime', command: {}, told: 'after-moves', pair: 'touch' },
  { name: 'StopTouchTime', command: { agent: { id: 'bob' } }, told: 'after-moves', pair: 'touch' },
  { name: 'AssignTicket', command: { assignee: { id: 'bob' } } },
  { name: 'UnassignTicket', command: { reason: 'r' } },
  { name: 'TakeOverTicket', command: { reason: 'r' } },
  { name: 'CloseTicket', command: {} },
  { name: 'RecordSatisfaction', command: { score: 4 }, told: 'after-moves' },
  {
    name: 'UnlinkTicket',
    command: { ticketId: '00000000-0000-4000-8000-000000000001', relation: 'relates-to' },
    told: 'after-moves',
    pair: 'link',
  },
  { name: 'TriageTicket', command: { category: 'x', impact: 'high', urgency: 'critical' } },
  { name: 'TriageTicket', command: { category: 'x', impact: 'low', urgency: 'low' } },
  { name: 'ResolveTicket', command: { category: 'x', article: 'KB-1', cause: 'c', fix: 'f' } },
  { name: 'ReopenTicket', command: { reason: 'r' } },
  { name: 'CancelTicket', command: { reason: 'r' }, ends: true },
  { name: 'EscalateToTier', command: { tier: 'L2', reason: 'r', handoff: completeHandOff } },
  { name: 'AcceptEscalation', command: {} },
  { name: 'EscalateToTier', command: { tier: 'L3', reason: 'r', handoff: completeHandOff } },
  { name: 'EscalateToTier', command: { tier: 'L4', reason: 'r', handoff: completeHandOff } },
  { name: 'RecordVendorReply', command: { text: 't' }, told: 'after-moves' },
  { name: 'RecordRequesterReply', command: { text: 't' } },
  { name: 'DeclareMajorIncident', command: { reason: 'r' } },
  { name: 'StandDownMajorIncident', command: { reason: 'r' } },
  { name: 'RequestConsultation', command: { tier: 'L3', question: 'q' }, told: 'after-moves' },
  { name: 'ReturnEscalation', command: { reason: 'r' } },
  { name: 'DeescalateToTier', command: { tier: 'L1', reason: 'r', solution: { kind: 'procedure', text: 't' } } },
  {
    name: 'LinkTicket',
    command: { ticketId: '00000000-0000-4000-8000-000000000001', relation: 'relates-to' },
    told: 'any-time',
    pair: 'link',
  },
  { name: 'SplitTicket', command: { summary: 's', reason: 'r' }, told: 'after-moves' },
  { name: 'MergeTicket', command: { into: '00000000-0000-4000-8000-000000000002', reason: 'r' }, ends: true },
];

/** What people do with a ticket opened at L1, and record some time later. */
export const lateFact: fc.Arbitrary<LateFact> = fc
  .record({
    told: fc.constantFrom(...FACTS),
    gap: fc.integer({ min: 2, max: 240 }),
    delay: fc.oneof(fc.constant(0), fc.integer({ min: 2, max: 900 })),
  })
  .map(({ told, ...when }) => ({ ...told, ...when }));
