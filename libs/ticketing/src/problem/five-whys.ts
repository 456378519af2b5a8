import { commandsOn, type EventsOf } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { PartList, Text, TextList } from '../command-fields.js';
import { omitUndefined, same } from '../plain-json.js';
import { change, notFound, type ProblemState, UNDER_WORK, unlessClosed, type Why } from './problem-record.js';

class WhyAnswered {
  @Text({ description: 'The question', example: 'Why did the spooler stop?', max: 500 })
  why!: string;

  @Text({ description: 'The answer, which leads to the next question', example: 'It ran out of handles', max: 2000 })
  because!: string;

  @TextList({
    description: 'Evidence: events as `ticket/<id>/<revision>` or `problem/<id>/<revision>`, or other references',
    max: 500,
    optional: true,
  })
  evidence?: readonly string[];
}

@JSONSchema({
  description: 'Records the chain of questions from the symptom to the root cause, in order. Replaces any earlier one.',
  examples: [
    {
      whys: [
        { why: 'Why did printing stop?', because: 'The spooler ran out of handles', evidence: ['spooler.log'] },
        { why: 'Why did it run out of handles?', because: 'Driver 4.1 never releases them' },
      ],
    },
  ],
})
export class RecordFiveWhys {
  @PartList(() => WhyAnswered, { description: 'Questions and answers, starting with the symptom', atLeastOne: true })
  whys!: readonly WhyAnswered[];
}

export const fiveWhysEvents = {
  ProblemFiveWhysRecorded: change<{ readonly whys: readonly Why[] }>({
    publicData: 'all',
    personal: null,
    evolve: (problem, { whys }) => ({ ...problem, whys }),
  }),
};

const command = commandsOn<ProblemState, EventsOf<{ readonly events: typeof fiveWhysEvents }>>();

export const fiveWhysCommands = {
  RecordFiveWhys: command({
    body: RecordFiveWhys,
    route: 'POST /v1/problems/{problemId}/five-whys',
    refuses: UNDER_WORK,
    decide({ whys: given }, state) {
      if (state === null) return notFound();
      const whys = given.map(({ why, because, evidence }): Why => omitUndefined({ why, because, evidence }));
      if (state.whys !== undefined && same(state.whys, whys)) return [];
      return unlessClosed(state) ?? [{ type: 'ProblemFiveWhysRecorded', data: { whys } }];
    },
  }),
};
