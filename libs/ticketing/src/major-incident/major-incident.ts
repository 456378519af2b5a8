import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  deterministicId,
  epochMillis,
  type EventsOf,
  type Instant,
  instantFrom,
  parseInstant,
  refuse,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateTime, Part, PersonRef, Text, TextList } from '../command-fields.js';
import { DAY, type MajorIncidentTerms } from '../contract/contract.js';
import { type Message, subjectLine } from '../contract/escalation-message.js';
import { type Notification, type NotificationOutcome, sentNotificationSchema } from '../contract/escalation-policy.js';
import {
  type FailedNotification,
  notificationsTo,
  type NotThrough,
  onTheirWay,
  outcomeIn,
  settled,
  type SettledNotification,
  withoutDetail,
} from '../contract/reminder.js';
import { omitUndefined, same } from '../plain-json.js';
import { publishedChangesOf, publishedEvent, type PublishedEventDefinition } from '../published-event.js';
import { about, instant, listOf, oneOf, open, optional, refer, type Static, text, uuid } from '../schema.js';
import type { Reach } from '../ticket/escalation.js';
import { actorSchema, personSchema } from '../vocabulary.js';

/** `proposed` by a rule until someone confirms or dismisses it; `declared` until it is stood down. */
export const MAJOR_INCIDENT_STATUSES = ['proposed', 'declared', 'stood-down', 'dismissed'] as const;

/** Status of the review afterwards: `done`, `overdue` once past its due date, `due` before that. */
export const REVIEW_STATUSES = ['due', 'overdue', 'done'] as const;

const updateSchema = open({
  text: about(text, 'Message to the requesters'),
  at: about(instant, 'When'),
  by: about(refer(actorSchema), 'Who sent it'),
});

const reviewSchema = open({
  status: about(oneOf(REVIEW_STATUSES), 'Where it stands'),
  dueAt: about(instant, 'Due date'),
  owner: optional(about(refer(personSchema), 'Who answers for it')),
  reminded: optional(
    about(
      open({
        at: about(instant, 'When'),
        messages: about(listOf(sentNotificationSchema), 'Messages sent to the owner; none without an address'),
      }),
      'Reminder that it is overdue',
    ),
  ),
  summary: optional(about(text, 'Findings')),
  actions: optional(about(listOf(text), 'Follow-up actions')),
  doneAt: optional(about(instant, 'When it was done')),
});

export const majorIncidentSchema = about(
  open({
    majorIncident: about(uuid, 'Its id'),
    client: about(text, 'Affected client (tenant)'),
    service: optional(about(text, 'Affected service')),
    status: about(oneOf(MAJOR_INCIDENT_STATUSES), 'Where it stands'),
    parent: about(uuid, 'Ticket under which it is worked on'),
    tickets: about(listOf(uuid), 'Child tickets, in the order in which they joined'),
    updates: about(listOf(updateSchema), 'Broadcasts, oldest first'),
    beganAt: about(instant, 'When it was proposed or declared'),
    endedAt: optional(about(instant, 'When it was stood down or dismissed')),
    reason: about(text, 'Reason for the current status'),
    review: optional(about(reviewSchema, 'Review after the incident')),
    nextReminderAt: optional(about(instant, 'When a reminder of the review is sent, unless it is done by then')),
  }),
  'A major incident: it affects many requesters and is worked on in one ticket',
);

export type MajorIncident = Static<typeof majorIncidentSchema>;
export type MajorIncidentState = MajorIncident | null;

/** How a major incident begins: someone declares a ticket one, or a rule does. */
export interface BeginMajorIncident extends Pick<MajorIncident, 'client' | 'service' | 'parent' | 'tickets' | 'reason'> {
  /** Whether someone must confirm it. */
  readonly proposed?: true;
}

export interface JoinMajorIncident {
  readonly ticketId: string;
}

@JSONSchema({
  description: 'Confirms a major incident proposed by a rule: its tickets are grouped under one.',
  examples: [{ reason: 'Nobody in Milan can print' }],
})
export class ConfirmMajorIncident {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'Dismisses a major incident proposed by a rule.',
  examples: [{ reason: 'Three printers, three causes' }],
})
export class DismissMajorIncident {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'Broadcasts a message to the requesters of all its tickets and to the status page.',
  examples: [{ text: 'A print server is down. We expect it back within the hour.' }],
})
export class BroadcastUpdate {
  @Text({ description: 'Text of the message', max: 5000 })
  text!: string;
}

@JSONSchema({
  description: 'Stands a major incident down, including on its ticket. A review is then due.',
  examples: [{ reason: 'Printing works again' }],
})
export class EndMajorIncident {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  /** Its ticket is over, or was stood down. Has no validation rule, so cannot be sent from outside. */
  withTicket?: true;
}

@JSONSchema({
  description: 'Sets who is responsible for the review, and by when.',
  examples: [{ owner: { id: 'ada' }, dueAt: '2099-01-01T12:00:00Z' }],
})
export class PlanIncidentReview {
  @Part(() => PersonRef, { description: 'Who answers for it' })
  owner!: PersonRef;

  @DateTime({ description: 'Due date; default: unchanged', optional: true })
  dueAt?: string;
}

@JSONSchema({
  description: 'Records the review of a major incident: findings and follow-up actions.',
  examples: [{ summary: 'The spooler had one disk, and nobody watched it.', actions: ['Mirror the disk', 'Alert at 80 %'] }],
})
export class RecordIncidentReview {
  @Text({ description: 'Findings', max: 20_000 })
  summary!: string;

  @TextList({ description: 'Follow-up actions', optional: true })
  actions?: readonly string[];
}

/** Reports the outcome of a message to the owner of a review. */
export type RecordReviewReminder = NotificationOutcome;

/** How long after standing down the review is due, in milliseconds; default. */
export const REVIEW_WITHIN = 5 * DAY;

/** With more, every event of it would be slow to read. */
const MOST_TICKETS = 2000;
const MOST_UPDATES = 500;

/** Id of the major incident worked on in a ticket. */
export function majorIncidentId(parent: string): string {
  return deterministicId('major-incident', parent);
}

const change = publishedChangesOf<MajorIncident>();

type Begun = Omit<BeginMajorIncident, 'proposed'> & Pick<MajorIncident, 'majorIncident'>;

const begun = ({
  status,
  ...definition
}: Omit<PublishedEventDefinition<MajorIncidentState, Begun, 'all'>, 'evolve'> & Pick<MajorIncident, 'status'>) =>
  publishedEvent<MajorIncidentState, Begun>({
    ...definition,
    evolve: (state, { tickets, ...data }, { effectiveAt }) => ({
      ...data,
      status,
      tickets: [...new Set([...(state?.tickets ?? []), ...tickets])],
      updates: state?.updates ?? [],
      beganAt: effectiveAt,
    }),
  });

type Review = NonNullable<MajorIncident['review']>;

/** Someone is reminded once it is due. */
function withReview(incident: MajorIncident, changed: Partial<Review>): MajorIncident {
  if (incident.review === undefined) return incident;
  const review = { ...incident.review, ...changed };
  const { nextReminderAt: _, ...rest } = incident;
  return { ...rest, review, ...(review.status === 'due' && { nextReminderAt: review.dueAt }) };
}

function reminderSettled(incident: MajorIncident, id: string, because?: NotThrough['because']): MajorIncident {
  const { reminded } = incident.review ?? {};
  return reminded === undefined ? incident : withReview(incident, { reminded: settled(reminded, id, because) });
}

const events = {
  MajorIncidentOpened: begun({ status: 'declared', publicData: 'all', personal: null }),
  MajorIncidentProposed: begun({ status: 'proposed', publicData: 'all', personal: null }),
  MajorIncidentConfirmed: change<{ readonly reason: string }>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { reason }) => ({ ...incident, reason, status: 'declared' }),
  }),
  MajorIncidentDismissed: change<{ readonly reason: string }>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { reason }, { effectiveAt: endedAt }) => ({
      ...incident,
      reason,
      endedAt,
      status: 'dismissed',
    }),
  }),
  TicketJoinedMajorIncident: change<JoinMajorIncident>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { ticketId }) => ({
      ...incident,
      tickets: [...incident.tickets, ticketId],
    }),
  }),
  UpdateBroadcast: change<{ readonly text: string }>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { text }, { effectiveAt: at, actor: by }) => ({
      ...incident,
      updates: [...incident.updates, { text, at, by }].slice(-MOST_UPDATES),
    }),
  }),
  MajorIncidentEnded: change<{ readonly reason: string; readonly reviewDueAt: Instant; readonly withTicket?: true }>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { reason, reviewDueAt }, { effectiveAt: endedAt }) => ({
      ...incident,
      status: 'stood-down',
      reason,
      endedAt,
      review: { status: 'due', dueAt: reviewDueAt },
      nextReminderAt: reviewDueAt,
    }),
  }),
  IncidentReviewPlanned: change<{ readonly owner: Static<typeof personSchema>; readonly dueAt: Instant }>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { owner, dueAt }) => withReview(incident, { owner, dueAt, status: 'due' }),
  }),
  IncidentReviewOverdue: change<{
    readonly dueAt: Instant;
    readonly owner?: Static<typeof personSchema>;
    readonly notifications?: readonly Notification[];
    readonly message?: Message;
  }>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { notifications }, { effectiveAt: at }) =>
      withReview(incident, { status: 'overdue', reminded: { at, messages: onTheirWay(notifications) } }),
  }),
  IncidentReminderDelivered: change<SettledNotification>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { id }) => reminderSettled(incident, id),
  }),
  IncidentReminderFailed: change<FailedNotification, typeof withoutDetail<FailedNotification>>({
    publicData: withoutDetail,
    personal: null,
    evolve: (incident, { id, because }) => reminderSettled(incident, id, because),
  }),
  IncidentReviewed: change<{ readonly summary: string; readonly actions?: readonly string[] }>({
    publicData: 'all',
    personal: null,
    evolve: (incident, { summary, actions }, { effectiveAt: doneAt }) =>
      withReview(incident, { status: 'done', summary, doneAt, ...(actions && { actions }) }),
  }),
};

const command = commandsOn<MajorIncidentState, EventsOf<{ readonly events: typeof events }>>();

const THERE = ['major-incident-not-found'] as const;
const notFound = () => refuse('major-incident-not-found', 'There is no such major incident');
const isOver = () => refuse('major-incident-over', 'The major incident is over');
const nothingToReview = () => refuse('no-review-due', 'No review is due: the major incident is not over, or never was one');

/**
 * An outage with many requesters of one client, worked on in one ticket with the others as its children. One stream each:
 * `majorincident-<id>`.
 */
export const majorIncident = {
  category: 'majorincident',
  noun: 'major incident',
  idName: 'majorIncident',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    BeginMajorIncident: command({
      refuses: [],
      decide({ proposed, ...data }: BeginMajorIncident, state, { id = '' }) {
        if (state?.status === 'declared') return [];
        if (proposed) return state?.status === 'proposed' ? [] : [{ type: 'MajorIncidentProposed', data: { ...data, majorIncident: id } }];
        if (state?.status === 'proposed') return [{ type: 'MajorIncidentConfirmed', data: { reason: data.reason } }];
        return [{ type: 'MajorIncidentOpened', data: { ...data, majorIncident: id } }];
      },
    }),
    ConfirmMajorIncident: command({
      body: ConfirmMajorIncident,
      route: 'POST /v1/major-incidents/{majorIncident}/confirm',
      refuses: [...THERE, 'major-incident-over'],
      decide({ reason }, state) {
        if (state === null) return notFound();
        if (state.status === 'declared') return [];
        return state.status === 'proposed' ? [{ type: 'MajorIncidentConfirmed', data: { reason } }] : isOver();
      },
    }),
    DismissMajorIncident: command({
      body: DismissMajorIncident,
      route: 'POST /v1/major-incidents/{majorIncident}/dismiss',
      refuses: [...THERE, 'major-incident-over', 'major-incident-declared'],
      decide({ reason }, state) {
        if (state === null) return notFound();
        if (state.status === 'dismissed') return [];
        if (state.status === 'declared') return refuse('major-incident-declared', 'The major incident was declared: stand it down');
        return state.status === 'proposed' ? [{ type: 'MajorIncidentDismissed', data: { reason } }] : isOver();
      },
    }),
    JoinMajorIncident: command({
      refuses: [...THERE, 'major-incident-over', 'too-many-links'],
      decide({ ticketId }: JoinMajorIncident, state) {
        if (state === null) return notFound();
        if (state.parent === ticketId || state.tickets.includes(ticketId)) return [];
        if (!isOngoing(state)) return isOver();
        if (state.tickets.length >= MOST_TICKETS) return refuse('too-many-links', `A major incident has at most ${MOST_TICKETS} tickets`);
        return [{ type: 'TicketJoinedMajorIncident', data: { ticketId } }];
      },
    }),
    BroadcastUpdate: command({
      body: BroadcastUpdate,
      route: 'POST /v1/major-incidents/{majorIncident}/updates',
      refuses: [...THERE, 'major-incident-over', 'major-incident-proposed'],
      decide({ text }, state) {
        if (state === null) return notFound();
        if (state.status === 'proposed') return refuse('major-incident-proposed', 'The major incident is only proposed: confirm it first');
        return state.status === 'declared' ? [{ type: 'UpdateBroadcast', data: { text } }] : isOver();
      },
    }),
    EndMajorIncident: command({
      body: EndMajorIncident,
      route: 'POST /v1/major-incidents/{majorIncident}/stand-down',
      refuses: [...THERE, 'major-incident-proposed'],
      needs: 'major-incident-terms',
      decide({ reason, withTicket }, state, { effectiveAt }, terms?: MajorIncidentTerms) {
        if (state === null) return notFound();
        if (state.status === 'proposed') return refuse('major-incident-proposed', 'The major incident is only proposed: dismiss it');
        if (state.status !== 'declared') return [];
        const reviewDueAt = instantFrom(epochMillis(effectiveAt) + (terms?.reviewWithin ?? REVIEW_WITHIN));
        return [{ type: 'MajorIncidentEnded', data: omitUndefined({ reason, reviewDueAt, withTicket }) }];
      },
    }),
    PlanIncidentReview: command({
      body: PlanIncidentReview,
      route: 'PUT /v1/major-incidents/{majorIncident}/review',
      refuses: [...THERE, 'no-review-due'],
      decide({ owner: { id, name }, dueAt: until }, state) {
        if (state === null) return notFound();
        const { review } = state;
        if (review === undefined || review.status === 'done') return nothingToReview();
        const dueAt = (until === undefined ? undefined : parseInstant(until)) ?? review.dueAt;
        const known = review.dueAt === dueAt && review.owner?.id === id && review.owner.name === name;
        return known ? [] : [{ type: 'IncidentReviewPlanned', data: { owner: omitUndefined({ id, name }), dueAt } }];
      },
    }),
    RemindOfIncidentReview: command({
      refuses: [],
      needs: 'owner-of-review',
      decide(_command: Readonly<Record<never, never>>, state, { effectiveAt }, reach: Reach = []) {
        const { nextReminderAt: dueAt, review } = state ?? {};
        if (state === null || dueAt === undefined || dueAt > effectiveAt) return [];
        const { owner } = review ?? {};
        const notifications = owner === undefined ? [] : notificationsTo(owner, reach, state.majorIncident, dueAt);
        const told = notifications.length === 0 ? {} : { notifications, message: messageOf(state, dueAt) };
        return [{ type: 'IncidentReviewOverdue', data: omitUndefined({ dueAt, owner, ...told }) }];
      },
    }),
    RecordReviewReminder: command({
      refuses: [],
      decide(outcome: RecordReviewReminder, state) {
        const told = outcomeIn(state?.review?.reminded, outcome);
        if (told === undefined) return [];
        return 'delivered' in told
          ? [{ type: 'IncidentReminderDelivered', data: told.delivered }]
          : [{ type: 'IncidentReminderFailed', data: told.failed }];
      },
    }),
    RecordIncidentReview: command({
      body: RecordIncidentReview,
      route: 'POST /v1/major-incidents/{majorIncident}/review',
      refuses: [...THERE, 'no-review-due'],
      decide({ summary, actions }, state) {
        if (state === null) return notFound();
        const { review } = state;
        if (review === undefined) return nothingToReview();
        const known = review.status === 'done' && same({ summary, actions }, { summary: review.summary, actions: review.actions });
        return known ? [] : [{ type: 'IncidentReviewed', data: omitUndefined({ summary, actions }) }];
      },
    }),
  },
} satisfies Aggregate<MajorIncidentState>;

export type MajorIncidentEvents = EventsOf<typeof majorIncident>;
export type MajorIncidentCommands = CommandsOf<typeof majorIncident>;

function messageOf({ majorIncident, client, service, parent }: MajorIncident, dueAt: Instant): Message {
  return {
    subject: subjectLine(`[overdue] Review of a major incident${service === undefined ? '' : `: ${service}`}`),
    text: `The review of major incident ${majorIncident} (${client}) is overdue.\n\nDue: ${dueAt}\nTicket: ${parent}`,
  };
}

function isOngoing({ status }: MajorIncident): boolean {
  return status === 'proposed' || status === 'declared';
}
