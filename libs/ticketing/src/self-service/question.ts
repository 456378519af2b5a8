import { type Aggregate, type CommandsOf, commandsOn, event, type EventsOf, refuse, type Refusal } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Part, PersonRef, Text } from '../command-fields.js';
import { omitUndefined } from '../plain-json.js';
import { about, count, instant, listOf, nullable, number, oneOf, open, optional, type Static, text, uuid } from '../schema.js';

/** Outcome of a question: none yet, an article helped, or a ticket was opened. */
export const QUESTION_STATUSES = ['open', 'helped', 'ticket'] as const;
export type QuestionStatus = (typeof QUESTION_STATUSES)[number];

export const questionSchema = about(
  open({
    questionId: about(uuid, 'Id of the question'),
    client: about(text, 'Client (tenant) of who asked'),
    reporter: about(open({ id: about(text, 'Id of the person') }), 'Who asked'),
    service: optional(about(text, 'Affected service')),
    component: optional(about(text, 'Affected configuration item')),
    category: optional(about(text, 'Category')),
    articles: about(listOf(text), 'Ids of the articles that were suggested, best first'),
    status: about(oneOf(QUESTION_STATUSES), 'Outcome'),
    article: optional(about(text, 'The article that helped')),
    ticketId: optional(about(uuid, 'The ticket that was opened instead')),
    askedAt: about(instant, 'When it was asked'),
    endedAt: optional(about(instant, 'When the outcome was recorded')),
  }),
  "A requester's question, the suggested articles and the outcome. The text is not kept, unless a ticket is opened",
);

export type Question = Static<typeof questionSchema>;

/** Never asked, or a question. */
export type QuestionState = Question | null;

@JSONSchema({
  description:
    'Asks the knowledge base: the response suggests articles that requesters may read. The text is not kept. `helped` records that one of them solved it; a ticket that references the question gets the articles attached.',
  examples: [{ client: 'northwind', question: 'The printer queue hangs', service: 'printing', reporter: { id: 'j.doe' } }],
})
export class AskQuestion {
  @Name({ description: 'Client (tenant) of the requester', example: 'northwind', max: 100 })
  client!: string;

  @Text({ description: "The question in the requester's words", example: 'The printer queue hangs', max: 2000 })
  question!: string;

  @Name({ description: 'Affected service', example: 'printing', optional: true })
  service?: string;

  @Name({ description: 'Affected configuration item', optional: true })
  component?: string;

  @Name({ description: 'Category', optional: true })
  category?: string;

  @Part(() => PersonRef, { description: 'Who asks; default: the actor', optional: true })
  reporter?: PersonRef;
}

@JSONSchema({
  description: 'Records that a suggested article answered the question: no ticket is needed.',
  examples: [{ article: 'KB-0042' }],
})
export class MarkHelpful {
  @Name({ description: 'Id of the article', example: 'KB-0042' })
  article!: string;
}

/** Stores a question with the suggestions. */
export interface RecordQuestion extends Pick<Question, 'client' | 'articles'> {
  readonly service?: string;
  readonly component?: string;
  readonly category?: string;
  readonly reporter?: { readonly id: string };
}

/** A ticket was opened for it. Sent by a policy. */
export interface RecordTicketOfQuestion {
  readonly ticketId: string;
}

const events = {
  QuestionAsked: event<QuestionState, Omit<Question, 'status' | 'article' | 'ticketId' | 'askedAt' | 'endedAt'>>({
    personal: null,
    evolve: (_state, asked, { effectiveAt: askedAt }) => ({ ...asked, status: 'open', askedAt }),
  }),
  QuestionAnswered: event<QuestionState, { readonly article: string }>({
    personal: null,
    evolve: (state, { article }, { effectiveAt: endedAt }) => state && { ...state, status: 'helped', article, endedAt },
  }),
  // With the articles that were suggested without success. In older events the ticket reported them.
  QuestionBecameTicket: event<QuestionState, { readonly ticketId: string; readonly articles?: readonly string[] }>({
    personal: null,
    evolve: (state, { ticketId }, { effectiveAt: endedAt }) => state && { ...state, status: 'ticket', ticketId, endedAt },
  }),
};

const command = commandsOn<QuestionState, EventsOf<{ readonly events: typeof events }>>();

const notFound = (): Refusal<'question-not-found'> => refuse('question-not-found', 'There is no such question');

/** A question in the portal, before there is a ticket (L0). One stream a question: `question-<id>`. */
export const question = {
  category: 'question',
  noun: 'question',
  idName: 'questionId',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    RecordQuestion: command({
      refuses: [],
      decide({ client, service, component, category, articles, reporter }: RecordQuestion, state, { id: questionId = '', actor }) {
        if (state !== null) return [];
        const asked = { questionId, client, reporter: { id: (reporter ?? actor).id }, service, component, category, articles };
        return [{ type: 'QuestionAsked', data: omitUndefined(asked) }];
      },
    }),
    MarkHelpful: command({
      body: MarkHelpful,
      route: 'POST /v1/questions/{questionId}/helped',
      refuses: ['question-not-found', 'question-ended', 'article-not-shown'],
      decide({ article }, state) {
        if (state === null) return notFound();
        if (state.status === 'helped') return [];
        if (state.status === 'ticket') return refuse('question-ended', 'A ticket was opened for the question');
        if (!state.articles.includes(article))
          return refuse('article-not-shown', 'The article was not suggested for this question', [
            { field: 'article', message: 'must be one of the suggested articles' },
          ]);
        return [{ type: 'QuestionAnswered', data: { article } }];
      },
    }),
    RecordTicketOfQuestion: command({
      refuses: [],
      decide({ ticketId }: RecordTicketOfQuestion, state) {
        // Someone who opens a ticket after all was not helped.
        if (state === null || state.status === 'ticket') return [];
        return [{ type: 'QuestionBecameTicket', data: { ticketId, articles: state.articles } }];
      },
    }),
  },
} satisfies Aggregate<QuestionState>;

export type QuestionEvents = EventsOf<typeof question>;
export type QuestionCommands = CommandsOf<typeof question>;

/** Outcomes of some questions. */
export const questionCountsSchema = open({
  asked: about(count, 'Questions'),
  helped: about(count, 'Questions answered by an article (deflections)'),
  tickets: about(count, 'Questions for which a ticket was opened'),
  open: about(count, 'Questions without an outcome'),
  deflection: about(nullable(number), 'Helped ÷ (helped + tickets); null if there are none'),
});

export type QuestionCounts = Static<typeof questionCountsSchema>;

/** Counts the outcomes of questions. */
export function countQuestions(questions: Iterable<Pick<Question, 'status'>>): QuestionCounts {
  const counts = { open: 0, helped: 0, ticket: 0 };
  for (const { status } of questions) counts[status]++;
  const { open, helped, ticket: tickets } = counts;
  return { asked: open + helped + tickets, helped, tickets, open, deflection: helped + tickets === 0 ? null : helped / (helped + tickets) };
}
