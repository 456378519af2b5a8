import { type Instant, refuse, type Refusal, streamId } from '#eventsourcing';
import { type Audited, type AuditedEvent, type HistoryStep, inWords, policyReactions, type PolicyReaction } from '#ticketing';
import { databaseAnswer, find, type Page, type Sources } from './read-models.js';

/** Filters for events, combined with AND. Periods include `From` and exclude `To`. */
export interface HistoryFilter {
  /** Id of the actor or sender. */
  readonly actor?: string | undefined;
  readonly type?: readonly string[] | undefined;
  readonly happenedFrom?: Instant | undefined;
  readonly happenedTo?: Instant | undefined;
  readonly recordedFrom?: Instant | undefined;
  readonly recordedTo?: Instant | undefined;
}

export interface HistoryAsked {
  /** Id of the aggregate. */
  readonly id: string;
  readonly filter: HistoryFilter;
  readonly limit: number;
  /** Revision before the page; -1 for the first page. */
  readonly after: number;
  /** Revision that the history must have reached. */
  readonly atLeast?: number | undefined;
}

/** An event of a history, with its place, and the id of its aggregate under the name used in answers. */
export type HistoryLine = HistoryStep & { readonly _id: string; readonly revision: number; readonly position: number };

/** The history of one kind of aggregate: its events in order, from the log itself, each with its changes. */
export function historyOf({ aggregate: { noun, idName }, notFound, stream, read }: Audited) {
  return async (sources: Sources, { id, filter, limit, after, atLeast = 0 }: HistoryAsked): Promise<Page<HistoryLine> | Refusal> => {
    const readOne = read(sources.scope);
    const found: AuditedEvent[] = [];
    let last = -1;
    let seen = false;
    for await (const stored of sources.store.readStream(stream(id))) {
      const one = readOne(stored);
      last = stored.revision;
      if (one === undefined) continue;
      seen = true;
      if (last > after && fits(filter, one)) found.push(one);
      if (found.length > limit && last >= atLeast) break;
    }
    if (!seen) return refuse(notFound, `There is no such ${noun}`);
    if (last < atLeast) {
      return refuse('unknown-revision', `The ${noun} has no revision ${atLeast} yet`, [
        { field: 'atLeast', message: `must be a revision that the ${noun} has` },
      ]);
    }
    const page = found.slice(0, limit);
    const chain = await causes(sources, { stream: stream(id), id }, page);
    const items = page.map(({ event, changes }): HistoryLine => {
      const { id: eventId, type, data, metadata, revision, position } = event;
      return {
        _id: `${id}/${revision}`,
        ...{ [idName]: id },
        eventId,
        type,
        data: data as object,
        ...metadata,
        changes,
        inWords: inWords({ type, ...metadata }, changes),
        ...chain.of(event),
        revision,
        position: Number(position.commit),
      };
    });
    return { items, more: found.length > limit };
  };
}

function fits({ actor, type, happenedFrom, happenedTo, recordedFrom, recordedTo }: HistoryFilter, { event }: AuditedEvent): boolean {
  const { actor: by, sentBy, effectiveAt, recordedAt } = event.metadata;
  return (
    (actor === undefined || by.id === actor || sentBy?.id === actor) &&
    (type === undefined || type.includes(event.type)) &&
    within(effectiveAt, happenedFrom, happenedTo) &&
    within(recordedAt, recordedFrom, recordedTo)
  );
}

function within(at: Instant, from: Instant | undefined, to: Instant | undefined): boolean {
  return (from === undefined || at >= from) && (to === undefined || at < to);
}

/** The links of policies with events of a stream: their causes and their consequences. */
async function causes(
  sources: Pick<Sources, 'models'>,
  { stream, id }: { readonly stream: string; readonly id: string },
  page: readonly AuditedEvent[],
): Promise<{ readonly of: (event: AuditedEvent['event']) => Pick<HistoryStep, 'because' | 'ledTo'> }> {
  const commandIds = [...new Set(page.map(({ event }) => event.metadata.commandId))];
  const eventIds = page.map(({ event }) => event.id);
  const [caused, causing] = await Promise.all(
    [
      { 'reactions.id': id, 'reactions.commandId': { $in: commandIds } },
      { 'to.stream': stream, 'to.eventId': { $in: eventIds } },
    ].map((filter) => databaseAnswer(find<PolicyReaction>(sources, policyReactions.name, filter).sort({ position: 1 }).toArray())),
  );
  const because = new Map(
    (caused ?? []).flatMap(({ policy, to: { stream: of, revision, eventId, type }, reactions }) => {
      const category = of.slice(0, of.indexOf('-'));
      return reactions.map(({ commandId }) => [commandId, { policy, category, id: streamId(of), revision, eventId, type }] as const);
    }),
  );
  const ledTo = new Map<string, PolicyReaction[]>();
  for (const reaction of causing ?? []) ledTo.set(reaction.to.eventId, [...(ledTo.get(reaction.to.eventId) ?? []), reaction]);
  return {
    of: ({ id: eventId, metadata: { commandId } }) => {
      const cause = because.get(commandId);
      const commands = (ledTo.get(eventId) ?? []).flatMap(({ policy, reactions }) =>
        reactions.map(({ category, id: of, command, commandId: sent, outcome }) => ({
          policy,
          category,
          id: of,
          command,
          commandId: sent,
          outcome,
        })),
      );
      return { ...(cause && { because: cause }), ...(commands.length > 0 && { ledTo: commands }) };
    },
  };
}
