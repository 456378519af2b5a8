import { epochMillis, formatPosition, type Instant, isRefusal, type Position, readAggregate, type Refusal } from '#eventsourcing';
import {
  type AgentDocument,
  agents,
  CAPACITY_FIELDS,
  capacityOf,
  type CapacityReport,
  contract,
  contractInForce,
  type Contract,
  defaultContract,
  type Facts,
  omitUndefined,
  requiredSkills,
  type Team,
  teams,
} from '#ticketing';
import { openedTickets, positionFor } from './kpi-query.js';
import { databaseAnswer, find, type Sources } from './read-models.js';

export interface CapacityAsked {
  readonly from: Instant;
  readonly to: Instant;
  readonly client?: string | undefined;
  /** Position as of which to answer; default: the position of the views. */
  readonly at?: Position | undefined;
}

/** What the desk lacks for the tickets opened in a period, given its current teams, agents and contracts. */
export async function readCapacity(sources: Sources, { from, to, client, at }: CapacityAsked): Promise<CapacityReport | Refusal> {
  const position = await positionFor(sources, at);
  if (isRefusal(position)) return position;
  const [begin, end] = [epochMillis(from), epochMillis(to)];
  const filters = client === undefined ? {} : { client: [client] };
  const tickets: Facts[] = [];
  for await (const batch of openedTickets(sources, position, { from: begin, to: end, filters }, CAPACITY_FIELDS)) tickets.push(...batch);
  const terms = new Map<string, Contract>();
  for (const name of new Set(tickets.map((one) => one.client))) {
    const { state } = await readAggregate(sources.store, contract, name);
    terms.set(name, contractInForce(state, to)?.terms ?? defaultContract);
  }
  const zone = client === undefined ? 'Etc/UTC' : (terms.get(client) ?? defaultContract).calendar.zone;
  const [known, people] = await Promise.all([
    databaseAnswer(find<Team>(sources, teams.name, {}).toArray()),
    databaseAnswer(find<AgentDocument>(sources, agents.name, {}).toArray()),
  ]);
  const skillsOf = (of: string, category: string) => requiredSkills({ category }, terms.get(of) ?? defaultContract);
  const told = capacityOf(tickets, { from: begin, to: end, zone, teams: known, agents: people, skillsOf });
  return omitUndefined({ from, to, client, zone, ...told, position: formatPosition(position) });
}
