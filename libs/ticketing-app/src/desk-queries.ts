import { type Instant, readAggregate, refuse, type Refusal } from '#eventsourcing';
import {
  absenceAt,
  agent,
  type AgentDocument,
  type AgentState,
  agents,
  type ClientContract,
  contract,
  onCall,
  type OnCallNow,
  type OnCallSchedule,
  shiftAt,
  team,
  type TeamNow,
} from '#ticketing';
import { readByIds, type Sources } from './read-models.js';
import { whoIsOnCall } from './who-is-on-call.js';

/** An aggregate as the log has it now, with its revision. */
export interface AtRevision<State> {
  readonly state: State;
  readonly revision: number;
}

/** What is agreed with a client. */
export async function readContract(
  { store }: Sources,
  { client }: { readonly client: string },
): Promise<AtRevision<ClientContract> | Refusal<'contract-not-found'>> {
  const { state, revision } = await readAggregate(store, contract, client);
  return state === null
    ? refuse('contract-not-found', 'Nothing was agreed with that client: the default contract holds')
    : { state, revision };
}

/** A team, and who of it is there at an instant. */
export async function readTeam(
  sources: Sources,
  { id, at }: { readonly id: string; readonly at: Instant },
): Promise<AtRevision<TeamNow> | Refusal<'team-not-found'>> {
  const { state, revision } = await readAggregate(sources.store, team, id);
  if (state === null) return refuse('team-not-found', 'There is no such team');
  const members = await readByIds<AgentDocument>(sources, { view: agents.name, ids: state.members });
  const onShift = members.flatMap((agent) => {
    const shift = agent.active && absenceAt(agent, at) === undefined ? shiftAt(state, agent.agent, at) : undefined;
    return shift === undefined ? [] : [{ agent: agent.agent, name: agent.name, shift: shift.name }];
  });
  return { state: { ...state, at, onShift }, revision };
}

/** Somebody who works at the desk. */
export async function readAgent(
  { store }: Sources,
  { id }: { readonly id: string },
): Promise<AtRevision<NonNullable<AgentState>> | Refusal<'agent-not-found'>> {
  const { state, revision } = await readAggregate(store, agent, id);
  return state === null ? refuse('agent-not-found', 'There is no such agent') : { state, revision };
}

/** An on-call schedule. */
export async function readOnCallSchedule(
  { store }: Sources,
  { schedule }: { readonly schedule: string },
): Promise<AtRevision<NonNullable<OnCallSchedule>> | Refusal<'on-call-not-found'>> {
  const { state, revision } = await readAggregate(store, onCall, schedule);
  return state === null ? refuse('on-call-not-found', 'There is no such schedule') : { state, revision };
}

/** A schedule, and who is on call in it at an instant. */
export async function readOnCall(
  sources: Sources,
  { schedule, at }: { readonly schedule: string; readonly at: Instant },
): Promise<AtRevision<OnCallNow> | Refusal<'on-call-not-found'>> {
  const found = await readOnCallSchedule(sources, { schedule });
  if ('refused' in found) return found;
  const { person, passedOver } = await whoIsOnCall(sources.models, found.state, at);
  const now = {
    ...found.state,
    at,
    ...(person === undefined ? {} : { onCall: person }),
    ...(passedOver.length === 0 ? {} : { passedOver }),
  };
  return { state: now, revision: found.revision };
}
