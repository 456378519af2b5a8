import { type Decided, type DecisionContext, type Instant, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { OneOf, Text } from '../command-fields.js';
import type { PinnedContract } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { ended } from '../sla/sla-clock.js';
import { restatements } from '../sla/sla-restatement.js';
import { type PinnedClocks, rebased, toldMoment, untoldMoments } from '../sla/sla-terms.js';
import { CLOCK_KINDS, type ClockKind } from '../vocabulary.js';
import type { ClockedTicket } from './clocked-ticket.js';
import { command, internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { event } from './decisions.js';
import { OVER, unlessActive, unlessOver } from './guards.js';

/** Records the moments of a ticket's clocks by now that are not yet recorded. Sent by the timekeeper. */
export class RecordSlaMoments extends TicketCommand {}

/** Puts an open ticket under another version of its client's contract. Sent by the timekeeper. */
export class RebaseSlaTerms extends TicketCommand {
  contract!: PinnedContract;
  effectiveFrom!: Instant;
}

@JSONSchema({
  description:
    "Recomputes the verdicts on the ticket's ended clocks by the contract now known to have been in force: agreed with effect in the past, or " +
    'with a corrected calendar. Changes are recorded beside the earlier verdicts, which stay.',
  examples: [{ reason: 'Easter Monday was missing in the calendar' }],
})
export class RestateSla extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  @OneOf(CLOCK_KINDS, { description: 'Clocks of this kind only; default: all that have ended', optional: true })
  clock?: ClockKind;
}

export const slaCommands = {
  RecordSlaMoments: internal({
    refuses: [],
    late: true,
    decide(_command: RecordSlaMoments, ticket, { effectiveAt: now }) {
      return ticket.sla === undefined ? [] : untoldMoments(ticket.sla, now, now).map(toldMoment);
    },
  }),

  RebaseSlaTerms: internal({
    refuses: [],
    late: true,
    decide({ contract, effectiveFrom }: RebaseSlaTerms, ticket) {
      const goesOn = unlessActive(ticket) === undefined && ticket.sla !== undefined;
      if (!goesOn || contract.version <= (ticket.sla.contract?.version ?? 0)) return [];
      // What has happened since the terms began happened under the old ones.
      const latest = ticket.sla.facts.at(-1)?.at ?? effectiveFrom;
      const effectiveAt = effectiveFrom > latest ? effectiveFrom : latest;
      return [{ ...event('SlaTermsRebased', rebased(ticket.sla, contract, effectiveAt)), effectiveAt }];
    },
  }),

  RestateSla: command({
    body: RestateSla,
    route: 'POST /v1/tickets/{id}/sla-restatements',
    refuses: [...OVER, 'no-clock-ended'],
    late: false,
    needs: 'clocks-in-hindsight',
    decide({ reason, clock }, ticket, _context, _contract, hindsight?: PinnedClocks) {
      const barred = unlessOver(ticket);
      if (barred) return barred;
      const { sla } = ticket;
      if (clock !== undefined && !sla?.clocks.some((one) => one.kind === clock && ended(one))) {
        return refuse('no-clock-ended', `No ${clock} clock of the ticket has ended: there is no verdict to restate`, [
          { field: 'clock', message: 'must be a kind of clock that has ended' },
        ]);
      }
      // Without the current contract nothing can be restated.
      if (sla === undefined || hindsight === undefined) return [];
      return restatements(sla, hindsight, clock).map((restated) => event('SlaRestated', { ...restated, reason }));
    },
  }),
} satisfies TicketCommandDefinitions;

/** The unrecorded moments of its clocks. Nothing can follow a cancellation or a merge, so they are recorded before it. */
export function untoldEvents({ sla }: ClockedTicket, { effectiveAt }: DecisionContext): readonly Decided<TicketEvents>[] {
  return sla === undefined ? [] : untoldMoments(sla, effectiveAt).map(toldMoment);
}
