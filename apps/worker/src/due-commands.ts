import { type Aggregate, deterministicId, type EventStore, type Instant, StreamDeleted } from '#eventsourcing';
import type { AnyGroup, LookedAt, Mongo, ViewDocument } from '#mongo';
import { TIMEKEEPER } from '#ticketing';
import { runSystemCommand } from '#ticketing-app';

/** Documents read per look. */
const LOOK = 500;

/** A command without a body, sent to an aggregate when an instant in its view has come. */
export interface Due<Of extends Aggregate> {
  readonly aggregate: Of;
  readonly group: AnyGroup;
  readonly view: { readonly name: string };
  /** The field of the view with the instant. */
  readonly field: string;
  readonly command: keyof Of['commands'] & string;
}

/** Sends what is due to each aggregate whose view has changed since the last command. Part of the timekeeper. */
export class DueCommands<Of extends Aggregate> {
  readonly #documents;
  /** Revision of an aggregate when a command was sent: nothing new is known until the view changes. */
  readonly #handled = new Map<string, number>();

  constructor(
    private readonly store: EventStore,
    db: Mongo['db'],
    private readonly due: Due<Of>,
  ) {
    this.#documents = db.collection<ViewDocument<Readonly<Record<string, Instant>>>>(due.view.name);
  }

  /** The first instant in the last look: if nothing was due, the next one. */
  #first: Instant | undefined;

  /** @returns how many commands were sent */
  async look(now: Instant, _: AbortSignal, isFresh: LookedAt['isFresh']): Promise<number> {
    const { aggregate, group, field, command: name } = this.due;
    if (isFresh(group)) this.#first = await this.#firstAfter('');
    if (this.#first === undefined || this.#first > now) return 0;
    const due = await this.#documents
      .find({ [field]: { $lte: now } } as object, { projection: { revision: 1 } })
      .sort({ [field]: 1 })
      .limit(LOOK)
      .toArray();
    const fresh = due.filter(({ _id, revision }) => revision > (this.#handled.get(_id) ?? -1));
    for (const { _id, revision } of fresh) {
      const commandId = deterministicId('timekeeper', aggregate.category, _id, String(revision));
      const context = { commandId, actor: TIMEKEEPER, correlationId: commandId, causationId: commandId };
      await unlessDeleted(runSystemCommand(this.store, { aggregate, id: _id, name, body: {} as never, context }));
      this.#handled.set(_id, revision);
    }
    return fresh.length;
  }

  /** When something will be due, according to the last look. @param now of that look */
  async nextDue(now: Instant): Promise<Instant | undefined> {
    return this.#first !== undefined && this.#first <= now ? this.#firstAfter(now) : this.#first;
  }

  async #firstAfter(time: Instant | ''): Promise<Instant | undefined> {
    const { field } = this.due;
    const [first] = await this.#documents
      .find({ [field]: { $gt: time } } as object, { projection: { [field]: 1 } })
      .sort({ [field]: 1 })
      .limit(1)
      .toArray();
    return first?.[field] as Instant | undefined;
  }
}

/** A tombstoned aggregate keeps its document: nothing can be done about it, now or later. */
export async function unlessDeleted<Sent>(sent: Promise<Sent>): Promise<Sent | undefined> {
  try {
    return await sent;
  } catch (error) {
    if (error instanceof StreamDeleted) return undefined;
    throw error;
  }
}
