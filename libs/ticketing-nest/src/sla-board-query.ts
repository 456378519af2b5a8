import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, type Instant, instantFrom, type Position, type Refusal } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import { boardCriteria, type BoardFilter, type BoardKey, boardLine, type BoardLine, slaBoard, type SlaBoardEntry } from '#ticketing';
import { type Page, ReadModels, readPage, waitForPosition } from './read-models.js';

/** Where a page of a board ended. */
export interface BoardPlaceOf {
  readonly due: string;
  readonly id: string;
}

/** A line with the ticket that it is of. */
export type SlaBoardLine = BoardLine & Pick<ViewDocument, '_id' | 'revision' | 'position'>;

/** Clocks that go on, whichever is due first first, as they stand now. */
export class SlaBoardQuery extends Query<SlaBoardPage | Refusal> {
  constructor(
    readonly key: BoardKey,
    readonly filter: BoardFilter,
    readonly limit: number,
    readonly after?: BoardPlaceOf,
    /** A position in the log that the board must have seen. */
    readonly atLeast?: Position,
  ) {
    super();
  }
}

export interface SlaBoardPage extends Page<SlaBoardLine> {
  readonly evaluatedAt: Instant;
  /** Where the page ends; absent when it is empty. */
  readonly end?: BoardPlaceOf;
}

@QueryHandler(SlaBoardQuery)
export class SlaBoardHandler implements IQueryHandler<SlaBoardQuery> {
  constructor(
    @Inject(ReadModels) private readonly models: ReadModels,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  async execute({ key, filter: wanted, limit, after, atLeast }: SlaBoardQuery): Promise<SlaBoardPage | Refusal> {
    const behind = await waitForPosition(this.models, this.store, slaBoard, atLeast);
    if (behind !== undefined) return behind;
    const evaluatedAt = instantFrom(Date.now());
    const { filter, sort } = boardCriteria(wanted, key, evaluatedAt, after);
    const { items: shown, more } = await readPage<ViewDocument<SlaBoardEntry>>(this.models, slaBoard.name, {
      filter,
      sort,
      limit,
      hidden: ['ticket'],
    });
    const items = shown.flatMap(({ _id, revision, position, ...entry }) => {
      const line = boardLine(entry as SlaBoardEntry, key, evaluatedAt);
      return line === undefined ? [] : [{ _id, ...line, revision, position }];
    });
    const last = shown.at(-1);
    const due = last?.places[key]?.due;
    return { items, more, evaluatedAt, ...(last && due ? { end: { due, id: last._id } } : {}) };
  }
}
