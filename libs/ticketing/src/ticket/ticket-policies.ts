import { type EventMap, type Policy, type Reaction, type RecordedEvent, streamId } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import type { ClockedTicketState } from './clocked-ticket.js';
import type { AbsorbTicket } from './relations.js';
import { type TicketCommandName, type TicketCommands, ticket } from './ticket.js';
import { omitUndefined, without } from '../plain-json.js';
import { asOf } from '../events/past.js';
import { inTruthAt, type TicketEvents } from '../events/ticket-events.js';
import { linkedBy, type Ticket, type TicketState } from '../events/ticket.js';
import { inverseOf, type Relation } from '../vocabulary.js';

/**
 * What follows from a ticket's events in other tickets. Each ticket's stream is written only by its own commands, so a policy sends a
 * command to the second ticket moments later.
 */

type TicketReaction = Reaction<TicketCommands>;

const ofTickets = { aggregate: ticket };

/** A command that a policy sends to a ticket. */
export function toTicket<Name extends TicketCommandName>(id: string, name: Name, body: TicketCommands[Name]): TicketReaction {
  return { category: ticket.category, id, name, body } as TicketReaction;
}

function idOf({ stream }: Pick<RecordedEvent<TicketEvents>, 'stream'>): string {
  return streamId(stream);
}

/** A reaction takes effect when its cause did, whenever the policy gets to it, unless the reaction itself says when. */
export function withItsCause<Events extends EventMap, State, Commands extends object>({
  react,
  ...policy
}: Policy<Events, State, Commands>): Policy<Events, State, Commands> {
  type React = (event: RecordedEvent<Events>, state: State) => readonly Reaction<Commands>[];
  const timed = Object.entries<React>(react as never).map(([type, reactions]): [string, React] => [
    type,
    (event, state) =>
      reactions(event, state).map(
        (one) => ({ ...one, body: { effectiveAt: event.metadata.effectiveAt, ...(one.body as object) } }) as Reaction<Commands>,
      ),
  ]);
  return { ...policy, react: Object.fromEntries(timed) as never };
}

/**
 * Tells the other ticket of a link; opens and links a part that is split off; links a ticket that follows another one; puts a reply that
 * came too late into a following ticket. A link that the other ticket cannot take is withdrawn.
 */
export const ticketLinks = withItsCause<TicketEvents, ClockedTicketState, TicketCommands>({
  name: 'ticket-links',
  ...ofTickets,
  concerns: ({ type, data }) => type !== 'TicketOpened' || data.follows !== undefined,
  react: {
    TicketOpened: ({ stream, data: { follows } }) =>
      follows === undefined ? [] : [toTicket(idOf({ stream }), 'LinkTicket', { ticketId: follows, relation: 'follow-up-of' })],
    TicketLinked: ({ stream, data: { ticketId, relation, mirrored } }) =>
      mirrored ? [] : [toTicket(ticketId, 'LinkTicket', { ticketId: idOf({ stream }), relation: inverseOf(relation), mirrored: true })],
    RequesterReplied: ({ stream, data: { text, followUp } }, state) => {
      if (followUp === undefined || state === null) return [];
      const { service, component, category } = state;
      return [
        toTicket(followUp, 'OpenTicket', {
          ...following(state, idOf({ stream }), text),
          ...omitUndefined({ service, component, category }),
        }),
      ];
    },
    TicketUnlinked: ({ stream, data: { ticketId, relation, reason, mirrored } }) =>
      mirrored
        ? []
        : [
            toTicket(
              ticketId,
              'UnlinkTicket',
              omitUndefined({ ticketId: idOf({ stream }), relation: inverseOf(relation), reason, mirrored: true }),
            ),
          ],
    TicketSplit: ({ stream, data, metadata }, state) => {
      if (state === null) return [];
      const then = asOf(inTruthAt(state, metadata.effectiveAt), metadata.effectiveAt);
      const { client, kind, reporter, channel, impact, urgency, tier, team } = then;
      const splitFrom = idOf({ stream });
      const { into, summary, description, category } = data;
      const service = data.service ?? then.service;
      const component = data.component ?? then.component;
      return [
        toTicket(
          into,
          'OpenTicket',
          omitUndefined({
            client,
            kind,
            summary,
            description,
            reporter,
            channel,
            impact,
            urgency,
            tier,
            team,
            service,
            component,
            category,
            splitFrom,
          }),
        ),
        toTicket(into, 'LinkTicket', { ticketId: idOf({ stream }), relation: 'split-from', mirrored: true }),
      ];
    },
  },
  refused: ({ id, name, body }, { refused: code, message }, { stream, type, data }) => {
    const takeBack = (relation: Relation) => [toTicket(idOf({ stream }), 'RefuseRelation', { ticketId: id, relation, code, message })];
    if (type === 'TicketLinked') return takeBack(data.relation);
    if (type === 'RequesterReplied' && name === 'OpenTicket') {
      // An earlier reply has opened it; or the contract no longer has its category, service or component.
      if (code === 'ticket-exists') return [toTicket(id, 'RecordRequesterReply', { text: data.text, author: data.author })];
      return 'category' in body || 'service' in body || 'component' in body
        ? [toTicket(id, 'OpenTicket', without(body as TicketCommands['OpenTicket'], 'category', 'service', 'component'))]
        : [];
    }
    return type === 'TicketSplit' && name === 'OpenTicket' ? takeBack('split-into') : [];
  },
});

/** What the ticket that takes another one in is told of it. */
function partOf(ticket: Ticket): Pick<AbsorbTicket, 'client' | 'customer' | 'summary' | 'reporter'> {
  const { client, summary, reporter } = ticket;
  return omitUndefined({ client, customer: termsOf(ticket).customer, summary, reporter });
}

/** The opening of a ticket that follows one which can no longer be reopened. */
function following({ client, kind, summary, reporter, channel, impact, urgency }: Ticket, follows: string, description: string) {
  return { client, kind, summary, description, reporter, channel, impact, urgency, follows };
}

/** Asks the other ticket to take one in, and completes the merge once it has; withdraws it if the other cannot. */
export const ticketMerges = withItsCause<TicketEvents, TicketState, TicketCommands>({
  name: 'ticket-merges',
  ...ofTickets,
  react: {
    TicketMergeRequested: ({ stream, data: { into, reason } }, state) =>
      state === null ? [] : [toTicket(into, 'AbsorbTicket', { ticketId: idOf({ stream }), reason, ...partOf(state) })],
    TicketAbsorbed: ({ stream, data: { ticketId } }) => [toTicket(ticketId, 'CompleteMerge', { into: idOf({ stream }) })],
  },
  refused: ({ id }, { refused: code, message }, { stream, type }) =>
    type === 'TicketMergeRequested'
      ? [toTicket(idOf({ stream }), 'RefuseRelation', { ticketId: id, relation: 'merged-into', code, message })]
      : [],
});

/** Children follow their parent's replies to the requester, major incident and resolution. Reopening it leaves them as they are. */
export const childrenFollow = withItsCause<TicketEvents, TicketState, TicketCommands>({
  name: 'children-follow',
  ...ofTickets,
  react: {
    PublicReplySent: ({ data: { text } }, state) => ofChildren(state, (child) => [toTicket(child, 'SendPublicReply', { text })]),
    MajorIncidentDeclared: ({ stream, data: { reason } }, state) =>
      ofChildren(state, (child) => [
        toTicket(child, 'AddInternalNote', { text: `The parent ${idOf({ stream })} was declared a major incident: ${reason}` }),
      ]),
    MajorIncidentStoodDown: ({ stream, data: { reason } }, state) =>
      ofChildren(state, (child) => [
        toTicket(child, 'AddInternalNote', { text: `The major incident of the parent ${idOf({ stream })} was stood down: ${reason}` }),
        toTicket(child, 'StandDownMajorIncident', { reason }),
      ]),
    TicketResolved: ({ stream, data: { category, article, cause, fix, workaround } }, state) =>
      ofChildren(state, (child) => [
        toTicket(child, 'ResolveWithParent', omitUndefined({ parent: idOf({ stream }), category, article, cause, fix, workaround })),
      ]),
    TicketResolvedWithRootCause: ({ stream, data: { rootCause } }, state) =>
      ofChildren(state, (child) => [
        toTicket(
          child,
          'ResolveWithParent',
          omitUndefined({
            parent: idOf({ stream }),
            category: rootCause.category,
            article: rootCause.knowledgeArticle.id,
            cause: rootCause.analysis.text,
            fix: rootCause.permanentFix,
            workaround: rootCause.workaround,
          }),
        ),
      ]),
  },
});

function ofChildren(state: TicketState, reactions: (child: string) => readonly TicketReaction[]): readonly TicketReaction[] {
  return state === null ? [] : linkedBy('parent-of', state).flatMap(reactions);
}
