import type MiniSearch from 'minisearch';
import { databaseAnswer, QUERY_WITHIN_MS, ReadModels } from './read-model-database.js';
import { type Article, articles } from '#ticketing';

type Indexed = Article & { readonly _id: string; readonly position: number };

/** Without case, and without the diacritics of Latin, Greek and Cyrillic: those of other scripts are signs of their own. */
function processTerm(word: string): string {
  return word
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase();
}

/** What is found by a field: of steps, what is done and how. */
function wordsOf(published: Indexed['published'] | undefined, field: string): string {
  const { title = '', text = '', steps = [] } = published ?? {};
  if (field !== 'steps') return field === 'title' ? title : text;
  return steps.map((step) => `${step.title} ${step.instruction ?? ''}`).join(' ');
}

/** An index with nothing in it. Its library and the rules of words are loaded here, for most processes search nothing. */
async function emptyIndex(): Promise<MiniSearch<Indexed>> {
  const { default: MiniSearch } = await import('minisearch');
  const words = new Intl.Segmenter(undefined, { granularity: 'word' });
  return new MiniSearch<Indexed>({
    idField: '_id',
    fields: ['title', 'text', 'steps'],
    extractField: ({ _id, published }, field) => (field === '_id' ? _id : wordsOf(published, field)),
    // The words of a text, also of scripts that have no spaces.
    tokenize: (text) => [...words.segment(text)].flatMap(({ segment, isWordLike }) => (isWordLike ? [segment] : [])),
    processTerm,
    // Typing errors, where a word is long enough to be told from others.
    searchOptions: { boost: { title: 3 }, prefix: (term) => term.length > 2, fuzzy: (term) => (term.length > 4 ? 0.2 : false) },
  });
}

/** More than these are not looked at: what is best comes first. */
const MOST_HITS = 1_000;

const kept = new WeakMap<ReadModels, ArticleIndex>();

/**
 * The words of all published articles, in the memory of this process: it is asked for ids alone, and what of them may be read the view decides.
 * Brought up to date with the view whenever it is asked.
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

  /** Articles with some of the words, or words that begin so or are misspelt, best first: their ids. @throws StoreUnavailable */
  async search(query: string): Promise<readonly string[]> {
    const follow = () => this.#follow();
    const following = this.#following.then(follow, follow);
    this.#following = following;
    return (await following)
      .search(query)
      .slice(0, MOST_HITS)
      .map(({ id }) => id as string);
  }

  /** Takes in what has changed in the view. A view that was built anew has the same positions. */
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
