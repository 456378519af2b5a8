import { epochMillis, formatPosition, type Instant, isRefusal, type Position, type Refusal } from '#eventsourcing';
import { Flow, FLOW_FIELDS, type FlowReport } from '#ticketing';
import { type FiltersOfTicket, openedTickets, positionFor } from './kpi-query.js';
import type { Sources } from './read-models.js';

export interface FlowAsked {
  readonly from: Instant;
  readonly to: Instant;
  readonly filters: FiltersOfTicket;
  /** Position as of which to answer; default: the position of the views. */
  readonly at?: Position | undefined;
}

/** How the tickets opened in a period went through the tiers. */
export async function readFlow(sources: Sources, { from, to, filters, at }: FlowAsked): Promise<FlowReport | Refusal> {
  const position = await positionFor(sources, at);
  if (isRefusal(position)) return position;
  const [begin, end] = [epochMillis(from), epochMillis(to)];
  const flow = new Flow();
  for await (const batch of openedTickets(sources, position, { from: begin, to: end, filters }, FLOW_FIELDS))
    for (const facts of batch) flow.add(facts);
  return { from, to, filters: filters as FlowReport['filters'], ...flow.result(), position: formatPosition(position) };
}
