import { type Instant, isRefusal, readAggregate, refuse, type Refusal, streamName } from '#eventsourcing';
import {
  absenceAt,
  account,
  type Account,
  shownAccount,
  agent,
  type ActionOfProblem,
  type ActionState,
  type AgentDocument,
  type AgentState,
  agents,
  type ClientContract,
  agreedWith,
  contract,
  contracts,
  contractViews,
  credential,
  isOverdue,
  isWithinReach,
  type Key,
  onCall,
  onCallViews,
  type OnCallNow,
  type OnCallSchedule,
  omitUndefined,
  type PreventiveAction,
  type Privacy,
  privacy,
  problem,
  type ProblemRecord,
  problems,
  type ProblemStatus,
  seesFilter,
  seesTeam,
  shiftAt,
  shown,
  shownAgent,
  shownTeam,
  team,
  ticketDetails,
  type TeamNow,
} from '#ticketing';
import { type AtRevision, readKnown } from './at-revision.js';
import { evaluatedAt, isPast, readPast, type When } from './past.js';
import { type ByName, databaseAnswer, find, type Page, readByIds, readByName, readParts, type Sources } from './read-models.js';
import { noFilter, readTicketFilter, savedTicketList } from './saved-filters.js';
import type { TicketListAsked } from './ticket-list-parameters.js';
import { ofWords } from './ticket-list-query.js';
import { whoIsOnCall } from './who-is-on-call.js';

/** The agreement with a client, now or at another time. */
export async function readContract(
  sources: Sources,
  { client, ...when }: { readonly client: string } & When,
): Promise<AtRevision<ClientContract> | Refusal<'contract-not-found'>> {
  const { state, revision } = isPast(when)
    ? ((await readPast(sources, contractViews, streamName(contract, client), when)) ?? { state: null, revision: -1 })
    : await readAggregate(sources.store, contract, client);
  const agreed = agreedWith(state);
  return agreed === null
    ? refuse('contract-not-found', 'No contract was agreed with this client: the default contract applies')
    : { state: agreed, revision };
}

/** Filters for problems, combined with AND. */
export interface ProblemsAsked extends ByName {
  /** Words that its text must all have; one that ends with `*` matches all words with that beginning. */
  readonly q?: string | undefined;
  readonly client?: string | undefined;
  readonly status?: ProblemStatus | undefined;
  readonly service?: string | undefined;
  readonly component?: string | undefined;
  readonly category?: string | undefined;
  /** Id of a linked ticket. */
  readonly ticket?: string | undefined;
  /** Whether one of its preventive actions is overdue at an instant. */
  readonly overdue?: { readonly is: boolean; readonly at: Instant } | undefined;
}

/** Problems by id. */
export function readProblems(
  sources: Sources,
  { q, client, status, service, component, category, ticket: tickets, overdue, limit, after }: ProblemsAsked,
): Promise<Page<ProblemRecord>> {
  const dueBy = overdue && { $lte: overdue.at };
  const nextActionDueAt = overdue?.is === false ? { $not: dueBy } : dueBy;
  // All names that begin with `<category>/`: '0' is the character after '/'.
  const below = category && { $or: [{ category }, { category: { $gt: `${category}/`, $lt: `${category}0` } }] };
  const $and = q === undefined ? undefined : [{}, ...ofWords(q)];
  const where = omitUndefined({ client, status, service, component, tickets, nextActionDueAt, ...below, $and });
  return readByName<ProblemRecord>(sources, { view: problems.name, where, limit, after, hidden: ['words'] });
}

/** Filters for preventive actions, combined with AND. */
export interface ActionsAsked {
  readonly client?: string | undefined;
  readonly state?: ActionState | undefined;
  /** Id of the owner. */
  readonly owner?: string | undefined;
  readonly overdue?: boolean | undefined;
  readonly now: Instant;
  readonly limit: number;
  /** Due instant, problem and name of the last item of the previous page. */
  readonly after?: readonly [dueAt: string, problemId: string, action: string] | undefined;
}

/** Preventive actions of all problems, sorted by due time. */
export async function readPreventiveActions(
  sources: Sources,
  { client, state, owner, overdue, now, limit, after }: ActionsAsked,
): Promise<Page<ActionOfProblem>> {
  const late = { 'actions.state': 'planned', 'actions.dueAt': { $lte: now } };
  const fitting = [
    ...(state === undefined ? [] : [{ 'actions.state': state }]),
    ...(owner === undefined ? [] : [{ 'actions.owner.id': owner }]),
    ...(overdue === undefined ? [] : [overdue ? late : { $nor: [late] }]),
  ];
  const [dueAt, problemId, action] = after ?? [];
  const [later, sameTime] = [{ 'actions.dueAt': { $gt: dueAt } }, { 'actions.dueAt': dueAt }];
  const next = [later, { ...sameTime, _id: { $gt: problemId } }, { ...sameTime, _id: problemId, 'actions.action': { $gt: action } }];
  const { items, more } = await readParts<ProblemRecord & { readonly actions: PreventiveAction }>(sources, problems.name, {
    filter: {
      ...omitUndefined({ client }),
      ...(overdue === true ? { nextActionDueAt: { $lte: now } } : { 'actions.0': { $exists: true } }),
    },
    part: 'actions',
    partFilter: { $and: [...fitting, after === undefined ? {} : { $or: next }] },
    sort: { 'actions.dueAt': 1, _id: 1, 'actions.action': 1 },
    limit,
  });
  return {
    items: items.map(({ problemId, client, title, actions: one }) => ({
      problemId,
      client,
      title,
      ...one,
      overdue: isOverdue(one, now),
    })),
    more,
  };
}

/** A problem. */
export function readProblem(
  sources: Sources,
  { id }: { readonly id: string },
): Promise<AtRevision<ProblemRecord> | Refusal<'problem-not-found'>> {
  return readKnown(sources, problem, id, refuse('problem-not-found', 'There is no such problem'));
}

/** Retention and erasure of personal data of a client's people. */
export function readPrivacy(
  sources: Sources,
  { client }: { readonly client: string },
): Promise<AtRevision<Privacy> | Refusal<'privacy-not-found'>> {
  return readKnown(sources, privacy, client, refuse('privacy-not-found', 'Nothing was said of the privacy of that client'));
}

/** A team, with its members on shift at an instant. */
export async function readTeam(
  sources: Sources,
  { id, at }: { readonly id: string; readonly at: Instant },
): Promise<AtRevision<TeamNow> | Refusal<'team-not-found'>> {
  const { state, revision } = await readAggregate(sources.store, team, id);
  if (state === null || !seesTeam(sources.scope, state)) return refuse('team-not-found', 'There is no such team');
  const members = await readByIds<AgentDocument>(sources, { view: agents.name, ids: state.members });
  const onShift = members.flatMap((agent) => {
    const shift = agent.active && absenceAt(agent, at) === undefined ? shiftAt(state, agent.agent, at) : undefined;
    return shift === undefined ? [] : [{ agent: agent.agent, name: agent.name, shift: shift.name }];
  });
  return { state: { ...shownTeam(sources.scope, state), at, onShift }, revision };
}

/** A member of the service desk. */
export async function readAgent(
  { store, scope }: Sources,
  { id }: { readonly id: string },
): Promise<AtRevision<NonNullable<AgentState>> | Refusal<'agent-not-found'>> {
  const { state, revision } = await readAggregate(store, agent, id);
  return state === null ? refuse('agent-not-found', 'There is no such agent') : { state: shownAgent(scope, state), revision };
}

/** The agreement with each client, by name, now or at another time. A page for another time is shorter if a client had no agreement yet. */
export async function readContracts(
  sources: Sources,
  { limit, after, ...when }: ByName & When,
): Promise<Page<ClientContract> & { readonly end?: string }> {
  const page = await readByName<ClientContract>(sources, { view: contracts.name, limit, after });
  const end = page.items.at(-1)?.client;
  const items = isPast(when)
    ? (await Promise.all(page.items.map(({ client }) => readPast(sources, contractViews, streamName(contract, client), when)))).flatMap(
        (past) => agreedWith(past?.state ?? null) ?? [],
      )
    : page.items;
  return { items, more: page.more, ...(end !== undefined && { end }) };
}

/** An on-call schedule, now or at another time. */
export async function readOnCallSchedule(
  sources: Sources,
  { schedule, ...when }: { readonly schedule: string } & When,
): Promise<AtRevision<NonNullable<OnCallSchedule>> | Refusal<'on-call-not-found'>> {
  const { state, revision } = isPast(when)
    ? ((await readPast(sources, onCallViews, streamName(onCall, schedule), when)) ?? { state: null, revision: -1 })
    : await readAggregate(sources.store, onCall, schedule);
  return state === null ? refuse('on-call-not-found', 'There is no such schedule') : { state, revision };
}

/** A schedule, and who is on call in it at an instant, by the current rotations, overrides and absences or those of another time. */
export async function readOnCall(
  sources: Sources,
  { schedule, at: asked, ...when }: { readonly schedule: string; readonly at?: Instant | undefined } & When,
): Promise<AtRevision<OnCallNow> | Refusal<'on-call-not-found'>> {
  const at = asked ?? evaluatedAt(when);
  const found = await readOnCallSchedule(sources, { schedule, ...when });
  if (isRefusal(found)) return found;
  const { person, passedOver } = await whoIsOnCall(sources, found.state, at, when);
  const now = {
    ...found.state,
    at,
    ...(person === undefined ? {} : { onCall: person }),
    ...(passedOver.length === 0 ? {} : { passedOver }),
  };
  return { state: now, revision: found.revision };
}

/** A saved filter. */
export async function readFilter({ store, scope }: Sources, { name }: { readonly name: string }) {
  const found = await readTicketFilter(store, name);
  return isRefusal(found) || seesFilter(scope, found.filter) ? found : noFilter();
}

/** The query of a saved filter. */
export async function readSavedList(sources: Sources, { name }: { readonly name: string }): Promise<TicketListAsked | Refusal> {
  const found = await readFilter(sources, { name });
  return isRefusal(found) ? found : savedTicketList(sources.store, name);
}

/** Content belongs to the clients whose tickets have it as evidence. */
export async function readAttachment(
  sources: Sources,
  { sha256 }: { readonly sha256: string },
): Promise<{ readonly allowed: true } | Refusal<'attachment-not-found'>> {
  if (sources.scope.clients === 'all') return { allowed: true };
  const found = await databaseAnswer(find(sources, ticketDetails.name, { 'evidence.sha256': sha256 }, { _id: 1 }).limit(1).toArray());
  return found.length > 0 ? { allowed: true } : refuse('attachment-not-found', 'There is no such attachment');
}

/** An account that sees no clients beyond the reader's. */
export async function readAccount(
  { store, scope }: Sources,
  { id }: { readonly id: string },
): Promise<AtRevision<Account> | Refusal<'account-not-found'>> {
  const { state, revision } = await readAggregate(store, account, id);
  return state === null || !isWithinReach(scope, state.principal)
    ? refuse('account-not-found', 'There is no such account')
    : { state: shownAccount(state), revision };
}

/** The account that someone is logged in to. @param asked.id undefined if there is none */
export async function readOwnAccount(
  { store }: Sources,
  { id }: { readonly id: string | undefined },
): Promise<Account | Refusal<'no-account'>> {
  const state = id === undefined ? null : (await readAggregate(store, account, id)).state;
  return state === null ? refuse('no-account', 'This requires a login to an account') : shownAccount(state);
}

/** A key that sees no clients beyond the reader's, without its secret. */
export async function readKey(
  { store, scope }: Sources,
  { key }: { readonly key: string },
): Promise<AtRevision<Key> | Refusal<'key-not-found'>> {
  const { state, revision } = await readAggregate(store, credential, key);
  return state === null || !isWithinReach(scope, state.principal)
    ? refuse('key-not-found', 'There is no such key')
    : { state: shown(state), revision };
}
