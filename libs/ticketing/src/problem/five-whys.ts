import { commandsOn, type EventsOf, type Fault, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { PartList, Text, TextList } from '../command-fields.js';
import { omitUndefined, same } from '../plain-json.js';
import { change, notFound, type ProblemState, UNDER_WORK, unlessClosed, type Why } from './problem-record.js';

const REFERENCE = /^(?<kind>ticket|problem)\/(?<id>[^/]*)(?:\/(?<revision>.*))?$/is;

/** A ticket or problem that evidence refers to, or one of its events, as it was written; undefined for other references. */
export function referenceIn(evidence: string) {
  const { kind, id = '', revision } = REFERENCE.exec(evidence)?.groups ?? {};
  return kind === undefined ? undefined : { kind: kind.toLowerCase() as 'ticket' | 'problem', id: id.toLowerCase(), revision };
}

class WhyAnswered {
  @Text({ description: 'The question', example: 'Why did the spooler stop?', max: 500 })
  why!: string;

  @Text({ description: 'The answer, which leads to the next question', example: 'It ran out of handles', max: 2000 })
  because!: string;

  @TextList({
    description:
      'Evidence: events as `ticket/<id>/<revision>` or `problem/<id>/<revision>`, which must exist for the same client, or other references',
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
    refuses: [...UNDER_WORK, 'evidence-not-found'],
    needs: 'faults-of-evidence',
    decide({ whys: given }, state, _context, faults: readonly Fault[] = []) {
      if (state === null) return notFound();
      const whys = given.map(({ why, because, evidence }): Why => omitUndefined({ why, because, evidence: evidence?.map(written) }));
      if (state.whys !== undefined && same(state.whys, whys)) return [];
      const barred = unlessClosed(state);
      if (barred) return barred;
      if (faults.length > 0) return refuse('evidence-not-found', 'Evidence refers to something that does not exist', faults);
      return [{ type: 'ProblemFiveWhysRecorded', data: { whys } }];
    },
  }),
};

/** References are found by their text, so ids are in lower case. */
function written(evidence: string): string {
  return referenceIn(evidence) === undefined ? evidence : evidence.toLowerCase();
}
