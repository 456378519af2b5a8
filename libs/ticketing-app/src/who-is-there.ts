import { type EventStore, type Instant, readAggregate, StreamDeleted } from '#eventsourcing';
import {
  absenceAt,
  actionsToRemindOf,
  account,
  agent,
  type AgentState,
  answersAt,
  type ArticleState,
  type ClockedTicketState,
  type Contact,
  type EscalationTarget,
  inOrder,
  type MajorIncidentState,
  onCall,
  type OwnersReached,
  type Person,
  type ProblemState,
  type Reach,
  seesClient,
  targetName,
  targetsDue,
  team,
  type WhoIsThere,
} from '#ticketing';

/**
 * Who could now be notified of the due steps of a ticket's escalation policies, according to the log. Someone whom the desk does not know
 * counts as present.
 */
export async function whoIsThere(store: EventStore, ticket: ClockedTicketState, now: Instant): Promise<WhoIsThere> {
  const targets = targetsDue(ticket?.sla?.chains ?? [], now);
  const desk = new Desk(store, now);
  const named = new Set<string>();
  const teams = new Set<string>();
  const schedules = new Set<string>();
  for (const target of targets) {
    if (target.kind === 'person') named.add(target.person.id);
    else if (target.kind === 'team') teams.add(target.team);
    else if (target.kind === 'on-call') schedules.add(target.schedule);
    else if (ticket?.assignee !== undefined) named.add(ticket.assignee.id);
  }
  const onCall = await those(schedules, (schedule) => desk.onCall(schedule));
  const away = await those(named, (id) => desk.away(id));
  const persons = [...Object.values(onCall), ...Object.values(away).flatMap(({ deputy }) => deputy ?? [])].map(({ id }) => id);
  const reach = new Map<string, Reach>();
  for (const target of [
    ...[...named, ...persons].map((id): EscalationTarget => ({ kind: 'person', person: { id } })),
    ...[...teams].map((team): EscalationTarget => ({ kind: 'team', team })),
  ]) {
    const found = await reachOf(store, target, ticket?.client ?? '');
    if (found !== undefined) reach.set(targetName(target), found);
  }
  return { onCall, away, empty: await those(teams, (id) => desk.empty(id)), reach: Object.fromEntries(reach) };
}

/** How the owners of preventive actions that are due by now are reached, according to the log. */
export function ownersReached(store: EventStore, problem: ProblemState, now: Instant): Promise<OwnersReached> {
  const owners = new Set(actionsToRemindOf(problem, now).map(({ owner }) => owner.id));
  return those(owners, (id) => reachOf(store, { kind: 'person', person: { id } }, problem?.client ?? ''));
}

/** How the owner of an overdue review is reached; undefined if nobody must be reminded. */
export async function ownerOfReviewReached(store: EventStore, incident: MajorIncidentState, now: Instant): Promise<Reach | undefined> {
  const { client, review, nextReminderAt } = incident ?? {};
  if (client === undefined || review?.owner === undefined || nextReminderAt === undefined || nextReminderAt > now) return undefined;
  return reachOf(store, { kind: 'person', person: review.owner }, client);
}

/** How the owner of an article with an overdue review is reached; undefined if nobody must be reminded. */
export async function ownerOfArticleReached(store: EventStore, article: ArticleState, now: Instant): Promise<Reach | undefined> {
  const { client = '', owner, nextReminderAt } = article ?? {};
  if (owner === undefined || nextReminderAt === undefined || nextReminderAt > now) return undefined;
  return reachOf(store, { kind: 'person', person: owner }, client);
}

async function reachOf(store: EventStore, target: EscalationTarget, client: string): Promise<Reach | undefined> {
  const found = await contactOf(store, target, client);
  return found === undefined || found === 'not-of-client' ? found : meansOf(found);
}

/** The contact of a person or team, if known, unless they may not see the client's tickets. */
export async function contactOf(
  store: EventStore,
  target: EscalationTarget,
  client: string,
): Promise<Contact | 'not-of-client' | undefined> {
  if (target.kind === 'team') {
    const { state } = await readAggregate(store, team, target.team).catch(deleted);
    if (state?.clients?.includes(client) === false) return 'not-of-client';
    return state?.contact;
  }
  if (target.kind !== 'person') return undefined;
  const { id } = target.person;
  const { state } = await readAggregate(store, agent, id).catch(deleted);
  // People who have left get no more messages.
  if (state?.contact === undefined || !state.active) return undefined;
  // An account may see less than its contact allows; most people have no account here.
  const { state: known } = await readAggregate(store, account, id).catch(deleted);
  const isSeen = known === null || (known.suspendedAt === undefined && seesClient(known.principal, client));
  return isSeen && seesClient(state.contact, client) ? state.contact : 'not-of-client';
}

function meansOf({ email, channel }: Contact): Exclude<Reach, string> {
  return [...(email === undefined ? [] : [{ by: 'email' as const }]), ...(channel === undefined ? [] : [{ by: 'chat' as const, channel }])];
}

type Away = NonNullable<WhoIsThere['away']>[string];
type Empty = NonNullable<WhoIsThere['empty']>[string];

/** Agents, teams and schedules from the log, each read once. */
class Desk {
  readonly #agents = new Map<string, Promise<AgentState>>();

  constructor(
    private readonly store: EventStore,
    private readonly now: Instant,
  ) {}

  async onCall(schedule: string): Promise<Person | undefined> {
    const state = (await readAggregate(this.store, onCall, schedule).catch(deleted)).state;
    const absent = new Map<string, Person | undefined>();
    for (const { id } of inOrder(state, this.now))
      if (!absent.has(id) && (await this.#isAway(id))) absent.set(id, await deputyOf(await this.#agent(id), this.now, this.#agent));
    return answersAt(
      state,
      this.now,
      ({ id }) => !absent.has(id),
      ({ id }) => absent.get(id),
    ).person;
  }

  /** Why someone is away; for an absent person with the deputy, if present. */
  async away(id: string): Promise<Away | undefined> {
    const state = await this.#agent(id);
    if (state === null || !(await this.#isAway(id))) return undefined;
    if (!state.active) return { because: 'left' };
    const deputy = await deputyOf(state, this.now, this.#agent);
    return { because: 'absent', ...(deputy === undefined ? {} : { deputy }) };
  }

  async empty(id: string): Promise<Empty | undefined> {
    const { state } = await readAggregate(this.store, team, id).catch(deleted);
    if (state === null) return undefined;
    let members = 0;
    for (const member of state.members) {
      if (!(await this.#isAway(member))) return undefined;
      if ((await this.#agent(member))?.active) members++;
    }
    return members === 0 ? 'no-members' : 'all-absent';
  }

  async #isAway(id: string): Promise<boolean> {
    return isAway(await this.#agent(id), this.now);
  }

  readonly #agent = (id: string): Promise<AgentState> => {
    const known =
      this.#agents.get(id) ??
      readAggregate(this.store, agent, id).then(
        ({ state }) => state,
        (error: unknown) => deleted(error).state,
      );
    this.#agents.set(id, known);
    return known;
  };
}

/** Someone whom the desk does not know counts as present. */
export function isAway(state: AgentState, now: Instant): boolean {
  return state !== null && (!state.active || absenceAt(state, now) !== undefined);
}

/** The first one present in a chain of deputies, starting with the deputy of someone absent. @param read agents by id */
export async function deputyOf(absent: AgentState, now: Instant, read: (id: string) => Promise<AgentState>): Promise<Person | undefined> {
  const asked = new Set<string>();
  for (let state = absent; state?.active === true;) {
    const id = absenceAt(state, now)?.deputy;
    if (id === undefined || asked.has(id)) return undefined;
    asked.add(id);
    state = await read(id);
    if (!isAway(state, now)) return { id, ...(state === null ? {} : { name: state.name }) };
  }
  return undefined;
}

/** The stream was tombstoned: nothing is known of it. */
function deleted(error: unknown): { readonly state: null } {
  if (error instanceof StreamDeleted) return { state: null };
  throw error;
}

async function those<Found>(
  keys: Iterable<string>,
  find: (key: string) => Promise<Found | undefined>,
): Promise<Readonly<Record<string, Found>>> {
  const found: [string, Found][] = [];
  for (const key of keys) {
    const value = await find(key);
    if (value !== undefined) found.push([key, value]);
  }
  return Object.fromEntries(found);
}
