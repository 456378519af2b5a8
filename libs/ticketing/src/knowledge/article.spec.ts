import { instantFrom, type RecordedEvent } from '#eventsourcing';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { shownArticle } from '../access/seen.js';
import type { Scope } from '../identity/principal.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';
import type { Reach } from '../ticket/escalation.js';
import { type Article, article } from './article.js';
import { articlesOfTickets } from './article-policies.js';

const given = scenariosOf(article, { id: 'KB-1', actor: { id: 'ada', kind: 'agent' }, start: 0, step: 60_000 });
const content = { title: 'The queue hangs', text: 'Restart the spooler.' };
const drafted = ['DraftArticle', { article: 'KB-1', ...content, visibility: 'desk' }] as const;
const revised = ['ReviseArticle', { text: 'Add it anew.' }] as const;
const published: readonly Sent<typeof article>[] = [drafted, ['ReviewArticle', {}], ['PublishArticle', {}]];
const failed = ['RecordArticleUse', { ticketId: 't', client: 'northwind', solved: false }] as const;
const solved = ['RecordArticleUse', { ticketId: 't', client: 'northwind', solved: true }] as const;

describe('an article', () => {
  it('is drafted once, by its owner unless another one is named', () => {
    const [event] = given()
      .when(...drafted)
      .events();
    const data = { article: 'KB-1', visibility: 'desk', owner: { id: 'ada' }, ...content };
    expect(event).toEqual({ type: 'ArticleDrafted', data });
    expect(
      given(drafted)
        .when(...drafted)
        .refusal().refused,
    ).toBe('article-exists');
    const forClient = { article: 'KB-1', ...content, visibility: 'client' as const };
    expect(given().when('DraftArticle', forClient).refusal()).toMatchObject({ refused: 'article-invalid', faults: [{ field: 'client' }] });
    expect(given(drafted).when('ReviseArticle', { visibility: 'client' }).refusal().refused).toBe('article-invalid');
  });

  it('is published once it was reviewed; a revision is a draft beside what is published, and a retired one comes back by it', () => {
    expect(given(drafted).when('PublishArticle', {}).refusal().refused).toBe('article-not-reviewed');
    expect(given(...published).state).toMatchObject({ status: 'published', published: { version: 1, ...content } });
    expect(
      given(...published)
        .when('PublishArticle', {})
        .events(),
    ).toEqual([]);
    const again = given(...published, revised);
    expect(again.state).toMatchObject({ status: 'draft', latest: { version: 2, text: 'Add it anew.' }, published: { version: 1 } });
    expect(again.when('ReviseArticle', { text: 'Add it anew.' }).events()).toEqual([]);
    expect(again.when('PublishArticle', {}).refusal().refused).toBe('article-not-reviewed');
    const retired = given(...published, ['RetireArticle', { reason: 'Gone' }]);
    expect(retired.state).not.toHaveProperty('published');
    expect(retired.when('RetireArticle', { reason: 'Gone' }).events()).toEqual([]);
    for (const name of ['ReviewArticle', 'PublishArticle'] as const)
      expect(retired.when(name, {}).refusal().refused).toBe('article-retired');
    expect(retired.when('ReviseArticle', {}).events()).toMatchObject([{ type: 'ArticleRevised', data: { version: 2 } }]);
  });

  it('is a runbook with its steps, which a revision keeps unless it says others', () => {
    const steps = [
      { title: 'Look' },
      { title: 'Restart', instruction: 'Once', runner: { action: 'restart-service', input: { service: 'spooler' } } },
    ];
    const runbook: Sent<typeof article> = ['DraftArticle', { article: 'KB-1', ...content, visibility: 'desk', steps }];
    const drafted = given(runbook);
    expect(drafted.state?.latest).toEqual({ version: 1, ...content, steps });
    expect(drafted.when('ReviseArticle', { steps }).events()).toEqual([]);
    expect(given(runbook, revised).state?.latest).toMatchObject({ version: 2, text: 'Add it anew.', steps });
    expect(given(runbook, ['ReviseArticle', { steps: [{ title: 'Wait' }] }]).state?.latest.steps).toEqual([{ title: 'Wait' }]);
    expect(given(runbook, ['ReviseArticle', { steps: [] }]).state?.latest).toEqual({ version: 2, ...content });
  });

  it('is reviewed again when it is due, and stays published', () => {
    const reviewBy = '2027-01-01T00:00:00.000Z';
    expect(given(...published, ['ReviewArticle', { reviewBy }]).state).toMatchObject({ status: 'published', reviewBy });
    const reviewed = given(drafted, ['ReviewArticle', { reviewBy }]);
    expect(reviewed.when('ReviewArticle', { reviewBy }).events()).toEqual([]);
  });

  describe('whose review is overdue', () => {
    const minute = (n: number) => instantFrom(n * 60_000);
    const due: readonly Sent<typeof article>[] = [...published, ['ReviewArticle', { reviewBy: minute(10) }]];
    const reach = [{ by: 'email' as const }, { by: 'chat' as const, channel: 'noc' }];
    const remind = (minutes: number, outside: Reach = reach) => ['RemindOfArticleReview', {}, minutes * 60_000, outside] as const;
    const target = { kind: 'person', person: { id: 'ada' } };

    it('reminds its owner by every means, once, and says what became of each message', () => {
      expect(given(...due).state).toMatchObject({ reviewBy: minute(10), nextReminderAt: minute(10) });
      expect(
        given(...due)
          .when(...remind(9.9))
          .events(),
      ).toEqual([]);
      const [overdue] = given(...due)
        .when(...remind(10))
        .events();
      expect(overdue).toMatchObject({
        type: 'ArticleReviewOverdue',
        data: {
          reviewBy: minute(10),
          owner: { id: 'ada' },
          notifications: [
            { target, by: 'email' },
            { target, by: 'chat', channel: 'noc' },
          ],
          message: { subject: '[overdue] Review of article KB-1: The queue hangs', text: expect.stringContaining(minute(10)) },
        },
      });
      // Late, as after a downtime, it is the same reminder.
      expect(
        given(...due)
          .when(...remind(99))
          .events(),
      ).toEqual([overdue]);

      const told = given(...due, remind(10));
      expect(told.state).not.toHaveProperty('nextReminderAt');
      expect(told.when(...remind(99)).events()).toEqual([]);
      const [mail, chat] = told.state?.reminded?.messages ?? [];
      const delivered = ['RecordArticleReminder', { notification: mail?.id ?? '', attempts: 1 }] as const;
      const failed = { because: 'refused' as const, detail: 'no such channel' };
      const after = told.and(delivered, ['RecordArticleReminder', { notification: chat?.id ?? '', attempts: 3, failed }]);
      expect(after.state?.reminded).toMatchObject({
        at: minute(10),
        messages: [{ state: 'delivered' }, { state: 'failed', because: 'refused' }],
      });
      expect(after.when(...delivered).events()).toEqual([]);
    });

    it.each<[string, Reach]>([
      ['has no address, or has left', []],
      ['may not be told of its client', 'not-of-client'],
    ])('says so where its owner %s, and tells nobody', (_why, nobody) => {
      expect(
        given(...due)
          .when(...remind(10, nobody))
          .events(),
      ).toEqual([{ type: 'ArticleReviewOverdue', data: { reviewBy: minute(10), owner: { id: 'ada' } } }]);
    });

    it.each<[string, Sent<typeof article>]>([
      ['revised', revised],
      ['retired', ['RetireArticle', { reason: 'Gone' }]],
      ['reviewed without another date', ['ReviewArticle', {}]],
    ])('reminds no one once it is %s', (_what, change) => {
      expect(
        given(...due, change)
          .when(...remind(99))
          .events(),
      ).toEqual([]);
    });

    it('does not show requesters whom the desk reminds of it', () => {
      const { state } = given(...due, remind(10));
      const scope: Scope = { clients: ['northwind'], reporter: 'jane' };
      expect(shownArticle({ clients: ['northwind'] }, state as Article)).toEqual(state);
      const { reminded: _, ...rest } = state as Article;
      expect(shownArticle(scope, state as Article)).toEqual(rest);
    });

    it('reminds again when the date is moved, before it or after', () => {
      const moved = ['ReviewArticle', { reviewBy: '1970-01-01T01:20:00+01:00' }] as const;
      for (const past of [due, [...due, remind(10)]]) {
        const again = given(...past, moved);
        expect(again.state).toMatchObject({ reviewBy: minute(20), nextReminderAt: minute(20) });
        expect(again.state).not.toHaveProperty('reminded');
        expect(again.when(...remind(19)).events()).toEqual([]);
        expect(again.when(...remind(20)).events()).toMatchObject([{ data: { reviewBy: minute(20) } }]);
      }
    });
  });

  it('is flagged when it has solved nothing three times in a row, until it does or is revised', () => {
    expect(given(...published, failed, failed).state).toMatchObject({ failed: 2, flagged: false });
    const flagged = given(...published, failed, ['GiveArticleFeedback', { helped: false, comment: 'No' }], failed);
    expect(flagged.state).toMatchObject({ failed: 3, failedInRow: 3, flagged: true });
    const sent: readonly Sent<typeof article>[] = [...published, failed, failed, failed];
    for (const mends of [solved, revised, ['GiveArticleFeedback', { helped: true }]] as const)
      expect(given(...sent, mends).state).toMatchObject({ failed: 3, failedInRow: 0, flagged: false });
    expect(given(...sent, solved).state?.solved).toBe(1);
  });

  it('counts nothing of tickets of another client, nor where it is kept elsewhere', () => {
    const ofContoso = given(['DraftArticle', { article: 'KB-1', ...content, visibility: 'client', client: 'contoso' }]);
    expect(ofContoso.when(...solved).events()).toEqual([]);
    expect(
      given()
        .when(...solved)
        .events(),
    ).toEqual([]);
  });

  it.each(['ReviseArticle', 'ReviewArticle', 'PublishArticle', 'RetireArticle', 'GiveArticleFeedback'] as const)(
    'that never was takes no %s',
    (name) => {
      expect(
        given()
          .when(name, { reason: 'r', helped: true } as never)
          .refusal().refused,
      ).toBe('article-not-found');
    },
  );

  it('is told of tickets that it has solved, or was shown before in vain', () => {
    const told = <Type extends keyof TicketEvents>(type: Type, data: Partial<TicketEvents[Type]>) => {
      const event = { stream: 'ticket-t', type, data, metadata: {} } as unknown as RecordedEvent<TicketEvents> & { readonly type: Type };
      const state = { client: 'northwind' } as ClockedTicketState;
      const react = articlesOfTickets.react[type] as unknown as (
        told: typeof event,
        state: ClockedTicketState,
      ) => readonly { body: object; id: string }[];
      return articlesOfTickets.concerns?.(event) === false ? [] : react(event, state).map(({ id, body }) => ({ id, ...body }));
    };
    const use = { ticketId: 't', client: 'northwind' };
    expect(told('TicketOpened', { client: 'northwind', articlesShown: ['KB-1', 'KB-2'] })).toEqual([
      { id: 'KB-1', ...use, solved: false },
      { id: 'KB-2', ...use, solved: false },
    ]);
    const besides = { client: 'northwind', articlesShown: ['KB-1', 'KB-2'], articlesBesides: ['KB-2'] };
    expect(told('TicketOpened', besides)).toEqual([{ id: 'KB-2', ...use, solved: false }]);
    expect(told('TicketResolved', { article: 'KB-1' })).toEqual([{ id: 'KB-1', ...use, solved: true }]);
    expect([...told('TicketOpened', {}), ...told('TicketResolved', {}), ...told('TicketResolvedWithRootCause', {})]).toEqual([]);
  });
});
