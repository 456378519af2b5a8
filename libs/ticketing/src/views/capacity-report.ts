import { about, count, instant, listOf, nullable, number, open, optional, refer, type Static, text, whole } from '../schema.js';
import { tierSchema } from '../vocabulary.js';

export const capacityReportSchema = about(
  open({
    from: about(instant, 'Begin of the period in which the tickets were opened'),
    to: about(instant, 'Its end, which is not in it'),
    client: optional(about(text, 'The client whose tickets they are; all, unless said')),
    zone: about(text, 'Time zone of hours and weekdays'),
    skills: about(
      listOf(
        open({
          tier: about(refer(tierSchema), 'The tier'),
          category: about(text, 'The category'),
          tickets: about(count, 'How many tickets of it came to the tier'),
          asked: about(listOf(text), 'The skills that contracts ask for'),
          agents: about(listOf(text), 'Ids of the agents of the tier who have all of them'),
          missing: about(listOf(text), 'Those of them that nobody of the tier has'),
        }),
      ),
      'Skills that fewer than two agents of a tier have together, for tickets that came, most tickets first',
    ),
    learning: about(
      listOf(
        open({
          category: about(text, 'The category'),
          learner: about(text, 'Id of the agent who worked on it at a lower tier'),
          teacher: about(text, 'Id of the agent who resolved it at a higher one'),
          tickets: about(count, 'How many tickets'),
          teachable: about(count, 'Those of them whose root cause says that a lower tier can do it alone next time'),
        }),
      ),
      'Who can learn what from whom: tickets that one handed up and the other resolved, most tickets first',
    ),
    load: about(
      listOf(
        open({
          weekday: about(whole(1, 7), 'Day of the week: 1 is Monday'),
          hour: about(whole(0, 23), 'Hour of the day'),
          arrivals: about(number, 'Tickets expected in that hour: those that came in it ÷ how many such hours the period had'),
          hours: about(number, 'Hours of work that they bring: arrivals × mean touch time of a ticket'),
          onShift: about(count, 'Agents on shift when that hour begins for the first time after the period'),
          load: about(nullable(number), 'Hours of work ÷ agents on shift; null where nobody is'),
        }),
      ),
      'What is expected of each hour of the week, beside the shifts; hours in which nothing is expected are left out',
    ),
    busFactor: about(
      listOf(
        open({
          category: about(text, 'The category'),
          resolved: about(count, 'Tickets of it that agents resolved'),
          agents: about(count, 'How many agents resolved them'),
          factor: about(count, 'The fewest agents who resolved half of them or more together'),
          who: about(listOf(text), 'Their ids'),
        }),
      ),
      'On how few a category depends, fewest first',
    ),
    position: about(text, 'The position in the log that it is told as of'),
  }),
  'What a desk lacks for the tickets that come: skills, hands, heads',
);

/** What a desk lacks for the tickets that come. */
export type CapacityReport = Static<typeof capacityReportSchema>;
