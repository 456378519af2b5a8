import { epochMillis, formatPosition, type Instant, isRefusal, type Position, type Refusal } from '#eventsourcing';
import { type Filters, Flow, FLOW_FIELDS, type FlowReport, isAmong } from '#ticketing';
import { factsAt } from './facts-at.js';
import { boundOf, positionFor } from './kpi-query.js';
import type { Sources } from './read-models.js';

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
