import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  type EventsOf,
  type Instant,
  parseInstant,
  refuse,
  type Refusal,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateTime, Fields, Flag, Name, OneOf, Part, PartList, PersonRef, Text, Uuid, WholeNumber } from '../command-fields.js';
import { type Message, subjectLine } from '../contract/escalation-message.js';
import { type Notification, type NotificationOutcome, sentNotificationSchema } from '../contract/escalation-policy.js';
import {
  type FailedNotification,
  notificationsTo,
  type NotThrough,
  onTheirWay,
  outcomeIn,
  settled,
  type SettledNotification,
  withoutDetail,
} from '../contract/reminder.js';
import { type RunbookStep, runbookStepSchema } from '../events/runbook.js';
import { omitUndefined, same, without } from '../plain-json.js';
import { publishedChangesOf, publishedEvent } from '../published-event.js';
import { about, count, flag, instant, listOf, oneOf, open, optional, refer, type Static, text } from '../schema.js';
import type { Reach } from '../ticket/escalation.js';
import { type Person, personSchema } from '../vocabulary.js';

/** Status of the latest text. Published text stays published until a later version is, or the article is retired. */
export const ARTICLE_STATUSES = ['draft', 'reviewed', 'published', 'retired'] as const;
export type ArticleStatus = (typeof ARTICLE_STATUSES)[number];

/** Who may read published text: the desk; also requesters of its client; also requesters of every client. */
export const VISIBILITIES = ['desk', 'client', 'everybody'] as const;
export type Visibility = (typeof VISIBILITIES)[number];

/** An article is flagged after this many failures in a row, without a ticket solved in between. */
export const FLAGGED_AFTER = 3;

const contentSchema = open({
  version: about(count, 'Version of the text, from 1'),
  title: about(text, 'Title'),
  text: about(text, 'Instructions in Markdown'),
  steps: optional(about(listOf(runbookStepSchema), 'Steps, which make the article a runbook')),
});

export const articleSchema = about(
  open({
    article: about(text, 'Id of the article, such as `KB-0042`'),
    client: optional(about(text, 'Client (tenant) it is for; absent: all clients')),
    visibility: about(oneOf(VISIBILITIES), 'Who may read it once published'),
    status: about(oneOf(ARTICLE_STATUSES), 'Status of the latest version'),
    latest: about(contentSchema, 'Latest version'),
    published: optional(about(contentSchema, 'Published version')),
    owner: about(refer(personSchema), 'Owner'),
    reviewBy: optional(about(instant, 'When the next review is due')),
    nextReminderAt: optional(about(instant, 'When its owner is reminded to review it, unless it is reviewed, revised or retired by then')),
    reminded: optional(
      about(
        open({
          at: about(instant, 'When'),
          messages: about(listOf(sentNotificationSchema), 'Messages sent to the owner; none without an address'),
        }),
        'Reminder of the overdue review',
      ),
    ),
    solved: about(count, 'Number of tickets it solved'),
    failed: about(count, 'Number of times it did not help'),
    failedInRow: about(count, 'Number of failures since it last helped'),
    flagged: about(flag, 'Whether it failed several times in a row'),
  }),
  'A knowledge article',
);

export type Article = Static<typeof articleSchema>;
type Content = Article['latest'];

/** Never drafted, or an article. */
export type ArticleState = Article | null;

export class RunnerStepBody {
  @Name({ description: 'Action for a runner, by the name runners know', example: 'restart-service', max: 100 })
  action!: string;

  @Fields({ description: 'Input for the runner', optional: true })
  input?: object;

  @WholeNumber({
    description: 'Maximum number of claims, as leases expire: 1 for actions that must not be retried; default: 3',
    example: 1,
    min: 1,
    max: 10,
    optional: true,
  })
  attempts?: number;
}

export class RunbookStepBody {
  @Name({ description: 'One-line summary of the step', example: 'Restart the spooler' })
  title!: string;

  @Text({ description: 'How, in Markdown', max: 5000, optional: true })
  instruction?: string;

  @Part(() => RunnerStepBody, { description: 'Runner that performs it; default: a person', optional: true })
  runner?: RunnerStepBody;
}

@JSONSchema({
  description: 'Drafts a knowledge article. The body sets its id, which tickets refer to.',
  examples: [{ article: 'KB-0042', title: 'The print queue hangs', text: 'Restart the spooler.', visibility: 'desk' }],
})
export class DraftArticle {
  @Name({ description: 'Id of the article', example: 'KB-0042', max: 100 })
  article!: string;

  @Text({ description: 'Title', example: 'The print queue hangs', max: 200 })
  title!: string;

  @Text({ description: 'Instructions in Markdown', example: 'Restart the spooler.', max: 50_000 })
  text!: string;

  @OneOf(VISIBILITIES, {
    description: 'Who may read it once published: the desk, requesters of its client, or all requesters',
    example: 'desk',
  })
  visibility!: Visibility;

  @PartList(() => RunbookStepBody, { description: 'Steps, which make the article a runbook', optional: true })
  steps?: RunbookStepBody[];

  @Name({ description: 'Client (tenant) it is for; default: all clients', optional: true, max: 100 })
  client?: string;

  @Part(() => PersonRef, { description: 'Owner; default: the actor', optional: true })
  owner?: PersonRef;

  @DateTime({ description: 'When the next review is due', optional: true })
  reviewBy?: string;
}

@JSONSchema({
  description: 'Writes a new version of an article, as a draft. The published version stays published meanwhile.',
  examples: [{ text: 'Restart the spooler, then re-add the printer.' }],
})
export class ReviseArticle {
  @Text({ description: 'Title; default: unchanged', max: 200, optional: true })
  title?: string;

  @Text({ description: 'Instructions; default: unchanged', max: 50_000, optional: true })
  text?: string;

  @PartList(() => RunbookStepBody, { description: 'Steps; default: unchanged; an empty list removes them', optional: true })
  steps?: RunbookStepBody[];

  @OneOf(VISIBILITIES, { description: 'Who may read it once published; default: unchanged', optional: true })
  visibility?: Visibility;

  @Part(() => PersonRef, { description: 'Owner; default: unchanged', optional: true })
  owner?: PersonRef;
}

@JSONSchema({ description: 'Records that the latest version of an article was reviewed.', examples: [{}] })
export class ReviewArticle {
  @DateTime({ description: 'When the next review is due', optional: true })
  reviewBy?: string;
}

@JSONSchema({ description: 'Publishes the latest version of an article after review.', examples: [{}] })
export class PublishArticle {
  @Text({ description: 'What is new in this version', max: 2000, optional: true })
  note?: string;
}

@JSONSchema({
  description: 'Retires an article: it is no longer found. A new version brings it back.',
  examples: [{ reason: 'Printer gone' }],
})
export class RetireArticle {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'Records whether an article helped. Several failures in a row flag it.',
  examples: [{ helped: false, comment: 'There is no such button' }],
})
export class GiveArticleFeedback {
  @Flag({ description: 'Whether it helped' })
  helped!: boolean;

  @Uuid('a ticket', { description: 'Ticket it was used for', optional: true })
  ticketId?: string;

  @Text({ description: 'Comment', max: 2000, optional: true })
  comment?: string;
}

/** A ticket was solved with the article, or it was shown without success. Sent by a policy. */
export interface RecordArticleUse {
  readonly ticketId: string;
  readonly client: string;
  readonly solved: boolean;
}

/** Reports the outcome of a message to the owner of an article. */
export type RecordArticleReminder = NotificationOutcome;

const change = publishedChangesOf<Article>();

/** The article with another review date, when its owner is reminded. Old events have dates with offsets. */
function withReviewBy(article: Article, named: string | undefined): Article {
  const reviewBy = instantOf(named);
  return omitUndefined({ ...without(article, 'reminded'), reviewBy, nextReminderAt: reviewBy }) as Article;
}

function reminderSettled(article: Article, id: string, because?: NotThrough['because']): Article {
  return article.reminded === undefined ? article : { ...article, reminded: settled(article.reminded, id, because) };
}

function withUse(article: Article, solved: boolean): Article {
  const failedInRow = solved ? 0 : article.failedInRow + 1;
  return {
    ...article,
    solved: article.solved + (solved ? 1 : 0),
    failed: article.failed + (solved ? 0 : 1),
    failedInRow,
    flagged: failedInRow >= FLAGGED_AFTER,
  };
}

const events = {
  ArticleDrafted: publishedEvent<
    ArticleState,
    Pick<Article, 'article' | 'client' | 'visibility' | 'owner' | 'reviewBy'> & Omit<Content, 'version'>,
    'none'
  >({
    publicData: 'none',
    personal: null,
    evolve: (_state, { title, text, steps, reviewBy, ...drafted }) =>
      withReviewBy(
        {
          ...drafted,
          status: 'draft',
          latest: omitUndefined({ version: 1, title, text, steps }),
          solved: 0,
          failed: 0,
          failedInRow: 0,
          flagged: false,
        },
        reviewBy,
      ),
  }),
  ArticleRevised: change<Pick<Article, 'visibility' | 'owner'> & Content, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (article, { visibility, owner, ...latest }) => ({
      // Revising counts as a review; the next one due is of the new version.
      ...without(article, 'nextReminderAt'),
      visibility,
      owner,
      status: 'draft',
      latest,
      failedInRow: 0,
      flagged: false,
    }),
  }),
  ArticleReviewed: change<{ readonly version: number; readonly reviewBy?: Article['reviewBy'] }, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (article, { reviewBy }) =>
      withReviewBy({ ...article, status: article.status === 'published' ? 'published' : 'reviewed' }, reviewBy),
  }),
  ArticlePublished: change<{ readonly version: number; readonly note?: string }, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (article) => ({
      ...article,
      status: 'published',
      published: article.latest,
    }),
  }),
  ArticleRetired: change<{ readonly reason: string }, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (article) => ({
      ...without(article, 'published', 'nextReminderAt'),
      status: 'retired',
    }),
  }),
  ArticleReviewOverdue: change<{
    readonly reviewBy: Instant;
    readonly owner: Person;
    readonly notifications?: readonly Notification[];
    readonly message?: Message;
  }>({
    publicData: 'all',
    personal: null,
    evolve: (article, { notifications }, { effectiveAt: at }) => ({
      ...without(article, 'nextReminderAt'),
      reminded: { at, messages: onTheirWay(notifications) },
    }),
  }),
  ArticleReminderDelivered: change<SettledNotification>({
    publicData: 'all',
    personal: null,
    evolve: (article, { id }) => reminderSettled(article, id),
  }),
  ArticleReminderFailed: change<FailedNotification, typeof withoutDetail<FailedNotification>>({
    publicData: withoutDetail,
    personal: null,
    evolve: (article, { id, because }) => reminderSettled(article, id, because),
  }),
  ArticleUsed: change<{ readonly ticketId: string; readonly solved: boolean }, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (article, { solved }) => withUse(article, solved),
  }),
  ArticleJudged: change<{ readonly helped: boolean; readonly ticketId?: string; readonly comment?: string }, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (article, { helped }) =>
      // A reader who was helped opened no ticket that the article could have solved.
      helped ? { ...article, failedInRow: 0, flagged: false } : withUse(article, false),
  }),
};

const command = commandsOn<ArticleState, EventsOf<{ readonly events: typeof events }>>();

const THERE = ['article-not-found'] as const;
const notFound = (): Refusal<'article-not-found'> => refuse('article-not-found', 'There is no such article');
const retired = (): Refusal<'article-retired'> => refuse('article-retired', 'The article was retired: revise it first');
const noClient = (): Refusal<'article-invalid'> =>
  refuse('article-invalid', 'An article for requesters of a client must name the client', [{ field: 'client', message: 'must be named' }]);
const person = ({ id, name }: Person): Person => omitUndefined({ id, name });
const instantOf = (named: string | undefined): Instant | undefined => (named === undefined ? undefined : parseInstant(named));
const runnerOf = ({ action, input, attempts }: RunnerStepBody) => omitUndefined({ action, input, attempts });
/** An empty list of steps means no runbook. */
const stepsOf = (steps: readonly RunbookStepBody[] = []): readonly RunbookStep[] | undefined =>
  steps.length === 0
    ? undefined
    : steps.map(({ title, instruction, runner }) => omitUndefined({ title, instruction, runner: runner && runnerOf(runner) }));

/** A knowledge article, with its versions: what solves tickets. One stream per article: `article-<id>`. */
export const article = {
  category: 'article',
  noun: 'article',
  idName: 'article',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    DraftArticle: command({
      body: DraftArticle,
      route: 'POST /v1/articles',
      refuses: ['article-exists', 'article-invalid'],
      decide({ article, title, text, visibility, client, owner, reviewBy, steps }, state, { actor }) {
        if (state !== null) return refuse('article-exists', `Article ${article} already exists: revise it`);
        if (visibility === 'client' && client === undefined) return noClient();
        const drafted = {
          article,
          client,
          visibility,
          owner: person(owner ?? actor),
          reviewBy: instantOf(reviewBy),
          title,
          text,
          steps: stepsOf(steps),
        };
        return [{ type: 'ArticleDrafted', data: omitUndefined(drafted) }];
      },
    }),
    ReviseArticle: command({
      body: ReviseArticle,
      route: 'POST /v1/articles/{article}/revisions',
      refuses: [...THERE, 'article-invalid'],
      decide(revision, state) {
        if (state === null) return notFound();
        const { latest, client, status } = state;
        const { title = latest.title, text = latest.text, visibility = state.visibility } = revision;
        const owner = person(revision.owner ?? state.owner);
        if (visibility === 'client' && client === undefined) return noClient();
        const steps = revision.steps === undefined ? latest.steps : stepsOf(revision.steps);
        const before = { ...latest, visibility: state.visibility, owner: state.owner };
        const after = omitUndefined({ ...latest, title, text, steps, visibility, owner });
        if (status !== 'retired' && same(before, after)) return [];
        return [{ type: 'ArticleRevised', data: { ...after, version: latest.version + 1 } }];
      },
    }),
    ReviewArticle: command({
      body: ReviewArticle,
      route: 'POST /v1/articles/{article}/reviews',
      refuses: [...THERE, 'article-retired'],
      decide({ reviewBy: named }, state) {
        if (state === null) return notFound();
        if (state.status === 'retired') return retired();
        const reviewBy = instantOf(named);
        if (state.status === 'reviewed' && reviewBy === state.reviewBy) return [];
        const { version } = state.latest;
        return [{ type: 'ArticleReviewed', data: omitUndefined({ version, reviewBy }) }];
      },
    }),
    PublishArticle: command({
      body: PublishArticle,
      route: 'POST /v1/articles/{article}/publish',
      refuses: [...THERE, 'article-retired', 'article-not-reviewed'],
      decide({ note }, state) {
        if (state === null) return notFound();
        if (state.status === 'retired') return retired();
        if (state.status === 'published') return [];
        const { version } = state.latest;
        if (state.status === 'draft') return refuse('article-not-reviewed', `Version ${version} of the article has not been reviewed yet`);
        return [{ type: 'ArticlePublished', data: omitUndefined({ version, note }) }];
      },
    }),
    RetireArticle: command({
      body: RetireArticle,
      route: 'POST /v1/articles/{article}/retire',
      refuses: THERE,
      decide({ reason }, state) {
        if (state === null) return notFound();
        return state.status === 'retired' ? [] : [{ type: 'ArticleRetired', data: { reason } }];
      },
    }),
    GiveArticleFeedback: command({
      body: GiveArticleFeedback,
      route: 'POST /v1/articles/{article}/feedback',
      refuses: THERE,
      decide({ helped, ticketId, comment }, state) {
        return state === null ? notFound() : [{ type: 'ArticleJudged', data: omitUndefined({ helped, ticketId, comment }) }];
      },
    }),
    RemindOfArticleReview: command({
      refuses: [],
      needs: 'owner-of-article',
      decide(_command: Readonly<Record<never, never>>, state, { effectiveAt }, reach: Reach = []) {
        const { nextReminderAt: reviewBy } = state ?? {};
        if (state === null || reviewBy === undefined || reviewBy > effectiveAt) return [];
        const { article, owner } = state;
        const notifications = notificationsTo(owner, reach, article, reviewBy);
        const told = notifications.length === 0 ? {} : { notifications, message: messageOf(state, reviewBy) };
        return [{ type: 'ArticleReviewOverdue', data: { reviewBy, owner, ...told } }];
      },
    }),
    RecordArticleReminder: command({
      refuses: [],
      decide(outcome: RecordArticleReminder, state) {
        const told = outcomeIn(state?.reminded, outcome);
        if (told === undefined) return [];
        return 'delivered' in told
          ? [{ type: 'ArticleReminderDelivered', data: told.delivered }]
          : [{ type: 'ArticleReminderFailed', data: told.failed }];
      },
    }),
    RecordArticleUse: command({
      refuses: [],
      decide({ ticketId, client, solved }: RecordArticleUse, state) {
        // Tickets may name articles kept elsewhere, but never those of another client.
        const isTheirs = state !== null && (state.client === undefined || state.client === client);
        return isTheirs ? [{ type: 'ArticleUsed', data: { ticketId, solved } }] : [];
      },
    }),
  },
} satisfies Aggregate<ArticleState>;

export type ArticleEvents = EventsOf<typeof article>;
export type ArticleCommands = CommandsOf<typeof article>;

function messageOf({ article, latest: { title } }: Article, reviewBy: Instant): Message {
  return {
    subject: subjectLine(`[overdue] Review of article ${article}: ${title}`),
    text: `The review of article ${article} (${title}) is overdue.\n\nDue: ${reviewBy}`,
  };
}
