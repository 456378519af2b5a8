import { epochMillis, formatPosition, type Instant, isRefusal, type Position, type Refusal } from '#eventsourcing';
import { type Filters, Flow, FLOW_FIELDS, type FlowReport, isAmong, ticketFacts, ticketViews } from '#ticketing';
import type { ViewDocument } from '#mongo';
import { factsAt } from './facts-at.js';
import { boundOf, LOG_START, positionFor } from './kpi-query.js';
import { find, positionOfViews, reached, type Sources } from './read-models.js';

export interface FlowAsked {
  readonly from: Instant;
  readonly to: Instant;
  readonly filters: Pick<Filters, 'client' | 'service' | 'priority' | 'channel' | 'kind' | 'category'>;
  /** The position that it is told as of; as far as the views have come, unless given. */
  readonly at?: Position | undefined;
}

/** How the tickets that were opened in a period went through the tiers. */
export async function readFlow(sources: Sources, { from, to, filters, at }: FlowAsked): Promise<FlowReport | Refusal> {
  const position = await positionFor(sources, at);
  if (isRefusal(position)) return position;
  const [begin, end] = [epochMillis(from), epochMillis(to)];
  const flow = new Flow();
  const where = boundOf({ anchor: 'opened' }, { from: begin, to: end, filters });
  const dimensions = Object.entries(filters) as [keyof typeof filters, readonly string[]][];
  const fields = [...FLOW_FIELDS, ...dimensions.map(([dimension]) => dimension)];
  for await (const batch of factsAt(sources, position, { where, fields })) {
    for (const facts of batch) {
      // Tickets that have changed since come whatever is asked for.
      const opened = +facts.openedAt;
      const fits = dimensions.every(([dimension, wanted]) => isAmong(wanted, dimension, facts[dimension]));
      if (opened >= begin && opened < end && fits) flow.add(facts);
    }
  }
  return { from, to, filters: filters as FlowReport['filters'], ...flow.result(), position: formatPosition(position) };
}

export interface ExportAsked {
  /** Commit position up to which everything is known already. */
  readonly after?: Position | undefined;
}

/** The facts of all tickets that changed after a position, each once, in the order of their last change. */
export interface FactsExport {
  /** The position that the export goes up to: where the next one begins. */
  readonly upTo: string;
  readonly facts: AsyncIterable<ViewDocument>;
}

/** Facts as they are stored, in the order of their last change. What changes meanwhile comes with the next export. */
export async function exportFacts(sources: Sources, { after }: ExportAsked): Promise<FactsExport | Refusal> {
  const position = (await positionOfViews(sources, ticketViews.name)) ?? LOG_START;
  const { commit } = position;
  if (after !== undefined && after.commit > commit) {
    const known = await positionFor(sources, after);
    return isRefusal(known) ? known : exportFacts(sources, { after });
  }
  const changed = { position: { $gt: after === undefined ? -1 : Number(after.commit), $lte: Number(commit) } };
  // However long it is: it is read as fast as it is taken.
  const cursor = find<object>(sources, ticketFacts.name, changed).sort({ position: 1 }).batchSize(1_000).maxTimeMS(0);
  const facts = async function* (): AsyncGenerator<ViewDocument> {
    try {
      for (let next = await reached(cursor.next()); next !== null; next = await reached(cursor.next())) yield next as ViewDocument;
    } finally {
      await cursor.close();
    }
  };
  return { upTo: formatPosition(position), facts: facts() };
}
