import { type Instant, type Reaction, type StoredEvent, streamId } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { isOver } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { type ClockedTicketState, openedAtOf } from '../ticket/clocked-ticket.js';
import { toTicket, withItsCause } from '../ticket/ticket-policies.js';
import { ticket, type TicketCommands } from '../ticket/ticket.js';
import {
  majorIncident,
  type MajorIncidentCommands,
  type MajorIncidentEvents,
  majorIncidentId,
  type MajorIncidentState,
} from './major-incident.js';
import { outage, type OutageCommands, type OutageEvents, outageId, type OutageState, type Service } from './outage.js';

type Stream = Pick<StoredEvent, 'stream'>;

type Commands = TicketCommands & OutageCommands & MajorIncidentCommands;

function toOutage<Name extends keyof OutageCommands>(of: Service, name: Name, body: OutageCommands[Name]) {
  return { category: outage.category, id: outageId(of), name, body } as Reaction<Commands>;
}

function toIncident<Name extends keyof MajorIncidentCommands>(id: string, name: Name, body: MajorIncidentCommands[Name]) {
  return { category: majorIncident.category, id, name, body } as Reaction<Commands>;
}

function count({ stream }: Stream, state: ClockedTicketState, openedAt: Instant | undefined): readonly Reaction<Commands>[] {
  if (state === null || state.service === undefined || state.kind !== 'incident' || openedAt === undefined) return [];
  const { client, service } = state;
  const { rule } = termsOf(state).majorIncidents ?? {};
  if (rule === undefined) return [];
  return [toOutage({ client, service }, 'CountServiceTicket', { client, service, ticketId: streamId(stream), openedAt, rule })];
}

function discount({ stream }: Stream, state: ClockedTicketState, service: string | undefined): readonly Reaction<Commands>[] {
  if (state === null || service === undefined || termsOf(state).majorIncidents?.rule === undefined) return [];
  return [toOutage({ client: state.client, service }, 'DiscountServiceTicket', { ticketId: streamId(stream) })];
}

const discountAltogether = (event: Stream, state: ClockedTicketState) => discount(event, state, state?.service);

/** Counts incidents by service, if the contract has a rule for major incidents. */
export const ticketsOfServices = withItsCause<TicketEvents, ClockedTicketState, Commands>({
  name: 'tickets-of-services',
  aggregate: ticket,
  concerns: ({ type, data }) => type !== 'TicketOpened' || data.contract?.terms.majorIncidents?.rule !== undefined,
  react: {
    TicketOpened: (event, state) => count(event, state, event.metadata.effectiveAt),
    TicketTriaged: (event, state) => {
      const was = event.data.before?.service;
      return [...(was === state?.service ? [] : discount(event, state, was)), ...count(event, state, openedAtOf(state))];
    },
    TicketCancelled: discountAltogether,
    TicketMerged: discountAltogether,
  },
});

/** Many tickets at once are a major incident; later ones join it while it lasts. */
export const outagesToMajorIncidents = withItsCause<OutageEvents, OutageState, Commands>({
  name: 'outages-to-major-incidents',
  aggregate: outage,
  react: {
    ServiceTicketCounted: ({ data: { ticketId } }, state) =>
      state?.majorIncident === undefined ? [] : [toIncident(state.majorIncident, 'JoinMajorIncident', { ticketId })],
    OutageDetected: ({ data: { majorIncident: id, tickets, within, proposed } }, state) => {
      const [parent, ...children] = tickets;
      if (state === null || parent === undefined) return [];
      const { client, service } = state;
      const minutes = Math.ceil(within / 60_000);
      const reason = `${tickets.length} tickets about ${service} within ${minutes} min`;
      const body = omitUndefined({ client, service, parent, tickets: children, reason, proposed });
      return [toIncident(id, 'BeginMajorIncident', body)];
    },
  },
});

function begin({ stream }: Stream, state: ClockedTicketState, reason: string): readonly Reaction<Commands>[] {
  if (state === null || !state.majorIncident || isOver(state)) return [];
  const parent = streamId(stream);
  const { client, service } = state;
  const tickets = state.links.flatMap(({ relation, ticketId }) => (relation === 'parent-of' ? [ticketId] : []));
  const body = omitUndefined({ client, service, parent, tickets, reason });
  return [toIncident(majorIncidentId(parent), 'BeginMajorIncident', body)];
}

function end({ stream }: Stream, state: ClockedTicketState, reason: string): readonly Reaction<Commands>[] {
  return state === null ? [] : [toIncident(majorIncidentId(streamId(stream)), 'EndMajorIncident', { reason, withTicket: true })];
}

const endOfMajor = (reason: string) => (event: Stream, state: ClockedTicketState) =>
  state?.majorIncident ? end(event, state, reason) : [];

/** A ticket declared a major incident is one until it is stood down or over. */
export const majorTickets = withItsCause<TicketEvents, ClockedTicketState, Commands>({
  name: 'major-tickets',
  aggregate: ticket,
  concerns: ({ type, data }) =>
    type === 'TicketOpened'
      ? data.majorIncident === true
      : type === 'TicketTriaged'
        ? data.majorIncident
        : type !== 'TicketLinked' || data.relation === 'parent-of',
  react: {
    TicketOpened: (event, state) => begin(event, state, 'It was opened as one'),
    TicketTriaged: (event, state) => begin(event, state, 'Triage has found that it is one'),
    MajorIncidentDeclared: (event, state) => begin(event, state, event.data.reason),
    TicketReopened: (event, state) => begin(event, state, event.data.reason),
    TicketLinked: ({ stream, data: { ticketId } }, state) =>
      state?.majorIncident ? [toIncident(majorIncidentId(streamId(stream)), 'JoinMajorIncident', { ticketId })] : [],
    MajorIncidentStoodDown: (event, state) => end(event, state, event.data.reason),
    TicketResolved: endOfMajor('Its ticket was resolved'),
    TicketResolvedWithRootCause: endOfMajor('Its ticket was resolved'),
    TicketCancelled: endOfMajor('Its ticket was cancelled'),
    TicketMerged: endOfMajor('Its ticket was merged into another'),
  },
});

const childOf = (parent: string, child: string) => toTicket(child, 'LinkTicket', { ticketId: parent, relation: 'child-of' });

function declared(state: MajorIncidentState, reason: string): readonly Reaction<Commands>[] {
  if (state === null) return [];
  const { client, service, parent, tickets, majorIncident } = state;
  return [
    toTicket(parent, 'DeclareMajorIncident', { reason }),
    ...tickets.map((child) => childOf(parent, child)),
    ...(service === undefined ? [] : [toOutage({ client, service }, 'FollowMajorIncident', { client, service, majorIncident })]),
  ];
}

function left(state: MajorIncidentState) {
  if (state?.service === undefined) return [];
  const { client, service, majorIncident } = state;
  return [toOutage({ client, service }, 'LeaveMajorIncident', { majorIncident })];
}

/** The tickets of a major incident are declared one, become its children, and receive its broadcasts. */
export const majorIncidentsToTickets = withItsCause<MajorIncidentEvents, MajorIncidentState, Commands>({
  name: 'major-incidents-to-tickets',
  aggregate: majorIncident,
  react: {
    MajorIncidentOpened: ({ data: { reason } }, state) => declared(state, reason),
    MajorIncidentConfirmed: ({ data: { reason } }, state) => declared(state, reason),
    MajorIncidentProposed: ({ data: { parent, reason } }) => [
      toTicket(parent, 'AddInternalNote', { text: `This may be a major incident: ${reason}. Confirm or dismiss it` }),
    ],
    TicketJoinedMajorIncident: ({ data: { ticketId } }, state) => {
      if (state?.status !== 'declared') return [];
      const latest = state.updates.at(-1);
      return [
        childOf(state.parent, ticketId),
        ...(latest === undefined ? [] : [toTicket(ticketId, 'SendPublicReply', { text: latest.text })]),
      ];
    },
    // Its children follow it.
    UpdateBroadcast: ({ data: { text } }, state) => (state === null ? [] : [toTicket(state.parent, 'SendPublicReply', { text })]),
    MajorIncidentEnded: ({ data: { reason, withTicket } }, state) =>
      state === null ? [] : [...(withTicket ? [] : [toTicket(state.parent, 'StandDownMajorIncident', { reason })]), ...left(state)],
    MajorIncidentDismissed: (_event, state) => left(state),
    IncidentReviewOverdue: ({ data: { dueAt, owner } }, state) => {
      const text = `The review of this major incident was due at ${dueAt}${owner === undefined ? '' : `: ${owner.name ?? owner.id}`}`;
      return state === null ? [] : [toTicket(state.parent, 'AddInternalNote', { text })];
    },
  },
});
