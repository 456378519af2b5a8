import { refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Part, PersonRef, Text } from '../command-fields.js';
import type { AssignmentChoice, NobodyFound } from '../events/assignment.js';
import { present, same } from '../plain-json.js';
import type { UnassignedBecause } from '../vocabulary.js';
import { type AssignmentRequest, assignmentRequest } from './assignment-request.js';
import { command, internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { asPerson, endOfTouch, event, namedOrActor } from './decisions.js';
import { INACTIVE, unlessAccepted, unlessActive } from './guards.js';

@JSONSchema({
  description: 'Gives a ticket to a person, a team, or both, within its tier.',
  examples: [{ team: 'service-desk', assignee: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class AssignTicket extends TicketCommand {
  @Name({ description: 'Team', example: 'service-desk', optional: true })
  team?: string;

  @Part(() => PersonRef, { description: 'Person', optional: true })
  assignee?: PersonRef;
}

@JSONSchema({
  description: 'Takes a ticket from who has it. Where the contract assigns automatically, somebody else is then looked for.',
  examples: [{ reason: 'Needs somebody who speaks Italian' }],
})
export class UnassignTicket extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  /** What it follows from, and whose it must still be. Have no rules, and so cannot come from outside. */
  because?: Exclude<UnassignedBecause, 'requested'>;
  from?: string;
}

@JSONSchema({
  description: 'An agent takes a ticket that nobody has. When several claim it at once one wins, and the others learn who.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class ClaimTicket extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who takes it; the actor unless said otherwise', optional: true })
  agent?: PersonRef;
}

/** Gives the ticket to whom automatic assignment has chosen, or tells that it found nobody. */
export interface AssignAutomatically extends TicketCommand {
  /** What was asked for: when the ticket asks for something else by now, nothing is done. */
  readonly request: AssignmentRequest;
  readonly found: AssignmentChoice | NobodyFound;
}

export const assignmentCommands = {
  AssignTicket: command({
    body: AssignTicket,
    route: 'POST /v1/tickets/{id}/assignment',
    refuses: [...INACTIVE, 'assignment-empty'],
    late: false,
    decide({ team, assignee }, ticket) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      if (team === undefined && assignee === undefined) {
        return refuse('assignment-empty', 'An assignment names a team, a person or both', [
          { field: 'team', message: 'name a team, an assignee or both' },
          { field: 'assignee', message: 'name a team, an assignee or both' },
        ]);
      }
      const quiet =
        (team ?? ticket.team) === ticket.team && assignee?.id === ticket.assignee?.id && assignee?.name === ticket.assignee?.name;
      return quiet
        ? []
        : [event('TicketAssigned', present({ tier: ticket.tier, team: team ?? ticket.team, assignee: assignee && asPerson(assignee) }))];
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
      const touches = ticket.touching.filter(({ agent }) => agent.id === assignee.id);
      const team = ticket.teamChosen ? undefined : ticket.team;
      return [
        ...touches.map((touch) => endOfTouch(touch, context)),
        event('TicketUnassigned', present({ tier, team, assignee, because, reason })),
      ];
    },
  }),

  ClaimTicket: command({
    body: ClaimTicket,
    route: 'POST /v1/tickets/{id}/claim',
    refuses: [...INACTIVE, 'escalation-pending', 'already-claimed'],
    late: false,
    decide({ agent }, ticket, context) {
      const barred = unlessActive(ticket) ?? unlessAccepted(ticket);
      if (barred) return barred;
      const who = namedOrActor(agent, context);
      const { assignee } = ticket;
      if (assignee === undefined) return [event('TicketAssigned', present({ tier: ticket.tier, team: ticket.team, assignee: who }))];
      return assignee.id === who.id ? [] : refuse('already-claimed', `${assignee.name ?? assignee.id} has the ticket already`);
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
      return ticket.nobodyFound === because ? [] : [event('AssignmentFoundNobody', present({ tier, because, teams, skills, retryAt }))];
    },
  }),
} satisfies TicketCommandDefinitions;
