import type { StateFace } from '#eventsourcing';
import { articleSchema, type ArticleState } from '../knowledge/article.js';
import { documentSchema } from './stored.js';

/** One document per article, by its id. */
export const articles: StateFace<ArticleState> = {
  name: 'articles',
  version: 2,
  schema: () => documentSchema(articleSchema, 'Id of the article'),
  document: (state) => state,
  indexes: [
    { key: { client: 1, status: 1 } },
    { key: { flagged: 1 } },
    { key: { reviewBy: 1 } },
    { key: { nextReminderAt: 1 } },
    { key: { position: 1 } },
  ],
};
