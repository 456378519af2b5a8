import type { RecordedEvent } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import type { ProblemEvents } from '../problem/problem.js';
import { spelledOut } from '../views/changes.js';

/** What a report may include. */
export type Told = TicketEvents & ProblemEvents;

type Words = { readonly [Type in keyof Told]?: (data: Told[Type]) => string | undefined };

const because = ({ reason }: { readonly reason?: string }) => reason;
const named = ({ id, name }: { readonly id: string; readonly name?: string }) => name ?? id;
const said = ({ text }: { readonly text: string }) => text;
const ofClock = ({ clock, tier }: { readonly clock: string; readonly tier?: string }) =>
  `${clock}${tier === undefined ? '' : ` of ${tier}`}`;

/** The milestones of a ticket, with what reports say beside the type. */
const milestones: Words = {
  TicketOpened: ({ summary }) => summary,
  MajorIncidentDeclared: because,
  MajorIncidentStoodDown: because,
  TicketRecurred: ({ ticketId, tier }) => `like ticket ${ticketId}, which ${tier} had fixed`,
  TicketEscalated: ({ from, to, reason, skipped }) => `${from} to ${to}${skipped === undefined ? '' : ` (${skipped})`}: ${reason}`,
  EscalationReturned: ({ from, to, reason }) => `${from} to ${to}: ${reason}`,
  SlaBreached: ofClock,
  SlaRestated: (data) => `${ofClock(data)}: ${data.reason}`,
  TicketResolved: ({ tier, cause, fix, workaround, article }) =>
    [`at ${tier}`, cause, fix ?? workaround, article && `by ${article}`].filter((part) => part !== undefined).join('; '),
  TicketResolvedWithRootCause: ({ tier, rootCause: { category, permanentFix, workaround } }) =>
    [`at ${tier}`, category, permanentFix ?? workaround].filter((part) => part !== undefined).join('; '),
  TicketReopened: because,
  TicketClosed: ({ note }) => note,
  TicketCancelled: because,
  TicketMerged: ({ into }) => `into ticket ${into}`,
};

const others: Words = {
  TicketTriaged: ({ category, priority }) => `${category}, ${priority}`,
  TicketAssigned: ({ assignee, team }) => [assignee && named(assignee), team].filter((part) => part !== undefined).join(', '),
  WorkStarted: ({ agent, tier }) => `${named(agent)} at ${tier}`,
  DiagnosticStepRecorded: ({ action, outcome }) => `${action}: ${outcome}`,
  EvidenceAttached: ({ name, sha256 }) => `${name}, SHA-256 ${sha256}`,
  TicketPutOnHold: ({ reason, note }) => `${reason}: ${note}`,
  TicketResumed: ({ after }) => `after ${after}`,
  OnsiteVisitBegun: () => undefined,
  OnsiteVisitDone: ({ outcome }) => outcome,
  EscalationAccepted: ({ tier, agent }) => `${named(agent)} at ${tier}`,
  TicketDeescalated: ({ from, to }) => `${from} to ${to}`,
  HierarchicalEscalationRaised: because,
  ConsultationRequested: ({ from, to, question }) => `${from} asks ${to}: ${question}`,
  ConsultationAnswered: ({ answer }) => answer,
  PublicReplySent: said,
  RequesterReplied: said,
  InternalNoteAdded: said,
  VendorReplied: said,
  EscalationStepDispatched: ({ policy, step }) => `${policy}, step ${step + 1}`,
  EscalationAcknowledged: ({ by }) => named(by),
  ActProposed: ({ act }) => act,
  ProposalApproved: ({ act }) => act,
  ProposalRejected: ({ act, reason }) => `${act}: ${reason}`,
  TicketToldOfProblem: ({ title, status }) => `${title}: ${status}`,
  TicketSplit: because,
  TicketAbsorbed: ({ ticketId }) => `ticket ${ticketId}`,
  ProblemOpened: ({ title }) => title,
  TicketLinkedToProblem: ({ ticketId }) => `ticket ${ticketId}`,
  TicketUnlinkedFromProblem: ({ ticketId, reason }) => `ticket ${ticketId}${reason === undefined ? '' : `: ${reason}`}`,
  ProblemWorkaroundRecorded: ({ workaround }) => workaround,
  ProblemFiveWhysRecorded: ({ whys }) => whys.at(-1)?.because,
  ProblemRootCauseRecorded: ({ rootCause }) => rootCause,
  ProblemFixRecorded: ({ description, change }) => `${change}: ${description}`,
  ProblemActionPlanned: ({ action, description, owner, dueAt }) => `${action}: ${description} (${named(owner)}, by ${dueAt.slice(0, 10)})`,
  ProblemActionDone: ({ action, outcome }) => `${action}: ${outcome}`,
  ProblemActionCancelled: ({ action, reason }) => `${action}: ${reason}`,
  ProblemClosed: ({ prevented: { tickets }, note }) => `would have prevented ${tickets}${note === undefined ? '' : `: ${note}`}`,
  ProblemReopened: ({ reason, ticketId }) => `${reason}${ticketId === undefined ? '' : ` (ticket ${ticketId})`}`,
};

const telling =
  (words: Words) =>
  ({ type, data }: RecordedEvent<Told>): string | undefined => {
    if (!Object.hasOwn(words, type)) return undefined;
    const more = (words[type] as (data: Told[typeof type]) => string | undefined)(data);
    return more === undefined || more === '' ? spelledOut(type) : `${spelledOut(type)}: ${more}`;
  };

/** What reports say of an event; undefined if they leave it out. */
export const inReports = {
  milestones: telling(milestones),
  everything: telling({ ...milestones, ...others }),
  anything: ({ type }: RecordedEvent<Told>): string => spelledOut(type),
};
