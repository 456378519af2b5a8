import { about, count, instant, listOf, nullable, number, open, optional, refer, type Static, text, whole } from '../schema.js';
import { tierSchema } from '../vocabulary.js';

export const capacityReportSchema = about(
  open({
    from: about(instant, 'Start of the period in which the tickets were opened'),
    to: about(instant, 'End of the period (exclusive)'),
    client: optional(about(text, 'Client (tenant) the report covers; absent: all clients')),
    zone: about(text, 'Time zone of the hours and weekdays'),
    skills: about(
      listOf(
        open({
          tier: about(refer(tierSchema), 'The tier'),
          category: about(text, 'The category'),
          tickets: about(count, 'Tickets of the category that reached the tier'),
          asked: about(listOf(text), 'Skills that the contracts ask for'),
          agents: about(listOf(text), "Ids of the tier's agents who have all of these skills"),
          missing: about(listOf(text), 'Skills among these that nobody at the tier has'),
        }),
      ),
      'Combinations of skills needed by tickets of the period that fewer than two agents of the tier have; most tickets first',
    ),
    learning: about(
      listOf(
        open({
          category: about(text, 'The category'),
          learner: about(text, 'Id of the agent who worked on the tickets at a lower tier'),
          teacher: about(text, 'Id of the agent who resolved them at a higher tier'),
          tickets: about(count, 'Number of tickets'),
          teachable: about(count, 'Tickets among them whose root cause says that a lower tier can resolve it alone next time'),
        }),
      ),
      'Who can learn what from whom: tickets that one agent handed up and another resolved; most tickets first',
    ),
    load: about(
      listOf(
        open({
          weekday: about(whole(1, 7), 'Day of the week: 1 is Monday'),
          hour: about(whole(0, 23), 'Hour of the day'),
          arrivals: about(number, 'Tickets expected in this hour: tickets that arrived in it ÷ number of such hours in the period'),
          hours: about(number, 'Hours of work expected: arrivals × mean touch time per ticket'),
          onShift: about(count, 'Agents on shift at the start of this hour in the first week after the period'),
          load: about(nullable(number), 'Hours of work ÷ agents on shift; null if nobody is on shift'),
        }),
      ),
      'Expected work in each hour of the week, compared with the shifts; hours without expected work are left out',
    ),
    busFactor: about(
      listOf(
        open({
          category: about(text, 'The category'),
          resolved: about(count, 'Tickets of the category resolved by agents'),
          agents: about(count, 'Number of agents who resolved them'),
          factor: about(count, 'Smallest number of agents who together resolved at least half of them'),
          who: about(listOf(text), 'Ids of these agents'),
        }),
      ),
      'How few agents each category depends on; fewest first',
    ),
    position: about(text, 'Position in the log that the report was computed at'),
  }),
  'What the desk lacks for the tickets it receives: skills, staff on shift, spread of knowledge',
);

/** What a desk lacks for its incoming tickets. */
export type CapacityReport = Static<typeof capacityReportSchema>;
