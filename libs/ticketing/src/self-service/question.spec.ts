import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { Life, pin } from '../testing/ticket-life.js';
import { countQuestions, question } from './question.js';

const id = '00000000-0000-4000-8000-0000000000e1';
const given = scenariosOf(question, { id, actor: { id: 'j.doe', kind: 'requester' }, start: 0, step: 60_000 });
const asked = ['RecordQuestion', { client: 'northwind', service: 'printing', articles: ['KB-1', 'KB-2'] }] as const;
const helped = (article: string) => ['MarkHelpful', { article }] as const;
const ticket = ['RecordTicketOfQuestion', { ticketId: 't' }] as const;

describe('a question', () => {
  it('keeps what was suggested and who asked, once', () => {
    expect(
      given()
        .when(...asked)
        .events(),
    ).toEqual([{ type: 'QuestionAsked', data: { questionId: id, reporter: { id: 'j.doe' }, ...asked[1] } }]);
    expect(
      given(asked)
        .when(...asked)
        .events(),
    ).toEqual([]);
  });

  it('is answered by an article that was suggested, unless a ticket is opened after all', () => {
    expect(given(asked, helped('KB-2')).state).toMatchObject({ status: 'helped', article: 'KB-2' });
    expect(
      given(asked, helped('KB-2'))
        .when(...helped('KB-1'))
        .events(),
    ).toEqual([]);
    expect(
      given(asked)
        .when(...helped('KB-3'))
        .refusal().refused,
    ).toBe('article-not-shown');
    expect(
      given()
        .when(...helped('KB-1'))
        .refusal().refused,
    ).toBe('question-not-found');
    expect(
      given(asked)
        .when(...ticket)
        .events(),
    ).toEqual([{ type: 'QuestionBecameTicket', data: { ticketId: 't', articles: ['KB-1', 'KB-2'] } }]);
    const opened = given(asked, helped('KB-2'), ticket);
    expect(opened.state).toMatchObject({ status: 'ticket', ticketId: 't' });
    expect(opened.when(...ticket).events()).toEqual([]);
    expect(opened.when(...helped('KB-1')).refusal().refused).toBe('question-ended');
  });

  it('is counted by what came of it', () => {
    const statuses = ['helped', 'helped', 'helped', 'ticket', 'open'] as const;
    expect(countQuestions(statuses.map((status) => ({ status })))).toEqual({ asked: 5, helped: 3, tickets: 1, open: 1, deflection: 0.75 });
    expect(countQuestions([])).toMatchObject({ asked: 0, deflection: null });
  });
});

describe('a ticket that names a question', () => {
  const open = (client: string | undefined) => {
    const life = new Life(pin(1, {}));
    const articles = ['KB-1', 'KB-2'];
    return life.open(
      'low',
      { question: id, articlesShown: ['KB-2', 'KB-9'] },
      {
        question: client === undefined ? null : { client, articles },
      },
    );
  };

  it('has the articles that were suggested, and is of the same client', () => {
    expect(open('northwind').events[0]).toMatchObject({
      type: 'TicketOpened',
      data: { question: id, articlesShown: ['KB-2', 'KB-9', 'KB-1'], articlesBesides: ['KB-9'] },
    });
    for (const client of ['contoso', undefined]) expect(() => open(client)).toThrow('question-not-found');
  });
});
