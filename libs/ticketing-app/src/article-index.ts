import type MiniSearch from 'minisearch';
import { databaseAnswer, QUERY_WITHIN_MS, ReadModels } from './read-model-database.js';
import { type Article, articles } from '#ticketing';

type Indexed = Article & { readonly _id: string; readonly position: number };

/** Ignores case, and the diacritics of Latin, Greek and Cyrillic: those of other scripts are separate letters. */
function processTerm(word: string): string {
  return word
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase();
}

/** The searchable text of a field: for steps, the action and its instructions. */
function wordsOf(published: Indexed['published'] | undefined, field: string): string {
  const { title = '', text = '', steps = [] } = published ?? {};
  if (field !== 'steps') return field === 'title' ? title : text;
  return steps.map((step) => `${step.title} ${step.instruction ?? ''}`).join(' ');
}

/** An empty index. Its library and the rules for words are loaded on demand, since most processes never search. */
async function emptyIndex(): Promise<MiniSearch<Indexed>> {
  const { default: MiniSearch } = await import('minisearch');
  const words = new Intl.Segmenter(undefined, { granularity: 'word' });
  return new MiniSearch<Indexed>({
    idField: '_id',
    fields: ['title', 'text', 'steps'],
    extractField: ({ _id, published }, field) => (field === '_id' ? _id : wordsOf(published, field)),
    // The words of a text, also in scripts without spaces.
    tokenize: (text) => [...words.segment(text)].flatMap(({ segment, isWordLike }) => (isWordLike ? [segment] : [])),
    processTerm,
    // Allows typing errors in words long enough to remain distinct.
    searchOptions: { boost: { title: 3 }, prefix: (term) => term.length > 2, fuzzy: (term) => (term.length > 4 ? 0.2 : false) },
  });
}

/** Further hits are ignored: the best come first. */
const MOST_HITS = 1_000;

const kept = new WeakMap<ReadModels, ArticleIndex>();

/**
 * The words of all published articles, in the memory of this process. It returns only ids; the view decides what may be read. Brought up to
 * date with the view on each query.
 */
export class ArticleIndex {
  #index: MiniSearch<Indexed> | undefined;
  #position = -1;
  #following: Promise<unknown> = Promise.resolve();

  private constructor(private readonly models: ReadModels) {}

  static of(models: ReadModels): ArticleIndex {
    let index = kept.get(models);
    if (index === undefined) kept.set(models, (index = new ArticleIndex(models)));
    return index;
  }

  /** Ids of articles with some of the words, misspellings and beginnings of words included, best first. @throws StoreUnavailable */
  async search(query: string): Promise<readonly string[]> {
    const follow = () => this.#follow();
    const following = this.#following.then(follow, follow);
    this.#following = following;
    return (await following)
      .search(query)
      .slice(0, MOST_HITS)
      .map(({ id }) => id as string);
  }

  /** Applies the changes in the view. A rebuilt view has the same positions. */
  async #follow(): Promise<MiniSearch<Indexed>> {
    const index = (this.#index ??= await emptyIndex());
    const changed = this.models.db
      .collection<Indexed>(articles.name)
      .find({ position: { $gt: this.#position } }, { maxTimeMS: QUERY_WITHIN_MS })
      .sort({ position: 1 });
    for (const article of await databaseAnswer(changed.toArray())) {
      if (index.has(article._id)) index.discard(article._id);
      if (article.published !== undefined) index.add(article as Indexed);
      this.#position = article.position;
    }
    return index;
  }
}
