import { type Actor, deterministicId, ERASED, type EventStore, isRefusal, readAggregate, StreamDeleted } from '#eventsourcing';
import type { LoggedEvent } from '#feeds';
import type { MailConfig } from '#platform';
import {
  agents,
  agentViews,
  article,
  type ArticleEvents,
  type EscalationChain,
  majorIncident,
  type MajorIncidentEvents,
  type Message,
  type Notification,
  type NotificationOutcome,
  problem,
  type ProblemEvents,
  seesClient,
  teams,
  teamViews,
  ticket,
  type TicketEvents,
} from '#ticketing';
import { contactOf, runSystemCommand } from '#ticketing-app';
import {
  type Attempt,
  deliver,
  type Deliverer,
  type DeliverOptions,
  type Destination,
  Networks,
  type Parcel,
  type Patience,
  patience,
  post,
  progress,
  type Tried,
} from '#webhooks';
import type { ChatChannel } from './chat-channels.js';
import { chatMessage } from './chat-message.js';
import { failureOf, notTried } from './undelivered.js';

export interface DeliverNotificationsOptions extends Omit<DeliverOptions, 'destinations' | 'groups'> {
  /** The mail server; without one, e-mails are not delivered. */
  readonly mail?: MailConfig | undefined;
  /** Chat channels by name. */
  readonly channels: ReadonlyMap<string, ChatChannel>;
  /** Private networks that chat channels may be in, in CIDR notation. */
  readonly networks: readonly string[];
  readonly patience?: Patience;
  /** How long a receiver may be silent, in milliseconds (default 15,000). */
  readonly timeoutMs?: number;
}

const NOTIFIER: Actor = { id: 'notifier', kind: 'system' };

/** Tries for a quarter of an hour: after that someone else should be notified. Each message waits by itself, since there are few. */
const usualPatience: Patience = {
  ...patience,
  longestMs: 120_000,
  giveUpMs: 15 * 60_000,
  breakAfter: Infinity,
  longestRetryAfterMs: 120_000,
};

/** Destinations: one for e-mail, and one per channel. */
const MESSAGES = 'notifications';
const CHAT = `${MESSAGES}/chat/`;

/** A message as stored until it is delivered. */
interface Sent extends Notification, Message {
  /** Its subject, which is told the outcome. */
  readonly ticketId?: string;
  readonly problemId?: string;
  readonly majorIncident?: string;
  readonly article?: string;
  readonly client: string;
}

interface Told {
  readonly id: string;
  readonly body: NotificationOutcome;
  readonly context: Parameters<typeof runSystemCommand>[1]['context'];
}

const OF_TICKETS = {
  field: 'ticketId',
  aggregate: ticket,
  messages: async (store: EventStore, id: string) =>
    (await readAggregate(store, ticket, id)).state?.sla?.chains.flatMap(({ steps }) => steps.flatMap(messagesOf)),
  record: (store: EventStore, told: Told) => runSystemCommand(store, { aggregate: ticket, name: 'RecordNotification', ...told }),
} as const;

const messagesOf = (step: EscalationChain['steps'][number]) => (step.outcome === 'dispatched' ? (step.notifications ?? []) : []);

/** The subjects of messages: the field with their id, the messages that they know, and how an outcome is recorded. */
const SUBJECTS = [
  OF_TICKETS,
  {
    field: 'problemId',
    aggregate: problem,
    messages: async (store: EventStore, id: string) =>
      (await readAggregate(store, problem, id)).state?.actions.flatMap(({ reminded }) => reminded?.messages ?? []),
    record: (store: EventStore, told: Told) => runSystemCommand(store, { aggregate: problem, name: 'RecordReminder', ...told }),
  },
  {
    field: 'majorIncident',
    aggregate: majorIncident,
    messages: async (store: EventStore, id: string) => (await readAggregate(store, majorIncident, id)).state?.review?.reminded?.messages,
    record: (store: EventStore, told: Told) => runSystemCommand(store, { aggregate: majorIncident, name: 'RecordReviewReminder', ...told }),
  },
  {
    field: 'article',
    aggregate: article,
    messages: async (store: EventStore, id: string) => (await readAggregate(store, article, id)).state?.reminded?.messages,
    record: (store: EventStore, told: Told) => runSystemCommand(store, { aggregate: article, name: 'RecordArticleReminder', ...told }),
  },
] as const;

/**
 * Sends the messages of escalation steps and reminders by e-mail and to chat channels: each at least once, with the same id, until it is
 * accepted or a quarter of an hour has passed. The outcome is recorded with its ticket, problem, major incident or article.
 */
export function deliverNotifications({
  mail,
  channels,
  networks: named,
  patience = usualPatience,
  timeoutMs = 15_000,
  ...options
}: DeliverNotificationsOptions): Deliverer {
  const { store, db, log } = options;
  const networks = new Networks(named);
  // The mail client is loaded with the first message.
  const mailed = async (config: MailConfig) => (await import('./mail.js')).mailer(config, { silenceMs: timeoutMs, wholeMs: 4 * timeoutMs });

  async function send(parcel: Parcel, abandoned: AbortSignal): Promise<Tried> {
    const sent = JSON.parse(parcel.body) as Sent;
    if (!(await isOnItsWay(store, sent))) return { outcome: 'taken', ms: 0 };
    const { id, target, client, by, channel: name = '' } = sent;
    const { subject, text } = sent.text === ERASED ? ofErased(sent) : sent;
    // Current address and permissions; the text is as it was.
    const contact = await contactOf(store, target, client);
    if (contact === 'not-of-client') return notTried(contact);
    if (by === 'email') {
      if (contact?.email === undefined) return notTried('no-address');
      return mail === undefined ? notTried('not-configured') : (await mailed(mail))({ id, to: contact.email, subject, text }, abandoned);
    }
    const channel = channels.get(name);
    if (channel === undefined) return notTried('not-configured');
    if (contact?.channel !== name) return notTried('no-address');
    if (!seesClient({ clients: channel.clients ?? 'all' }, client)) return notTried('not-of-client');
    const body = JSON.stringify(chatMessage(channel.format, { subject, text }));
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': id };
    const tried = await post(new URL(channel.url), { networks, headers, body, timeoutMs, signal: abandoned });
    const { status = 0 } = tried;
    const isFinal = status >= 400 && status < 500 && ![408, 425, 429].includes(status);
    return isFinal ? { ...tried, outcome: 'refused' } : tried;
  }

  async function settled({ body }: Parcel, outcome: Tried['outcome'], attempts: number, last: Attempt): Promise<void> {
    const sent = JSON.parse(body) as Sent;
    // Recording another outcome under the same command id would be refused.
    if (!(await isOnItsWay(store, sent))) return;
    const { field, record, id } = subjectOf(sent);
    const told = { notification: sent.id, attempts, ...(outcome !== 'taken' && { failed: failureOf(outcome, last) }) };
    const commandId = deterministicId('notified', sent.id);
    const context = { commandId, actor: NOTIFIER, correlationId: commandId, causationId: sent.id };
    const result = await record(store, { id, body: told, context }).catch((error: unknown) => {
      if (error instanceof StreamDeleted) return undefined;
      throw error;
    });
    if (result !== undefined && isRefusal(result))
      log.warn({ [field]: id, refused: result.refused }, 'what became of a message cannot be recorded');
  }

  /** @param takes whether it gets a message @param revision a new one when it must be decided again whether anything can be sent */
  function destination(id: string, takes: (notification: Notification) => boolean, revision = 1): Destination {
    return {
      id,
      revision,
      generation: 1,
      from: 'start',
      replays: [],
      patience,
      filter: { types: ['EscalationStepDispatched', 'ProblemActionReminded', 'IncidentReviewOverdue', 'ArticleReviewOverdue'] },
      sees: () => true,
      parcels: (logged) => parcelsOf(logged, takes),
      send: (parcel, _at, abandoned) => send(parcel, abandoned),
      settled,
    };
  }

  /** Channels with their own destination: those configured now, and former ones, so that nothing waits for them forever. */
  const ofChannels = new Set(channels.keys());
  const isChat = ({ by, channel = '' }: Notification) => by === 'chat' && ofChannels.has(channel);
  let isNeeded = false;
  return deliver({
    ...options,
    groups: [agentViews, teamViews],
    destinations: async () => {
      for await (const { _id } of progress(db).find({ _id: { $regex: `^${MESSAGES}/` } }, { projection: { _id: 1 } })) {
        isNeeded = true;
        if (_id.startsWith(CHAT)) ofChannels.add(_id.slice(CHAT.length));
      }
      // If nobody has ever had an address, nothing is read.
      const hasContact = { contact: { $exists: true } };
      for (const { name } of [agents, teams]) isNeeded ||= (await db.collection(name).findOne(hasContact)) !== null;
      if (!isNeeded) return [];
      return [
        // Includes what cannot be sent, so that this is recorded.
        destination(`${MESSAGES}/email`, (notification) => !isChat(notification)),
        ...Array.from(ofChannels, (name) =>
          destination(CHAT + name, (notification) => isChat(notification) && notification.channel === name, channels.has(name) ? 1 : 2),
        ),
      ];
    },
  });
}

function subjectOf(sent: Sent) {
  const subject = SUBJECTS.find((one) => sent[one.field] !== undefined) ?? OF_TICKETS;
  return { ...subject, id: sent[subject.field] ?? '' };
}

/** Whether the outcome of a message is not recorded yet: a channel may be configured later. */
async function isOnItsWay(store: EventStore, sent: Sent): Promise<boolean> {
  const { messages, id } = subjectOf(sent);
  const known = await messages(store, id).catch((error: unknown) => {
    if (error instanceof StreamDeleted) return undefined;
    throw error;
  });
  return known?.find((message) => message.id === sent.id)?.state === 'on-its-way';
}

function parcelsOf({ event }: LoggedEvent, takes: (notification: Notification) => boolean): readonly Parcel[] {
  const { notifications = [], message } = event.data as
    | TicketEvents['EscalationStepDispatched']
    | ProblemEvents['ProblemActionReminded']
    | MajorIncidentEvents['IncidentReviewOverdue']
    | ArticleEvents['ArticleReviewOverdue'];
  if (message === undefined) return [];
  const { client, subject: about, position, recordedtime } = event;
  const [category, subjectId = ''] = about.split('/');
  const { field } = SUBJECTS.find(({ aggregate }) => aggregate.category === category) ?? OF_TICKETS;
  return notifications.filter(takes).map((notification) => {
    const sent: Sent = { ...notification, ...message, [field]: subjectId, client };
    // Each on its own: none waits for another.
    const { id } = notification;
    return { event: id, type: notification.by, subject: id, position, body: JSON.stringify(sent), since: Date.parse(recordedtime) };
  });
}

/** The text if its content was erased before it could be sent. */
function ofErased({ ticketId }: Sent): Message {
  return { subject: `Ticket ${ticketId}`, text: `Ticket ${ticketId} has reached an escalation step. What this message said was erased.` };
}
