import { TIERS, tierSchema } from '../vocabulary.js';
import { QUEUE_STATES } from './reported-facts.js';
import { about, count, instant, listOf, nullable, number, oneOf, open, optional, recordOf, refer, type Static, text } from '../schema.js';

/** Sources and ends of tickets beside the tiers. `open`: neither resolved, cancelled nor merged. */
export const FLOW_ENDS = ['opened', 'resolved', 'cancelled', 'merged', 'open'] as const;
export const FLOW_MOVES = ['entry', 'escalation', 'return', 'de-escalation', 'reopening', 'end'] as const;

const node = oneOf([...FLOW_ENDS, ...TIERS]);

export const flowReportSchema = about(
  open({
    from: about(instant, 'Start of the period in which the tickets were opened'),
    to: about(instant, 'End of the period (exclusive)'),
    filters: about(recordOf(listOf(text)), 'Filters applied, by dimension'),
    tickets: about(count, 'Number of tickets'),
    links: about(
      listOf(
        open({
          from: about(node, 'Source of the link'),
          to: about(node, 'Target of the link'),
          move: about(oneOf(FLOW_MOVES), 'Kind of move'),
          moves: about(count, 'Number of moves'),
          tickets: about(count, 'Number of tickets involved'),
        }),
      ),
      'Moves between the tiers, ready for a Sankey diagram: each tier has as many moves in as out',
    ),
    times: about(
      listOf(
        open({
          tier: about(refer(tierSchema), 'The tier'),
          state: about(oneOf(QUEUE_STATES), 'State of the tickets'),
          millis: about(count, 'Milliseconds, summed over all tickets; time still running is not included'),
          tickets: about(count, 'Number of tickets involved'),
        }),
      ),
      'Where the time went',
    ),
    pairs: about(
      listOf(
        open({
          from: about(refer(tierSchema), 'Tier that handed over'),
          fromTeam: optional(about(text, 'Team at that tier')),
          to: about(refer(tierSchema), 'Tier that received the hand-off'),
          toTeam: optional(about(text, 'Team at that tier')),
          handOffs: about(count, 'Number of hand-offs'),
          accepted: about(count, 'Hand-offs that were accepted'),
          returned: about(count, 'Hand-offs that were returned'),
          quality: about(number, 'Mean quality score, 0 to 100'),
          bounced: about(count, 'Tickets returned more than once between the two teams'),
          acceptedAfter: about(nullable(number), 'Median time until acceptance, in milliseconds'),
        }),
      ),
      'Hand-offs by pair of teams',
    ),
    position: about(text, 'Position in the log that the report was computed at'),
  }),
  'How tickets moved through the tiers',
);

/** How tickets moved through the tiers. */
export type FlowReport = Static<typeof flowReportSchema>;
