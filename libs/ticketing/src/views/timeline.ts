import type { EventMap, Instant, RecordedEvent } from '#eventsourcing';

/** Something else holds from this time on, and for what is known from this time on. */
export interface Cut {
  readonly from: Instant;
  readonly known: Instant;
}

/**
 * A state of an aggregate at certain times, as known at certain times. It holds at `asOf` and `knownAt` if neither is before `from` and
 * `known`, and no cut is at or before both of them.
 */
export interface Stretch<State> extends Cut {
  readonly state: State;
  /** Of the last event included. */
  readonly revision: number;
  readonly cuts: readonly Cut[];
}

interface Growing<State> extends Stretch<State> {
  readonly cuts: Cut[];
}

/**
 * The states of one aggregate at all times, by what happened and by what was known. For every pair of `asOf` and `knownAt`, the events that
 * had happened by the former and were known by the latter, folded in log order, give the state of exactly one stretch, or of none before
 * the first.
 *
 * Each event makes one stretch if events are recorded in the order in which they happened. A late one makes one more for each event that
 * happened after it: what was known before stays.
 */
export class Timeline<State, Events extends EventMap> {
  /** What holds by current knowledge, each until the next begins. */
  readonly #latest: Growing<State>[] = [];
  #known: Instant | undefined;

  constructor(
    private readonly initial: State,
    private readonly fold: (state: State, event: RecordedEvent<Events>) => State,
  ) {}

  /** Takes the next event of the stream. @returns the stretches that are new or have a new cut */
  add(event: RecordedEvent<Events>): readonly Stretch<State>[] {
    const { effectiveAt: from, recordedAt } = event.metadata;
    // An event is known once all before it are, whatever the machines' clocks said.
    const known = this.#known !== undefined && this.#known > recordedAt ? this.#known : recordedAt;
    this.#known = known;
    const later = this.#latest.splice(this.#latest.findLastIndex((stretch) => stretch.from <= from) + 1);
    const base = this.#latest.at(-1);
    base?.cuts.push({ from, known });
    if (base?.from === from) this.#latest.pop();
    const after = [{ from, state: base?.state ?? this.initial }, ...later].map(({ from, state }, index): Growing<State> => {
      const end = later[index]?.from;
      return {
        from,
        known,
        state: this.fold(state, event),
        revision: event.revision,
        cuts: end === undefined ? [] : [{ from: end, known }],
      };
    });
    for (const stretch of later) stretch.cuts.push({ from: stretch.from, known });
    this.#latest.push(...after);
    return [...(base === undefined ? [] : [base]), ...later, ...after];
  }
}
