import { readFileSync } from 'node:fs';
import { deterministicId, type Instant, instantFrom } from '#eventsourcing';
import { forClient } from '../testing/ticket-life.js';
import { omitUndefined, without } from '../plain-json.js';
import { given, type Told } from '../../../eventsourcing/src/testing/given-projected.js';
import { auditorReads } from './auditor-reads.js';
import { policyReactions } from './policy-reactions.js';
import { projectionGroups, reactionViews, readViews, ticketViews } from './projections.js';
import { NEVER_DUE } from './sla-board.js';
import { ticketHistory } from './ticket-history.js';

/**
 * An event with what it changes in the document, whose other fields stay as they are. Undefined: the field is no longer there; null: the
 * document is not.
 * @param data where it differs from the event's golden fixture
 */
type Chapter = readonly [type: string, changes: Changes, data?: object];
type Changes = Readonly<Record<string, unknown>> | null;

const at = (minute: number): Instant => instantFrom(minute * 60_000);
const actor = { id: 'ada', kind: 'agent' };
const ticketId = '00000000-0000-4000-8000-000000000001';

function golden(type: string): Readonly<Record<string, unknown>> {
  const file = new URL(`../../../../test/fixtures/events/${type}.v1.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>>;
}

function pick(fields: Readonly<Record<string, unknown>>, ...keys: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(keys.flatMap((key) => (key in fields ? [[key, fields[key]]] : [])));
}

/** A minute apart, by the same agent. */
function eventsOf(life: readonly Chapter[]): readonly Told[] {
  return life.map(([type, , data], minute) => ({ type, at: at(minute), data: { ...golden(type), ...data } }));
}

const ticketEvents: readonly (readonly [type: string, data?: object])[] = [
  ['TicketOpened', { contract: forClient }],
  ['WorkStarted'],
  ['TicketEscalated'],
  ['EscalationAccepted'],
  ['TicketPutOnHold', { until: at(600) }],
  ['TicketResolved', { tier: 'L3', team: 'experts' }],
  ['TicketClosed'],
  ['TicketReopened', { tier: 'L3', team: 'experts' }],
];

/** What one life of a ticket makes of a face, event by event. */
function ofTicket(...changes: readonly Changes[]): readonly Chapter[] {
  return ticketEvents.map(([type, data], index) => [type, changes[index] ?? {}, data]);
}

const opened = golden('TicketOpened');
const { agent: ada } = golden('WorkStarted');
const { agent: grace } = golden('EscalationAccepted');
const handOff = { ...pick(golden('TicketEscalated'), 'escalationId', 'from', 'fromTeam', 'to', 'toTeam'), at: at(2), quality: 94 };
const inProgress = (agent: unknown) => ({ status: 'in-progress', work: { status: 'in-progress', agent }, assignee: agent });
const atL1 = { tier: 'L1', team: 'service-desk', from: at(0) };
const atL3 = { tier: 'L3', team: 'experts', from: at(2) };
const resolved = { tier: 'L3', team: 'experts', agent: 'grace', at: at(5), by: 'ada' };
/** The resolution, eight hours after it began, with the first warning half way. */
const place = (began: number) => ({ due: at(began + 8 * 60), warnAt: at(began + 4 * 60) });
const within15 = { due: at(15), warnAt: at(7.5) };
const version = (number: number) => ({ ...without(golden('ContractAgreed'), 'client'), version: number });
const override = { id: deterministicId('on-call-override', 'command-1'), ...without(golden('OnCallOverridden'), 'schedule') };
const absence = golden('AgentAbsencePlanned').absence as { readonly id: string; readonly from: Instant; readonly until: Instant };
const filter = { name: 'my-own', query: { tier: 'L1' }, description: 'Mine' };
const period = { from: '2026-09-30T22:00:00.000Z', to: '2026-10-31T23:00:00.000Z' };
const run = { ...without(golden('ReportRunCompleted'), 'report'), request: 1 };
const draft = without(golden('ArticleDrafted'), 'title', 'text');
const content = { title: 'The print queue hangs', text: 'Restart the spooler.' };
const planned = { ...golden('ProblemActionPlanned'), state: 'planned', plannedAt: at(4) };
const firing = { fingerprint: '5ef77f1f8a3ecf8d', startsAt: '2026-11-20T09:00:00.000Z' };
const review = golden('IncidentReviewPlanned');
const forgotten = { person: 'j.doe', reason: 'Asked for by letter of 12 November', at: at(1), by: actor };

/** By name, what the events of one aggregate make of each face. */
const lives: Readonly<Record<string, readonly Chapter[]>> = {
  ticket_sla: ofTicket(
    { client: 'northwind', priority: 'high', contractVersion: 0, open: true, nextDueAt: at(15), nextMomentAt: at(7.5) },
    // Somebody works on it: that was the response.
    { nextDueAt: at(8 * 60), nextMomentAt: at(4 * 60) },
    { handOffPending: true, vendor: 'Contoso' },
    { handOffPending: undefined },
    { holds: ['customer'], holdEndsAt: at(600), nextDueAt: undefined, nextMomentAt: undefined },
    { holds: undefined, holdEndsAt: undefined, open: false },
    {},
    { open: true, nextDueAt: at(7 + 8 * 60), nextMomentAt: at(7 + 4 * 60) },
  ),
  sla_board: ofTicket(
    {
      ...pick(opened, 'client', 'tier', 'team', 'summary', 'priority'),
      majorIncident: false,
      places: { any: within15, response: within15, resolution: place(0) },
      updatedAt: at(0),
    },
    { places: { any: place(0), resolution: place(0) }, assignee: ada, updatedAt: at(1) },
    { tier: 'L3', team: 'experts', assignee: undefined, updatedAt: at(2) },
    { assignee: grace, updatedAt: at(3) },
    { places: { any: { due: NEVER_DUE }, resolution: { due: NEVER_DUE } }, updatedAt: at(4) },
    { places: {}, updatedAt: at(5) },
    { updatedAt: at(6) },
    { places: { any: place(7), resolution: place(7) }, updatedAt: at(7) },
  ),
  tier_queue: ofTicket(
    {
      ...pick(opened, 'client', 'kind', 'tier', 'team', 'summary', 'priority'),
      ...{ majorIncident: false, rank: 2, queued: true, state: 'waiting', openedAt: at(0), atTierSince: at(0), since: at(0) },
    },
    { state: 'working', since: at(1), assignee: ada, assignedAt: at(1) },
    { tier: 'L3', team: 'experts', state: 'awaiting-acceptance', atTierSince: at(2), since: at(2), assignee: undefined },
    { state: 'working', since: at(3), assignee: grace, assignedAt: at(3) },
    { state: 'on-hold', since: at(4), holdReason: 'customer', holdUntil: at(600) },
    { state: 'done', queued: false, since: at(5), holdReason: undefined, holdUntil: undefined },
    {},
    { state: 'waiting', queued: true, since: at(7) },
  ),
  ticket_list: ofTicket(
    {
      ...pick(opened, 'client', 'kind', 'tier', 'team', 'summary', 'reporter', 'channel', 'impact', 'urgency', 'priority', 'category'),
      ...{ categories: ['hardware'], majorIncident: false, securityIncident: false, proposed: false, rank: 2, status: 'open' },
      ...{ openedAt: at(0), updatedAt: at(0), resolvedTimes: [], closedTimes: [] },
    },
    { status: 'in-progress', assignee: ada, updatedAt: at(1) },
    { status: 'escalated', tier: 'L3', team: 'experts', assignee: undefined, updatedAt: at(2) },
    { status: 'in-progress', assignee: grace, updatedAt: at(3) },
    { status: 'on-hold', updatedAt: at(4) },
    { status: 'resolved', resolvedAt: at(5), resolvedTimes: [at(5)], updatedAt: at(5) },
    { status: 'closed', closedAt: at(6), closedTimes: [at(6)], updatedAt: at(6) },
    { status: 'open', resolvedAt: undefined, closedAt: undefined, updatedAt: at(7) },
  ),
  ticket_facts_v1: ofTicket(
    {
      ...{ status: 'open', tier: 'L1', team: 'service-desk', openedTier: 'L1', zone: 'UTC', reopens: 0, escalations: 0 },
      ...{ openedAt: at(0), stays: [{ ...atL1, handled: true }], handOffs: [], holds: [], resolutions: [] },
    },
    { status: 'in-progress', agent: 'ada', firstResponseAt: at(1), acknowledgedAt: at(1) },
    {
      ...{ status: 'escalated', agent: undefined, tier: 'L3', team: 'experts', escalations: 1 },
      stays: [
        { ...atL1, to: at(2), handled: true },
        { ...atL3, handled: false },
      ],
      handOffs: [{ ...handOff, outcome: 'pending' }],
    },
    {
      ...{ status: 'in-progress', agent: 'grace' },
      stays: [
        { ...atL1, to: at(2), handled: true },
        { ...atL3, handled: true },
      ],
      handOffs: [{ ...handOff, outcome: 'accepted', settledAt: at(3) }],
    },
    { status: 'on-hold', holds: [{ reason: 'customer', from: at(4) }] },
    {
      ...{ status: 'resolved', resolvedAt: at(5), resolvedTier: 'L3', resolvedTeam: 'experts', resolvedAgent: 'grace', article: 'KB-2' },
      ...{ holds: [{ reason: 'customer', from: at(4), to: at(5) }], resolutions: [resolved] },
    },
    {
      ...{ status: 'closed', closedAt: at(6), endedAt: at(6), resolutions: [{ ...resolved, closedAt: at(6), closedBy: 'ada' }] },
      stays: [
        { ...atL1, to: at(2), handled: true },
        { ...atL3, to: at(6), handled: true },
      ],
    },
    {
      ...{ status: 'open', reopens: 1, closedAt: undefined, endedAt: undefined, article: undefined },
      ...{ resolvedAt: undefined, resolvedTier: undefined, resolvedTeam: undefined, resolvedAgent: undefined },
      resolutions: [{ ...resolved, closedAt: at(6), closedBy: 'ada', reopenedAt: at(7) }],
      stays: [
        { ...atL1, to: at(2), handled: true },
        { ...atL3, handled: true },
      ],
    },
  ),
  ticket_details: ofTicket(
    {
      ...opened,
      ...{ contract: { version: 0, tzdata: '2025b' }, status: 'open', work: { status: 'open' }, cycle: 1, revisions: 1 },
      ...{ openedAt: at(0), updatedAt: at(0), handOffs: [], stays: [{ tier: 'L1', team: 'service-desk', since: at(0) }] },
    },
    { ...inProgress(ada), firstResponseAt: at(1), revisions: 2, updatedAt: at(1) },
    {
      ...{ status: 'escalated', assignee: undefined, tier: 'L3', team: 'experts', revisions: 3, updatedAt: at(2) },
      work: { status: 'escalated', handedOver: { ...pick(handOff, 'escalationId', 'from', 'fromTeam', 'at'), fromAssignee: ada } },
      handOffs: [{ ...handOff, outcome: 'pending' }],
      stays: [
        { tier: 'L1', team: 'service-desk', since: at(0) },
        { tier: 'L3', team: 'experts', since: at(2) },
      ],
    },
    { ...inProgress(grace), handOffs: [{ ...handOff, outcome: 'accepted', settledAt: at(3) }], revisions: 4, updatedAt: at(3) },
    {
      ...{ status: 'on-hold', revisions: 5, updatedAt: at(4) },
      work: { status: 'on-hold', reason: 'customer', since: at(4), until: at(600), paused: inProgress(grace).work },
    },
    {
      ...{ status: 'resolved', work: { status: 'resolved', resolvedAt: at(5) }, resolvedAt: at(5), revisions: 6, updatedAt: at(5) },
      resolution: { ...without(golden('TicketResolved'), 'team'), tier: 'L3' },
    },
    { status: 'closed', work: { status: 'closed', resolvedAt: at(5) }, closedAt: at(6), revisions: 7, updatedAt: at(6) },
    {
      ...{ status: 'open', work: { status: 'open' }, cycle: 2, revisions: 8, updatedAt: at(7) },
      ...{ resolvedAt: undefined, closedAt: undefined, resolution: undefined },
    },
  ),
  contracts: [
    // Tried out, but not agreed.
    ['ContractRulesSimulated', null],
    ['ContractAgreed', { client: 'northwind', versions: [version(1)] }],
    ['ContractAgreed', { versions: [version(1), version(2)] }, { version: 2 }],
  ],
  on_call_schedules: [
    ['OnCallRotationsSet', { ...golden('OnCallRotationsSet'), overrides: [] }],
    ['OnCallOverridden', { overrides: [override] }],
    ['OnCallOverrideEnded', { overrides: [{ ...override, endedAt: at(9) }] }, { overrideId: override.id, endedAt: at(9) }],
    ['OnCallOverrideCalledOff', { overrides: [{ ...override, endedAt: at(9), calledOff: true }] }, { overrideId: override.id }],
    ['OnCallRotationsSet', { rotations: [] }, { rotations: [] }],
  ],
  teams: [
    ['TeamDefined', { ...golden('TeamDefined'), members: [], shifts: [] }],
    ['TeamShiftsSet', { shifts: golden('TeamShiftsSet').shifts }],
    ['TeamMemberAdded', { members: ['ada'] }],
    ['TeamContactSet', { contact: { email: 'desk@example.com' } }],
    ['TeamContactSet', { contact: undefined }, { contact: undefined }],
    ['TeamMemberRemoved', { members: [] }],
    ['TeamDefined', { tiers: ['L1'], clients: undefined }, { tiers: ['L1'], clients: undefined }],
  ],
  agents: [
    ['AgentRegistered', { ...golden('AgentRegistered'), active: true, absences: [] }],
    ['AgentAbsencePlanned', { absences: [{ ...absence, begun: false }], nextAbsenceMoment: absence.from }],
    ['AgentAbsenceBegun', { absences: [{ ...absence, begun: true }], nextAbsenceMoment: absence.until }],
    ['AgentContactSet', { contact: golden('AgentContactSet').contact }],
    ['AgentAbsenceEnded', { absences: [], endedAbsence: absence.id, nextAbsenceMoment: undefined }],
    ['AgentLeft', { active: false, leftAt: at(5) }],
  ],
  ticket_filters: [
    ['TicketFilterSaved', { ...filter, owner: actor, savedBy: actor, savedAt: at(0) }, filter],
    ['TicketFilterSaved', { query: { tier: 'L2' }, savedAt: at(1) }, { ...filter, query: { tier: 'L2' } }],
    ['TicketFilterDeleted', null, { name: filter.name }],
    ['TicketFilterSaved', { ...filter, owner: actor, savedBy: actor, savedAt: at(3) }, filter],
  ],
  credentials: [
    ['CredentialIssued', { ...golden('CredentialIssued'), hash: undefined, issuedAt: at(0), issuedBy: actor }],
    ['CredentialUsed', { lastUsedOn: '2026-11-27' }],
    ['LinkRedeemed', { redeemedAt: at(2) }],
    ['CredentialRevoked', { revokedAt: at(3) }],
  ],
  webhooks: [
    [
      'WebhookSubscribed',
      {
        ...golden('WebhookSubscribed'),
        ...{ state: 'active', generation: 1, secretVersion: 1, pings: 0, replays: [] },
        ...{ subscribedAt: at(0), subscribedBy: actor },
      },
    ],
    ['WebhookPaused', { state: 'paused' }],
    ['WebhookPinged', { pings: 1 }],
    ['WebhookSecretRotated', { secretVersion: 2, overlapUntil: '2026-11-28T10:00:00.000Z' }],
    ['WebhookRewound', { from: '2026-11-21T10:00:00.000Z', generation: 2 }],
    ['DeadLettersReplayed', { replays: [{ number: 1, events: golden('DeadLettersReplayed').events }] }],
    ['WebhookResumed', { state: 'active' }],
    ['WebhookDeleted', null],
  ],
  reports: [
    [
      'ReportDefined',
      {
        ...golden('ReportDefined'),
        ...{ state: 'active', requests: [], requested: 0, definedAt: at(0), definedBy: actor },
        // At six in the morning of Berlin, after the month that begins at `next`.
        dueAt: '2026-12-01T05:00:00.000Z',
      },
    ],
    ['ReportRunRequested', { requested: 1, requests: [{ request: 1, ...period, at: at(1) }], dueAt: at(1) }, period],
    ['ReportRunCompleted', { requests: [], dueAt: '2026-12-01T05:00:00.000Z', lastRun: { ...run, madeAt: at(2) } }, run],
    ['ReportRunDelivered', { lastRun: { ...run, madeAt: at(2), deliveries: [{ target: 0, at: at(3) }] } }],
    ['ReportPaused', { state: 'paused', dueAt: undefined }],
    ['ReportResumed', { state: 'active', next: '2026-11-30T23:00:00.000Z', dueAt: '2027-01-01T05:00:00.000Z' }],
    ['ReportRetired', { state: 'retired', dueAt: undefined }],
  ],
  accounts: [
    ['AccountInvited', { ...golden('AccountInvited'), invitedAt: at(0), invitedBy: actor, hasPassword: false }],
    // The hash of the password stays out of it, as do keys and secrets.
    ['AccountPasswordSet', { hasPassword: true, passwordSetAt: at(1) }],
    ['AccountPasskeyAdded', { passkeys: [{ passkey: '0123456789abcdef0123', label: 'Laptop', addedAt: at(2) }] }],
    ['AccountTotpEnrolled', { totpEnrolledAt: at(3), recoveryCodesLeft: 2 }],
    ['AccountSuspended', { suspendedAt: at(4) }],
    ['AccountReinstated', { suspendedAt: undefined }],
    ['AccountTotpRemoved', { totpEnrolledAt: undefined, recoveryCodesLeft: undefined }],
    ['AccountPasskeyRemoved', { passkeys: [] }],
    ['AccountChanged', { principal: golden('AccountChanged').principal }],
  ],
  articles: [
    [
      'ArticleDrafted',
      {
        ...draft,
        latest: { version: 1, ...content },
        status: 'draft',
        solved: 0,
        failed: 0,
        failedInRow: 0,
        flagged: false,
        nextReminderAt: draft.reviewBy,
      },
    ],
    ['ArticlePublished', { status: 'published', published: { version: 1, ...content } }],
    ['ArticleUsed', { solved: 1 }],
    ['ArticleJudged', { failed: 1, failedInRow: 1 }],
    ['ArticleReviewed', { reviewBy: '2028-11-20T09:00:00.000Z', nextReminderAt: '2028-11-20T09:00:00.000Z' }],
    [
      'ArticleRevised',
      {
        ...{ latest: { version: 2, title: content.title, text: 'Restart it' }, visibility: 'everybody', status: 'draft' },
        ...{ failedInRow: 0, nextReminderAt: undefined },
      },
      { text: 'Restart it', owner: draft.owner },
    ],
    ['ArticleRetired', { status: 'retired', published: undefined }],
  ],
  problems: [
    [
      'ProblemOpened',
      {
        ...golden('ProblemOpened'),
        ...{ status: 'open', tickets: [], failedFixes: [], actions: [], openedBy: actor, openedAt: at(0) },
        words: expect.arrayContaining(['printers', 'fin', 'monday']),
      },
    ],
    ['TicketLinkedToProblem', { tickets: [ticketId] }, { ticketId }],
    ['ProblemRootCauseRecorded', { rootCause: 'The driver leaks handles', words: expect.arrayContaining(['monday', 'leaks']) }],
    ['ProblemWorkaroundRecorded', { workaround: 'Restart the spooler', status: 'known-error' }],
    [
      'ProblemActionPlanned',
      {
        actions: [planned],
        nextActionDueAt: '2027-02-01T12:00:00.000Z',
        nextReminderAt: '2027-01-31T12:00:00.000Z',
      },
    ],
    [
      'ProblemActionCancelled',
      {
        actions: [{ ...planned, state: 'cancelled', outcome: 'The servers are replaced', endedAt: at(5) }],
        nextActionDueAt: undefined,
        nextReminderAt: undefined,
      },
    ],
    ['ProblemClosed', { status: 'closed', prevented: golden('ProblemClosed').prevented, closedAt: at(6) }],
    ['ProblemReopened', { status: 'known-error', prevented: undefined, closedAt: undefined }],
  ],
  alerts: [
    ['AlertNoted', { ...golden('AlertNoted'), firing: false, occurrences: [], truncatedAlerts: 0, decision: 'ignored', decidedAt: at(0) }],
    ['AlertOpened', { firing: true, occurrences: [firing], decision: 'opened', decidedAt: at(1), ticketId }],
    ['AlertDeduplicated', { decision: 'deduplicated', decidedAt: at(2) }, { fact: { ...firing, status: 'firing' } }],
    [
      'AlertResolved',
      {
        firing: false,
        occurrences: [{ ...firing, endsAt: '2026-11-20T09:30:00.000Z' }],
        decision: 'resolved',
        decidedAt: at(3),
        ticketId: undefined,
      },
    ],
    ['AlertsTruncated', { truncatedAlerts: 3 }],
  ],
  alert_sources: [
    ['AlertSourceDefined', { ...golden('AlertSourceDefined'), definedBy: actor, definedAt: at(0) }],
    ['AlertSourceRetired', { retiredAt: at(1) }],
    ['AlertSourceDefined', { definedAt: at(2), retiredAt: undefined }],
  ],
  maintenance: [
    ['MaintenancePlanned', { client: 'northwind', windows: [{ ...without(golden('MaintenancePlanned'), 'client'), plannedBy: actor }] }],
    ['MaintenanceEnded', { windows: [] }],
  ],
  major_incidents: [
    ['MajorIncidentProposed', { ...golden('MajorIncidentProposed'), status: 'proposed', updates: [], beganAt: at(0) }],
    ['MajorIncidentConfirmed', { status: 'declared', reason: 'Nobody in Milan can print' }],
    ['UpdateBroadcast', { updates: [{ ...golden('UpdateBroadcast'), at: at(2), by: actor }] }],
    [
      'MajorIncidentEnded',
      {
        ...{ status: 'stood-down', reason: 'Printing works again', endedAt: at(3) },
        ...{ review: { status: 'due', dueAt: '2026-11-25T09:00:00.000Z' }, nextReminderAt: '2026-11-25T09:00:00.000Z' },
      },
    ],
    ['IncidentReviewPlanned', { review: { status: 'due', ...review }, nextReminderAt: review.dueAt }],
    [
      'IncidentReviewOverdue',
      { review: { status: 'overdue', ...review, reminded: { at: at(5), messages: [] } }, nextReminderAt: undefined },
    ],
    [
      'IncidentReviewed',
      { review: { status: 'done', ...review, reminded: { at: at(5), messages: [] }, ...golden('IncidentReviewed'), doneAt: at(6) } },
    ],
  ],
  automation_tasks: [
    ['AutomationAsked', { ...golden('AutomationAsked'), status: 'waiting', askedBy: actor, askedAt: at(0) }],
    ['AutomationClaimed', { status: 'claimed', claims: 1, runner: actor, leaseUntil: '2026-11-20T09:05:00.000Z' }],
    ['AutomationOfferedAgain', { status: 'waiting', runner: undefined, leaseUntil: '2026-11-20T10:05:00.000Z' }],
    ['AutomationClaimed', { status: 'claimed', claims: 2, runner: actor, leaseUntil: '2026-11-20T09:05:00.000Z' }],
    ['AutomationAnswered', { ...golden('AutomationAnswered'), outcome: undefined, status: 'done', leaseUntil: undefined, endedAt: at(4) }],
  ],
  questions: [
    ['QuestionAsked', { ...golden('QuestionAsked'), status: 'open', askedAt: at(0) }],
    ['QuestionBecameTicket', { status: 'ticket', ticketId, endedAt: at(1) }],
  ],
  request_forms: [
    ['FormDefined', { ...golden('FormDefined'), withdrawn: false }],
    ['FormWithdrawn', { withdrawn: true }],
    ['FormDefined', { version: 2, withdrawn: false }, { version: 2 }],
  ],
  privacy: [
    ['RetentionAgreed', { ...golden('RetentionAgreed'), forgotten: [] }],
    ['PersonForgotten', { forgotten: [forgotten] }],
    ['RetentionAgreed', { retention: {} }, { retention: {} }],
  ],
};

const entry = (revision: number, type: string, data: object) => ({
  ...{ ticketId: '1', eventId: `ticket-1/${revision}`, type, data, actor, client: 'northwind', schemaVersion: 1 },
  ...{ commandId: `command-${revision}`, commandType: 'Test', correlationId: 'correlation', causationId: `command-${revision}` },
});

/** By name, what each face shows that has a document an event. */
const entries: Readonly<Record<string, () => void>> = {
  ticket_history() {
    given(ticketViews, [
      { type: 'TicketOpened', at: at(1), data: opened, metadata: { recordedAt: at(2), schemaVersion: 1 } },
      { type: 'WorkStarted', at: at(3), data: golden('WorkStarted') },
    ]).thenEntries(ticketHistory, {
      '1/0': { ...entry(0, 'TicketOpened', opened), effectiveAt: at(1), recordedAt: at(2) },
      '1/1': { ...entry(1, 'WorkStarted', golden('WorkStarted')), effectiveAt: at(3), recordedAt: at(3) },
    });
  },
  policy_reactions() {
    const reaction = {
      policy: 'articles',
      to: { stream: `ticket-${ticketId}`, revision: 5, eventId: 'e', type: 'TicketResolved' },
      reactions: [{ category: 'article', id: 'KB-2', command: 'UseArticle', commandId: 'c', outcome: 'done' }],
    };
    given(reactionViews, [{ type: 'PolicyReacted', at: at(1), data: reaction, metadata: { recordedAt: at(2) } }]).thenEntries(
      policyReactions,
      { 1: { ...reaction, client: 'northwind', correlationId: 'correlation', reactedAt: at(2) } },
    );
  },
  auditor_reads() {
    const read = { query: 'ticket', asked: {}, id: ticketId, clients: 'all' };
    given(readViews, [
      { type: 'AuditorRead', at: at(1), data: read, metadata: { recordedAt: at(2) } },
      { type: 'AuditorRead', at: at(3), data: { ...read, count: 1 } },
    ]).thenEntries(auditorReads, {
      'reads-1/0': { ...read, reader: actor, client: 'northwind', readAt: at(2) },
      'reads-1/1': { ...read, count: 1, reader: actor, client: 'northwind', readAt: at(3) },
    });
  },
};

describe('each face', () => {
  const faces = projectionGroups.flatMap((group) => group.faces.map((face) => ({ group, face })));
  const ofTickets = ticketViews.faces.map(({ name }) => name);

  it('has its cases here', () => {
    expect([...Object.keys(lives), ...Object.keys(entries)].sort()).toEqual(faces.map(({ face }) => face.name).sort());
  });

  it.each(faces.flatMap(({ group, face }) => ('document' in face ? [[face.name, group, face] as const] : [])))(
    '%s follows the events',
    (name, group, face) => {
      const life = lives[name] ?? [];
      given(group, []).then(face, null);
      // A ticket is told of at length: of its documents, only the fields that the cases name.
      const fields = ofTickets.includes(name) ? [...new Set(life.flatMap(([, changes]) => Object.keys(changes ?? {})))] : undefined;
      let expected: NonNullable<Changes> = {};
      for (const [index, [, changes]] of life.entries()) {
        expected = changes === null ? {} : omitUndefined({ ...expected, ...changes });
        given(group, eventsOf(life.slice(0, index + 1))).then(face, changes && expected, fields);
      }
    },
  );

  it.each(Object.entries(entries))('%s has a document an event', (_name, check) => check());
});
