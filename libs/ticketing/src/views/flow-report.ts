import { TIERS, tierSchema } from '../vocabulary.js';
import { QUEUE_STATES } from './reported-facts.js';
import { about, count, instant, listOf, nullable, number, oneOf, open, optional, recordOf, refer, type Static, text } from '../schema.js';

/** Where tickets come from and end, beside the tiers. `open`: neither resolved, cancelled nor merged. */
export const FLOW_ENDS = ['opened', 'resolved', 'cancelled', 'merged', 'open'] as const;
export const FLOW_MOVES = ['entry', 'escalation', 'return', 'de-escalation', 'reopening', 'end'] as const;

const node = oneOf([...FLOW_ENDS, ...TIERS]);

export const flowReportSchema = about(
  open({
    from: about(instant, 'Begin of the period in which the tickets were opened'),
    to: about(instant, 'Its end, which is not in it'),
    filters: about(recordOf(listOf(text)), 'What is left, by dimension'),
    tickets: about(count, 'How many tickets'),
    links: about(
      listOf(
        open({
          from: about(node, 'Where from'),
          to: about(node, 'Where to'),
          move: about(oneOf(FLOW_MOVES), 'How'),
          moves: about(count, 'How many times'),
          tickets: about(count, 'Of how many tickets'),
        }),
      ),
      'The ways between the tiers, as a Sankey diagram has them: into each tier as many as out of it',
    ),
    times: about(
      listOf(
        open({
          tier: about(refer(tierSchema), 'The tier'),
          state: about(oneOf(QUEUE_STATES), 'The state'),
          millis: about(count, 'Milliseconds of all tickets together; what lasts is not in it'),
          tickets: about(count, 'Of how many tickets'),
        }),
      ),
      'Where the time went',
    ),
    pairs: about(
      listOf(
        open({
          from: about(refer(tierSchema), 'The tier that handed over'),
          fromTeam: optional(about(text, 'Its team')),
          to: about(refer(tierSchema), 'The tier that was handed to'),
          toTeam: optional(about(text, 'Its team')),
          handOffs: about(count, 'How many hand-offs'),
          accepted: about(count, 'How many of them were accepted'),
          returned: about(count, 'How many were returned'),
          quality: about(number, 'Mean of their quality, 0 to 100'),
          bounced: about(count, 'Tickets that were returned more than once between the two'),
          acceptedAfter: about(nullable(number), 'Median of the time until they were accepted, in milliseconds'),
        }),
      ),
      'Hand-offs by pair of teams',
    ),
    position: about(text, 'The position in the log that it is told as of'),
  }),
  'How tickets went through the tiers',
);

/** How tickets went through the tiers. */
export type FlowReport = Static<typeof flowReportSchema>;
