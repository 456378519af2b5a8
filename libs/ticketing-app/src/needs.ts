import {
  type Actor,
  epochMillis,
  type EventStore,
  type Fault,
  type Instant,
  isRefusal,
  parseInstant,
  readAggregate,
  refuse,
  StreamDeleted,
  streamName,
  upcast,
  UUID,
} from '#eventsourcing';
import {
  agent,
  article,
  type AgentAtWork,
  type AlertFacts,
  type AlertState,
  areOfOneCustomer,
  type ArticleState,
  attention,
  type Belonging,
  CLOCK_SKEW,
  type ClockedTicketState,
  contract,
  contractInForce,
  contractTerms,
  comparePlaces,
  evolveInHindsight,
  everInForce,
  defaultContract,
  type DeadLetters,
  type DefineReport,
  type DeliveryTarget,
  type FeedFacts,
  formatPlace,
  isDeliveryTarget,
  isOver,
  isSubscribed,
  type LinkTicket,
  maintenance,
  type MajorIncident,
  type MajorIncidentState,
  type MergeTicket,
  momentIn,
  omitUndefined,
  type OpeningFacts,
  type OpenTicket,
  parsePlace,
  pinned,
  type PinnedClocks,
  type PinnedContract,
  type Principal,
  problem,
  type ProblemState,
  type PublishedRunbook,
  publicEventType,
  type RecordAlerts,
  type RecordFiveWhys,
  referenceIn,
  type ReportFacts,
  type ReplayDeadLetters,
  type Role,
  type RulesReplayed,
  type SimulateRules,
  type StartRunbook,
  queryScope,
  question,
  type QuestionState,
  seesClient,
  ticket,
  type TicketState,
  webhook,
  type WhoHasLeft,
} from '#ticketing';
import { simulateForCaller } from './simulate.js';
import { deadLettersAmong, type ReadModels } from './read-models.js';
import { readSavedQuery } from './ticket-list-parameters.js';
import { ownerOfArticleReached, ownerOfReviewReached, ownersReached, whoIsThere } from './who-is-there.js';

/** A command that needs something from outside its aggregate, and the state that it decides on. */
/** Where webhooks may go. */
export abstract class WebhookNetworks {
  /** Why requests to a URL are never allowed, if so. */
  abstract forbids(url: URL): Error | undefined;
}

interface Asking {
  readonly id: string;
  readonly body: object;
  readonly state: unknown;
  readonly revision: number;
  readonly effectiveAt: Instant;
  readonly actor: Actor;
  readonly principal: Principal;
  /** Read besides the log; policies and the command line have none. */
  readonly models?: ReadModels | undefined;
  /** Aborts when nobody waits for the result any more. */
  readonly whenLeft?: (() => AbortSignal) | undefined;
  readonly networks?: WebhookNetworks | undefined;
}

/** Who may let a ticket enter above the usual tiers. */
const LEADS = ['lead', 'administrator'] as const satisfies readonly Role[];

type LookUp = (store: EventStore, asking: Asking) => Promise<unknown> | unknown;

/** What commands need from outside their aggregate, by the name in their `needs`. */
const lookUps: Readonly<Record<string, LookUp>> = {
  opening: async (store, { body, effectiveAt, actor, principal }): Promise<OpeningFacts> => {
    const { client, follows, question: asked } = body as OpenTicket;
    const [contract, followed, found] = await Promise.all([
      contractInForceAt(store, client, effectiveAt),
      follows === undefined ? null : ticketOf(store, follows),
      asked === undefined ? undefined : readAggregate(store, question, asked).catch(ofDeletedStream),
    ]);
    return {
      ...(contract && { contract }),
      ...(follows !== undefined && { followed: unlessHidden(followed, { client, ...(contract && { contract }) }, principal) }),
      ...(found && { question: unlessOfAnother(found.state, actor, principal) }),
      byLead: principal.kind === 'system' || LEADS.some((role) => principal.roles.includes(role)),
    };
  },
  'other-ticket': async (store, { body, state, principal }) => {
    const named = body as Partial<LinkTicket & MergeTicket>;
    return unlessHidden(await ticketOf(store, named.into ?? named.ticketId ?? ''), state as Belonging | null, principal);
  },
  'faults-of-evidence': (store, { body, state, principal }) =>
    faultsOfEvidence(store, body as RecordFiveWhys, state as ProblemState, principal),
  runbook: (store, { body }) => publishedRunbook(store, (body as StartRunbook).article),
  'who-has-left': (store, { body, actor }) => whoHasLeft(store, body as PersonNamed, actor),
  'agent-at-work': (store, { body, actor }) => agentAtWork(store, body as PersonNamed, actor),
  'who-is-there': (store, { state, effectiveAt }) => whoIsThere(store, state as ClockedTicketState, effectiveAt),
  'owner-of-review': (store, { state, effectiveAt }) => ownerOfReviewReached(store, state as MajorIncidentState, effectiveAt),
  'owner-of-article': (store, { state, effectiveAt }) => ownerOfArticleReached(store, state as ArticleState, effectiveAt),
  'owners-of-actions': (store, { state, effectiveAt }) => ownersReached(store, state as ProblemState, effectiveAt),
  'clocks-in-hindsight': (store, { id, state, revision }) =>
    state === null ? undefined : clocksInHindsight(store, id, (state as { readonly client: string }).client, revision),
  'public-holidays': async (_store, { body }) =>
    // Loaded on demand: most processes never agree a contract, and the holidays of the world are large.
    (await import('./public-holidays.js')).withPublicHolidays((body as { readonly terms: Readonly<Record<string, unknown>> }).terms),
  'rules-replayed': (store, { body, effectiveAt, whenLeft }) => rulesReplayed(store, body as SimulateRules, effectiveAt, whenLeft?.()),
  'major-incident-terms': async (store, { state, effectiveAt }) =>
    state === null ? undefined : (await contractInForceAt(store, (state as MajorIncident).client, effectiveAt))?.terms.majorIncidents,
  'alert-facts': (store, { body, state }) => alertFacts(store, (body as RecordAlerts).client, state as AlertState),
  'report-facts': async (store, { body, effectiveAt }): Promise<ReportFacts> => {
    const { client, zone, deliverTo = [] } = body as DefineReport;
    return {
      zone: zone ?? ((await contractInForceAt(store, client, effectiveAt))?.terms ?? defaultContract).calendar.zone,
      faults: (await Promise.all(deliverTo.map((target, index) => faultsOfTarget(store, client, target, `deliverTo[${index}]`)))).flat(),
    };
  },
  'feed-facts': (store, { body, effectiveAt, networks }) => feedFacts(store, body as FeedAsked, effectiveAt, networks),
  'dead-letters': (_store, { id, body, models }): Promise<DeadLetters> | undefined => {
    const { events } = body as ReplayDeadLetters;
    return models === undefined || events === undefined ? undefined : deadLettersAmong(models, id, events);
  },
  'faults-of-list-query': (_store, { body }): readonly Fault[] => readSavedQuery((body as { readonly query: unknown }).query).faults,
};

/** Looks up what a command needs. @throws StoreUnavailable */
export async function lookUp(needs: string, store: EventStore, asking: Asking): Promise<unknown> {
  const find = lookUps[needs];
  if (find === undefined) throw new Error(`unknown need of a command: ${needs}`);
  return find(store, asking);
}

/** A ticket as it is in the log; null if it does not exist, or no longer does. */
async function ticketOf(store: EventStore, id: string): Promise<TicketState> {
  return (await readAggregate(store, ticket, id).catch(ofDeletedStream)).state;
}

/** Nobody learns of a ticket that they may not see, not even that it exists; tickets of one customer may be related all the same. */
function unlessHidden(other: TicketState, one: Belonging | null, principal: Principal): TicketState {
  if (other === null || seesClient(principal, other.client)) return other;
  return one !== null && areOfOneCustomer(one, other) ? other : null;
}

/** Evidence that refers to what does not exist, belongs to another client, or may not be seen. */
async function faultsOfEvidence(
  store: EventStore,
  { whys }: RecordFiveWhys,
  state: ProblemState,
  principal: Principal,
): Promise<readonly Fault[]> {
  if (state === null) return [];
  const lastOf = async (kind: 'ticket' | 'problem', id: string): Promise<number> => {
    if (kind === 'ticket') {
      const { state: found, revision } = await readAggregate(store, ticket, id).catch(ofDeletedStream);
      const seen = unlessHidden(found, state, principal);
      return seen !== null && areOfOneCustomer(state, seen) ? revision : -1;
    }
    const { state: found, revision } = await readAggregate(store, problem, id).catch(ofDeletedStream);
    return found?.client === state.client ? revision : -1;
  };
  const known = new Map<string, Promise<number>>();
  const faultsOf = async (text: string, field: string): Promise<readonly Fault[]> => {
    const reference = referenceIn(text);
    if (reference === undefined) return [];
    const { kind, id, revision } = reference;
    const name = `${kind}/${id}`;
    const reading = known.get(name) ?? (UUID.test(id) ? lastOf(kind, id) : Promise.resolve(-1));
    known.set(name, reading);
    const last = await reading;
    if (last < 0) return [{ field, message: `must name a ${kind} of the same client, as ${kind}/<id>/<revision>` }];
    const isThere = revision === undefined || (/^\d{1,9}$/.test(revision) && Number(revision) <= last);
    return isThere ? [] : [{ field, message: `must name an event of that ${kind}, whose last revision is ${last}` }];
  };
  const faults: Fault[] = [];
  // One question after the other, so that no command reads thousands of streams at once.
  for (const [why, { evidence = [] }] of whys.entries())
    faults.push(...(await Promise.all(evidence.map((text, index) => faultsOf(text, `whys[${why}].evidence[${index}]`)))).flat());
  return faults;
}

/** A question, unless it belongs to someone else and the sender may see only their own. */
function unlessOfAnother(asked: QuestionState, actor: Actor, principal: Principal): QuestionState {
  const scope = queryScope(principal, 'question', actor.id);
  const own = 'reporter' in scope ? scope.reporter : undefined;
  return own === undefined || asked?.reporter?.id === own ? asked : null;
}

async function publishedRunbook(store: EventStore, id: string): Promise<PublishedRunbook | undefined> {
  const { state } = await readAggregate(store, article, id).catch(ofDeletedStream);
  const { published, client } = state ?? {};
  if (state === null || published?.steps === undefined) return undefined;
  const { version, title, steps } = published;
  return { article: state.article, version, title, steps, ...(client !== undefined && { client }) };
}

async function alertFacts(store: EventStore, client: string, state: AlertState): Promise<AlertFacts> {
  const [{ state: planned }, opened] = await Promise.all([
    readAggregate(store, maintenance, client, { maxAgeMs: CONTRACT_MAX_AGE_MS }),
    state?.ticketId === undefined ? null : ticketOf(store, state.ticketId),
  ]);
  return { maintenance: planned, ticketIsOver: opened !== null && isOver(opened) };
}

/** Nobody learns of a webhook that does not serve the client, not even that it exists. */
async function faultsOfTarget(store: EventStore, client: string, target: DeliveryTarget, field: string): Promise<readonly Fault[]> {
  // The command itself reports an invalid target.
  if (!isDeliveryTarget(target) || target.by !== 'webhook') return [];
  const { state } = await readAggregate(store, webhook, target.webhook.toLowerCase());
  const sees = isSubscribed(state) && (state.clients === 'all' || state.clients.includes(client)) && state.filter.ticket === undefined;
  return sees
    ? []
    : [{ field: `${field}.webhook`, message: `must be a webhook that receives events of ${client}, and not of a single ticket only` }];
}

/** Part of commands that names events. */
interface FeedAsked {
  readonly types?: readonly string[];
  readonly from?: string;
  readonly url?: string;
}

async function feedFacts(
  store: EventStore,
  { types: named, from = 'end', url }: FeedAsked,
  now: Instant,
  networks: WebhookNetworks | undefined,
): Promise<FeedFacts> {
  const end = await store.end();
  const types = named?.map(publicEventType);
  const unknown = (types ?? []).flatMap((type, index) =>
    type === undefined ? [{ field: `types[${index}]`, message: 'must be an event type listed at /schemas' }] : [],
  );
  const place = from === 'start' ? from : parsePlace(from);
  const isUnknown = place !== undefined && place !== 'start' && (comparePlaces(place, end) > 0 || !(await store.has(place)));
  const since = parseInstant(from);
  const begin = from === 'end' ? end : (place ?? since);
  const wrong =
    begin === undefined
      ? 'must be start, end, a position such as 1234/1234, or a date-time with an offset'
      : isUnknown
        ? 'must be a position that this log has reached'
        : since !== undefined && epochMillis(since) > epochMillis(now) + CLOCK_SKEW
          ? 'must not be in the future'
          : undefined;
  return {
    ...(types && { types: types.filter((type) => type !== undefined) }),
    from: begin === undefined || typeof begin === 'string' ? (begin ?? 'start') : formatPlace(begin),
    faults: [...faultsOfUrl(url, networks), ...unknown, ...(wrong === undefined ? [] : [{ field: 'from', message: wrong }])],
  };
}

/** For an address that nothing can ever be sent to. */
function faultsOfUrl(url: string | undefined, networks: WebhookNetworks | undefined): readonly Fault[] {
  if (url === undefined) return [];
  if (!URL.canParse(url)) return [{ field: 'url', message: 'must be a URL such as https://hooks.example/tierline' }];
  const forbidden = networks?.forbids(new URL(url));
  return forbidden === undefined ? [] : [{ field: 'url', message: `must be a URL that requests may be sent to: ${forbidden.message}` }];
}

function ofDeletedStream(error: unknown): { readonly state: null; readonly revision: -1 } {
  if (error instanceof StreamDeleted) return { state: null, revision: -1 };
  throw error;
}

/** Part of commands that names the person who is given work or begins it. */
interface PersonNamed {
  readonly agent?: { readonly id: string };
  readonly assignee?: { readonly id: string };
  readonly by?: { readonly id: string };
}

/** For the person named in a command; by default, the actor. Someone who is not an agent of the desk has not left it. */
async function whoHasLeft(store: EventStore, { agent: named, assignee, by }: PersonNamed, actor: Actor): Promise<WhoHasLeft> {
  const { id } = named ?? assignee ?? by ?? actor;
  const { state } = await readAggregate(store, agent, id).catch(ofDeletedStream);
  return state?.leftAt === undefined ? {} : { [id]: state.leftAt };
}

async function agentAtWork(store: EventStore, named: PersonNamed, actor: Actor): Promise<AgentAtWork> {
  const { id } = named.agent ?? actor;
  const [left, { state }] = await Promise.all([
    whoHasLeft(store, named, actor),
    readAggregate(store, attention, id).catch(ofDeletedStream),
  ]);
  return { left, touching: state?.on ?? [] };
}

/** Version of the time zone data in this process. */
export const tzdata: string = process.versions.tz ?? 'unknown';

/**
 * How old the contract for a new ticket may be, in milliseconds: reading it for every ticket would halve the rate of opening tickets. A
 * contract agreed in another process may take effect a second late; the timekeeper then rebases the ticket.
 */
const CONTRACT_MAX_AGE_MS = 1_000;

async function contractInForceAt(store: EventStore, client: string, at: Instant): Promise<PinnedContract | undefined> {
  const { state } = await readAggregate(store, contract, client, { maxAgeMs: CONTRACT_MAX_AGE_MS });
  const version = contractInForce(state, at);
  return version && pinned(version, tzdata);
}

/** What proposed rules would have done to past tickets. */
async function rulesReplayed(
  store: EventStore,
  { client, terms, from, to }: SimulateRules,
  asOf: Instant,
  left: AbortSignal | undefined,
): Promise<RulesReplayed> {
  const known = (await import('./public-holidays.js')).withPublicHolidays(terms);
  if ('faults' in known) return refuse('contract-invalid', 'Unknown public holidays', known.faults);
  const contract = contractTerms(known.terms);
  if (isRefusal(contract)) return contract;
  const { rules = [] } = contract;
  if (rules.length === 0) return { rules, tickets: 0, touched: [] };
  const instantOf = (given: string | undefined) => (given === undefined ? undefined : momentIn(contract.calendar.zone, given));
  const period = omitUndefined({ from: instantOf(from), to: instantOf(to) });
  const simulation = await simulateForCaller(store, { contract, client, ...period, asOf, limit: 0 }, left);
  if (isRefusal(simulation)) return simulation;
  const { tickets, rules: tallies } = simulation.totals;
  return {
    rules,
    ...period,
    tickets,
    touched: rules.map(({ name }) => tallies.find(({ rule }) => rule === name) ?? { rule: name, tickets: 0, fired: 0 }),
  };
}

/** The clocks of a ticket, up to a revision, under the current agreement with its client. */
async function clocksInHindsight(store: EventStore, id: string, client: string, revision: number): Promise<PinnedClocks | undefined> {
  const agreed = everInForce((await readAggregate(store, contract, client)).state, tzdata);
  let clocks: PinnedClocks | null = null;
  for await (const stored of store.readStream(streamName(ticket, id))) {
    if (stored.revision > revision) break;
    const event = upcast(ticket, stored);
    clocks = evolveInHindsight(agreed, clocks, event, event.metadata);
  }
  return clocks ?? undefined;
}
