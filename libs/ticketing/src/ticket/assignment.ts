import { refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Part, PersonRef, Text } from '../command-fields.js';
import type { AssignmentChoice, NobodyFound } from '../events/assignment.js';
import { omitUndefined, same } from '../plain-json.js';
import type { UnassignedBecause } from '../vocabulary.js';
import { type AssignmentRequest, assignmentRequest } from './assignment-request.js';
import { command, internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { asPerson, event, namedOrActor } from './decisions.js';
import {
  type AgentAtWork,
  ESCALATION_PENDING,
  HELD,
  INACTIVE,
  LEFT,
  ticketsLeftFor,
  unlessAccepted,
  unlessActive,
  unlessHeld,
  unlessLeft,
  unlessWorkable,
  type WhoHasLeft,
} from './guards.js';
import { endOfTouchOfHolder } from './touch-time.js';

@JSONSchema({
  description: 'Assigns a ticket to a person, a team, or both, within its tier.',
  examples: [{ team: 'service-desk', assignee: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class AssignTicket extends TicketCommand {
  @Name({ description: 'Team', example: 'service-desk', optional: true })
  team?: string;

  @Part(() => PersonRef, { description: 'Person', optional: true })
  assignee?: PersonRef;
}

@JSONSchema({
  description: 'Unassigns a ticket. If the contract assigns automatically, another agent is then sought.',
  examples: [{ reason: 'Needs somebody who speaks Italian' }],
})
export class UnassignTicket extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  /** Its cause, and who must still have the ticket. Without validation rules, so they cannot be sent from outside. */
  because?: Exclude<UnassignedBecause, 'requested'>;
  from?: string;
}

@JSONSchema({
  description: 'Claims an unassigned ticket. If several agents claim it at once, one wins and the others learn who.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class ClaimTicket extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who takes it; default: the actor', optional: true })
  agent?: PersonRef;
}

@JSONSchema({
  description: 'Takes a ticket over from its assignee and starts work on it, unless it is on hold or awaiting acceptance.',
  examples: [{ reason: 'Ada is in a meeting until noon', agent: { id: 'grace', name: 'Grace Hopper' } }],
})
export class TakeOverTicket extends TicketCommand {
  @Text({ description: 'Reason; the previous assignee is notified', max: 2000 })
  reason!: string;

  @Part(() => PersonRef, { description: 'Who takes it; default: the actor', optional: true })
  agent?: PersonRef;
}

/** Gives the ticket to the agent that automatic assignment chose, or records that nobody was found. */
export interface AssignAutomatically extends TicketCommand {
  /** The requirements it was based on: if the ticket's have changed since, nothing happens. */
  readonly request: AssignmentRequest;
  readonly found: AssignmentChoice | NobodyFound;
}

export const assignmentCommands = {
  AssignTicket: command({
    body: AssignTicket,
    route: 'POST /v1/tickets/{id}/assignment',
    refuses: [...INACTIVE, 'assignment-empty', ...LEFT],
    late: false,
    needs: 'who-has-left',
    decide({ team, assignee }, ticket, context, _contract, left?: WhoHasLeft) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      if (team === undefined && assignee === undefined) {
        return refuse('assignment-empty', 'An assignment must name a team, a person or both', [
          { field: 'team', message: 'name a team, an assignee or both' },
          { field: 'assignee', message: 'name a team, an assignee or both' },
        ]);
      }
      const gone = assignee && unlessLeft(assignee, context, left);
      if (gone) return gone;
      const quiet =
        (team ?? ticket.team) === ticket.team && assignee?.id === ticket.assignee?.id && assignee?.name === ticket.assignee?.name;
      return quiet
        ? []
        : [
            ...endOfTouchOfHolder(ticket, context, assignee),
            event(
              'TicketAssigned',
              omitUndefined({ tier: ticket.tier, team: team ?? ticket.team, assignee: assignee && asPerson(assignee) }),
            ),
          ];
    },
  }),

  UnassignTicket: command({
    body: UnassignTicket,
    route: 'POST /v1/tickets/{id}/unassignment',
    refuses: [...INACTIVE],
    late: false,
    decide({ reason, from, ...cause }, ticket, context) {
      const because = cause.because ?? 'requested';
      const barred = unlessActive(ticket);
      if (barred) return because === 'requested' ? barred : [];
      const { tier, assignee } = ticket;
      if (assignee === undefined || (from !== undefined && from !== assignee.id)) return [];
      const team = ticket.teamChosen ? undefined : ticket.team;
      return [...endOfTouchOfHolder(ticket, context), event('TicketUnassigned', omitUndefined({ tier, team, assignee, because, reason }))];
    },
  }),

  ClaimTicket: command({
    body: ClaimTicket,
    route: 'POST /v1/tickets/{id}/claim',
    refuses: [...INACTIVE, ...ESCALATION_PENDING, ...LEFT, ...HELD],
    late: false,
    needs: 'who-has-left',
    decide({ agent }, ticket, context, _contract, left?: WhoHasLeft) {
      const who = namedOrActor(agent, context);
      const barred = unlessActive(ticket) ?? unlessAccepted(ticket) ?? unlessLeft(who, context, left) ?? unlessHeld(ticket, who);
      if (barred) return barred;
      const { tier, team, assignee } = ticket;
      return assignee === undefined ? [event('TicketAssigned', omitUndefined({ tier, team, assignee: who }))] : [];
    },
  }),

  TakeOverTicket: command({
    body: TakeOverTicket,
    route: 'POST /v1/tickets/{id}/take-over',
    refuses: [...INACTIVE, ...LEFT, 'not-claimed'],
    late: false,
    needs: 'agent-at-work',
    decide({ reason, agent }, ticket, context, contract, known: AgentAtWork = {}) {
      const who = namedOrActor(agent, context);
      const barred = unlessActive(ticket) ?? unlessLeft(who, context, known.left);
      if (barred) return barred;
      const { tier, team, assignee } = ticket;
      if (assignee === undefined) return refuse('not-claimed', 'The ticket is unassigned: claim it, or start work on it');
      if (assignee.id === who.id) return [];
      return [
        ...endOfTouchOfHolder(ticket, context),
        event('TicketTakenOver', omitUndefined({ tier, team, from: assignee, agent: who, reason })),
        ...(unlessWorkable(ticket) === undefined
          ? [event('WorkStarted', omitUndefined({ tier, team, agent: who, turnedFrom: ticketsLeftFor(known, context.id, contract) }))]
          : []),
      ];
    },
  }),

  AssignAutomatically: internal({
    refuses: [],
    late: false,
    decide({ request, found }: AssignAutomatically, ticket, _context, contract) {
      const asked = assignmentRequest(ticket, contract);
      if (asked === undefined || !same(asked, request)) return [];
      const { tier } = ticket;
      const { skills } = asked;
      if ('agent' in found) {
        const { agent, team, shift, rule, candidates, openTickets } = found;
        const automatic = { rule, candidates, openTickets, shift, skills };
        return [event('TicketAssigned', { tier, team, assignee: asPerson(agent), automatic })];
      }
      const { because, teams, retryAt } = found;
      return ticket.nobodyFound === because
        ? []
        : [event('AssignmentFoundNobody', omitUndefined({ tier, because, teams, skills, retryAt }))];
    },
  }),
} satisfies TicketCommandDefinitions;
