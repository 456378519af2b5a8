import { deterministicId, type Instant, parseInstant, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateTime, Name, OneOf, Part, Pattern, PersonRef, Text, WholeNumber } from '../command-fields.js';
import { omitUndefined, same, without } from '../plain-json.js';
import { isAutomatic } from '../events/automatic.js';
import { EVIDENCE_KINDS, type EvidenceKind, HOLD_REASONS, type HoldReason, type Tier } from '../vocabulary.js';
import { command, internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { asPerson, endOfHold, event, namedOrActor } from './decisions.js';
import {
  type AgentAtWork,
  CLOSED,
  HELD,
  INACTIVE,
  LEFT,
  OVER,
  ticketsLeftFor,
  unlessActive,
  unlessClosed,
  unlessHeld,
  unlessLeft,
  unlessOver,
  unlessWorkable,
  UNWORKABLE,
  type WhoHasLeft,
} from './guards.js';
import { beginningOfTouch, endOfStopped, endOfTouch } from './touch-time.js';

@JSONSchema({
  description: 'Starts work on the ticket, by the named person or else the actor.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class StartWork extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who works on it; default: the actor', optional: true })
  agent?: PersonRef;
}

@JSONSchema({
  description: 'Records a diagnostic step and its outcome. Hand-offs include all steps recorded so far.',
  examples: [{ action: 'Restarted the print spooler', outcome: 'Jobs still stay in the queue' }],
})
export class RecordDiagnosticStep extends TicketCommand {
  @Text({ description: 'What was tried', example: 'Restarted the print spooler', max: 2000 })
  action!: string;

  @Text({ description: 'What came of it', example: 'Jobs still stay in the queue', max: 2000 })
  outcome!: string;
}

@JSONSchema({
  description: 'Attaches evidence by reference, with the hash of its content.',
  examples: [
    {
      name: 'spooler.log',
      kind: 'log',
      url: 'https://files.example.com/spooler.log',
      mediaType: 'text/plain',
      sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      bytes: 5120,
    },
  ],
})
export class AttachEvidence extends TicketCommand {
  @Name({ description: 'Name', example: 'spooler.log' })
  name!: string;

  @OneOf(EVIDENCE_KINDS, { description: 'Kind of evidence; logs and diagnostic data count towards the hand-off contract', example: 'log' })
  kind!: EvidenceKind;

  @Pattern(/^[a-z][a-z0-9+.-]*:\S{1,2000}$/i, 'must be an absolute URL', {
    description: 'Where it is stored; `attachment:<sha256>` for files uploaded to /v1/attachments',
    example: 'https://files.example.com/spooler.log',
  })
  url!: string;

  @Pattern(/^[a-z0-9.+-]{1,100}\/[a-z0-9.+-]{1,100}$/i, 'must be a media type such as text/plain', {
    description: 'Media type',
    example: 'text/plain',
  })
  mediaType!: string;

  @Pattern(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hexadecimal', { description: 'SHA-256 of its content' })
  sha256!: string;

  @WholeNumber({ description: 'Size in bytes', example: 5120, min: 0, max: Number.MAX_SAFE_INTEGER })
  bytes!: number;
}

@JSONSchema({
  description:
    'Pauses the work, for one of the listed reasons. Repeating it with the same reason changes nothing, not even the note, unless `until` differs: ' +
    'use AddInternalNote for news.',
  examples: [{ reason: 'customer', note: 'Waiting for the user to be back at the printer' }],
})
export class PutOnHold extends TicketCommand {
  @OneOf(HOLD_REASONS, { description: 'Reason', example: 'customer' })
  reason!: HoldReason;

  @Text({ description: 'What the ticket is waiting for', max: 2000 })
  note!: string;

  @DateTime({
    description: 'Expected end, if known, in the future. The hold then ends automatically; a later command may change it',
    optional: true,
  })
  until?: string;
}

/** Ends a hold at its planned end, or records that this has passed. Sent by the timekeeper. */
export class EndHold extends TicketCommand {}

/** Deducts time that was counted before from a stopped stretch of touch time. */
export interface DeductTouchTime extends TicketCommand {
  readonly tier: Tier;
  readonly agent: PersonRef;
  readonly startedAt: Instant;
  readonly seconds: number;
}

@JSONSchema({ description: 'Ends a hold.', examples: [{}] })
export class Resume extends TicketCommand {}

@JSONSchema({
  description: 'Plans an onsite visit.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' }, location: 'Milan, 2nd floor', plannedFor: '2026-12-01T09:00:00+01:00' }],
})
export class PlanOnsiteVisit extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who goes' })
  agent!: PersonRef;

  @Name({ description: 'Where', example: 'Milan, 2nd floor' })
  location!: string;

  @DateTime({ description: 'When' })
  plannedFor!: string;
}

@JSONSchema({ description: 'Records that the planned visit has begun.', examples: [{}] })
export class BeginOnsiteVisit extends TicketCommand {}

@JSONSchema({ description: 'Records that the visit is done.', examples: [{ outcome: 'Replaced the fuser' }] })
export class CompleteOnsiteVisit extends TicketCommand {
  @Text({ description: 'What came of it', max: 5000 })
  outcome!: string;
}

@JSONSchema({
  description: 'Records time an agent spent on the ticket.',
  examples: [{ minutes: 15, activity: 'Looked through the spooler log' }],
})
export class RecordTouchTime extends TicketCommand {
  @WholeNumber({ description: 'Minutes', example: 15, min: 1, max: 1440 })
  minutes!: number;

  @Part(() => PersonRef, { description: 'Agent; default: the actor', optional: true })
  agent?: PersonRef;

  @Text({ description: 'What was done', max: 2000, optional: true })
  activity?: string;
}

@JSONSchema({
  description: "Starts measuring an agent's time on the ticket, until it is stopped or the ticket is held, handed over, resolved or ended.",
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class StartTouchTime extends TicketCommand {
  @Part(() => PersonRef, { description: 'Agent; default: the actor', optional: true })
  agent?: PersonRef;
}

@JSONSchema({
  description: "Stops measuring the agent's time on the ticket.",
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' }, activity: 'Looked through the spooler log' }],
})
export class StopTouchTime extends TicketCommand {
  @Part(() => PersonRef, { description: 'Agent; default: the actor', optional: true })
  agent?: PersonRef;

  @Text({ description: 'What was done', max: 2000, optional: true })
  activity?: string;
}

export const workCommands = {
  StartWork: command({
    body: StartWork,
    route: 'POST /v1/tickets/{id}/work',
    refuses: [...UNWORKABLE, ...LEFT, ...HELD],
    late: false,
    needs: 'agent-at-work',
    decide({ agent }, ticket, context, contract, known: AgentAtWork = {}) {
      const who = namedOrActor(agent, context);
      const barred = unlessWorkable(ticket) ?? unlessLeft(who, context, known.left) ?? unlessHeld(ticket, who);
      if (barred) return barred;
      if (ticket.work.status === 'in-progress' && ticket.work.agent.id === who.id) return [];
      const { tier, team } = ticket;
      return [event('WorkStarted', omitUndefined({ tier, team, agent: who, turnedFrom: ticketsLeftFor(known, context.id, contract) }))];
    },
  }),

  RecordDiagnosticStep: command({
    body: RecordDiagnosticStep,
    route: 'POST /v1/tickets/{id}/diagnostic-steps',
    refuses: [...INACTIVE],
    late: true,
    decide({ action, outcome }, ticket) {
      return unlessActive(ticket) ?? [event('DiagnosticStepRecorded', { tier: ticket.tier, action, outcome })];
    },
  }),

  AttachEvidence: command({
    body: AttachEvidence,
    route: 'POST /v1/tickets/{id}/evidence',
    refuses: [...CLOSED, 'attachment-mismatch', 'evidence-exists'],
    late: true,
    decide({ name, kind, url, mediaType, sha256, bytes }, ticket) {
      const barred = unlessClosed(ticket);
      if (barred) return barred;
      // An attachment's name is the hash of its content.
      if (url.startsWith('attachment:') && url !== `attachment:${sha256}`) {
        return refuse('attachment-mismatch', `${url} does not have the SHA-256 ${sha256}`, [
          { field: 'sha256', message: 'must match the url' },
        ]);
      }
      const evidence = { name, kind, url, mediaType, sha256, bytes };
      const known = ticket.evidence.find((other) => other.name === name);
      if (known === undefined) return [event('EvidenceAttached', evidence)];
      return same(without(known, 'at'), evidence)
        ? []
        : refuse('evidence-exists', `Evidence named ${name} is already attached, with other content: evidence is not replaced`, [
            { field: 'name', message: 'must be new to this ticket' },
          ]);
    },
  }),

  PutOnHold: command({
    body: PutOnHold,
    route: 'POST /v1/tickets/{id}/hold',
    refuses: [...INACTIVE, 'ticket-on-hold', 'invalid-body'],
    late: false,
    decide({ reason, note, until: named }, ticket, { effectiveAt }) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      const until = named === undefined ? undefined : parseInstant(named);
      if (until !== undefined && until <= effectiveAt) {
        return refuse('invalid-body', 'The hold would be over before it begins', [
          { field: 'until', message: `must be after ${effectiveAt}` },
        ]);
      }
      if (ticket.work.status === 'on-hold') {
        if (ticket.work.reason !== reason)
          return refuse('ticket-on-hold', `The ticket is on hold for ${ticket.work.reason}: resume it first`);
        if (until === undefined || until === ticket.work.until) return [];
      }
      return [event('TicketPutOnHold', omitUndefined({ reason, note, until }))];
    },
  }),

  Resume: command({
    body: Resume,
    route: 'POST /v1/tickets/{id}/resume',
    refuses: [...INACTIVE],
    late: false,
    decide(_command, ticket) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      return ticket.work.status === 'on-hold' ? [event('TicketResumed', { after: ticket.work.reason })] : [];
    },
  }),

  EndHold: internal({
    refuses: [],
    late: true,
    decide(_command: EndHold, ticket, { effectiveAt: now }, { holdEnds }) {
      const { work, assignee } = ticket;
      if (work.status !== 'on-hold' || work.until === undefined || work.until > now || work.expired) return [];
      const { reason, until } = work;
      const ends = holdEnds === 'tell' ? [event('HoldExpired', omitUndefined({ reason, until, assignee }))] : endOfHold(ticket);
      return ends.map((one) => ({ ...one, effectiveAt: until }));
    },
  }),

  PlanOnsiteVisit: command({
    body: PlanOnsiteVisit,
    route: 'POST /v1/tickets/{id}/onsite-visits',
    refuses: [...INACTIVE, 'onsite-visit-open', 'invalid-body', ...LEFT],
    late: false,
    needs: 'who-has-left',
    decide({ agent, location, plannedFor }, ticket, context, _contract, left?: WhoHasLeft) {
      const barred = unlessActive(ticket) ?? unlessLeft(agent, context, left);
      if (barred) return barred;
      if (ticket.onsiteVisit !== undefined)
        return refuse('onsite-visit-open', `A visit is already ${ticket.onsiteVisit.status}: complete it first`);
      const at = parseInstant(plannedFor);
      if (at === undefined)
        return refuse('invalid-body', 'The visit needs a date-time with an offset', [
          { field: 'plannedFor', message: 'must be a date-time with an offset' },
        ]);
      return [
        event('OnsiteVisitPlanned', {
          visitId: deterministicId('onsite-visit', context.commandId),
          agent: asPerson(agent),
          location,
          plannedFor: at,
        }),
      ];
    },
  }),

  BeginOnsiteVisit: command({
    body: BeginOnsiteVisit,
    route: 'POST /v1/tickets/{id}/onsite-visits/begin',
    refuses: [...INACTIVE, 'no-onsite-visit'],
    late: false,
    decide(_command, ticket) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      if (ticket.onsiteVisit === undefined) return refuse('no-onsite-visit', 'No visit is planned');
      return ticket.onsiteVisit.status === 'begun' ? [] : [event('OnsiteVisitBegun', { visitId: ticket.onsiteVisit.id })];
    },
  }),

  CompleteOnsiteVisit: command({
    body: CompleteOnsiteVisit,
    route: 'POST /v1/tickets/{id}/onsite-visits/complete',
    refuses: [...INACTIVE, 'no-onsite-visit'],
    late: false,
    decide({ outcome }, ticket) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      if (ticket.onsiteVisit?.status !== 'begun')
        return refuse('no-onsite-visit', ticket.onsiteVisit === undefined ? 'No visit is planned' : 'The visit has not begun');
      const done = event('OnsiteVisitDone', { visitId: ticket.onsiteVisit.id, outcome });
      return ticket.work.status === 'on-hold' && ticket.work.reason === 'onsite-visit' ? [done, ...endOfHold(ticket)] : [done];
    },
  }),

  RecordTouchTime: command({
    body: RecordTouchTime,
    route: 'POST /v1/tickets/{id}/touch-time',
    refuses: [...OVER, ...LEFT],
    late: true,
    needs: 'who-has-left',
    decide({ minutes, agent, activity }, ticket, context, _contract, left?: WhoHasLeft) {
      const who = namedOrActor(agent, context);
      const barred = unlessOver(ticket) ?? unlessLeft(who, context, left);
      return barred ?? [event('TouchTimeRecorded', omitUndefined({ tier: ticket.tier, agent: who, minutes, activity }))];
    },
  }),

  StartTouchTime: command({
    body: StartTouchTime,
    route: 'POST /v1/tickets/{id}/touch-time/start',
    refuses: [...INACTIVE, ...LEFT],
    late: true,
    needs: 'who-has-left',
    decide({ agent }, ticket, context, _contract, left?: WhoHasLeft) {
      const who = namedOrActor(agent, context);
      return unlessActive(ticket) ?? unlessLeft(who, context, left) ?? beginningOfTouch(ticket, who, context);
    },
  }),

  StopTouchTime: command({
    body: StopTouchTime,
    route: 'POST /v1/tickets/{id}/touch-time/stop',
    refuses: [...OVER, 'out-of-order'],
    late: true,
    decide({ agent, activity }, ticket, context) {
      const who = namedOrActor(agent, context);
      const touch = ticket.touching.find((one) => one.agent.id === who.id);
      // What an agent turned away from for something else is counted once already: see `attention`.
      const stopped = isAutomatic(context) ? [] : endOfStopped(ticket, who, context.effectiveAt, activity);
      if (touch === undefined || stopped.length > 0) return unlessOver(ticket) ?? stopped;
      if (context.effectiveAt < touch.since) {
        return refuse('out-of-order', `The time of ${who.name ?? who.id} began at ${touch.since}: it cannot have ended before`, [
          { field: 'effectiveAt', message: `must not be before ${touch.since}` },
        ]);
      }
      return [endOfTouch(touch, context, activity)];
    },
  }),

  DeductTouchTime: internal({
    refuses: [],
    late: true,
    decide: ({ tier, agent, startedAt, seconds }: DeductTouchTime) => [
      event('TouchTimeDeducted', { tier, agent: asPerson(agent), startedAt, seconds }),
    ],
  }),
} satisfies TicketCommandDefinitions;
