import { REACTION_OUTCOMES } from '#eventsourcing';
import {
  ANALYSIS_METHODS,
  BOARD_STATES,
  CHAIN_ENDS,
  CHANNELS,
  CLOCK_KINDS,
  CLOCK_STATES,
  CLOCK_VERDICTS,
  EVIDENCE_KINDS,
  HOLD_REASONS,
  IMPACTS,
  jsonSchemas,
  NOBODY_REASONS,
  publishedSchemas,
  QUEUE_STATES,
  RELATIONS,
  TICKET_KINDS,
  TICKET_STATUSES,
  URGENCIES,
} from '#ticketing';

/** JSON Schemas of the views as they are answered. A test holds real answers against them: every field that there is must be here. */

type Fields = Readonly<Record<string, object>>;

function object(required: Fields, optional: Fields = {}, description?: string) {
  return {
    type: 'object',
    ...(description === undefined ? {} : { description }),
    required: Object.keys(required),
    properties: { ...required, ...optional },
  };
}
const text = { type: 'string' };
const uuid = { type: 'string', format: 'uuid' };
const flag = { type: 'boolean' };
const count = { type: 'integer', minimum: 0 };
const instant = { type: 'string', format: 'date-time' };
const milliseconds = { type: 'integer', minimum: 0, description: 'Milliseconds' };
const oneOf = (words: readonly string[]) => ({ type: 'string', enum: [...words] });
const listOf = (items: object) => ({ type: 'array', items });
const about = (schema: object, description: string) => ({ ...schema, description });

const tier = { $ref: '#/components/schemas/Tier' };
const person = { $ref: '#/components/schemas/Person' };
const actor = { $ref: '#/components/schemas/Actor' };
const stored = {
  revision: about(count, 'Revision of the last event that it has seen'),
  position: about(count, 'Position of that event in the log'),
};
const importedFrom = { system: text, key: text };

const activeWork = [
  object({ status: { const: 'open' } }, {}, 'Nobody’s yet'),
  object({ status: { const: 'in-progress' }, agent: person }),
  object(
    {
      status: { const: 'escalated' },
      handedOver: object({ escalationId: uuid, from: tier, at: instant }, { fromTeam: text, fromAssignee: person }),
    },
    {},
    'Handed over, and neither accepted nor returned yet',
  ),
];

const restated = object(
  { at: instant, reason: text },
  {
    is: object(
      { contractVersion: count, verdict: oneOf(CLOCK_VERDICTS), target: milliseconds, elapsed: milliseconds },
      { dueAt: instant, breachedAt: instant },
      'Absent where no such clock would have run',
    ),
  },
  'What is known of it since the contract was corrected; the clock itself stays as it was known before',
);

const boardClock = object(
  {
    kind: oneOf(CLOCK_KINDS),
    cycle: about(count, '1, and one more each time it begins anew'),
    state: oneOf(BOARD_STATES),
    target: milliseconds,
    remaining: about({ type: 'integer' }, 'Milliseconds of open time that are left; less than 0 once it is overdue'),
  },
  {
    tier,
    vendor: text,
    dueAt: about(instant, 'While it runs: when it is due, or was, if it is breached'),
    breachedAt: instant,
    warned: about(count, 'The highest warning, in per cent of its target, that it has passed'),
    pausedFor: about(oneOf([...HOLD_REASONS, 'hand-off', 'resolved']), 'Why it stands still'),
  },
);
const vocabulary = {
  kind: oneOf(TICKET_KINDS),
  channel: oneOf(CHANNELS),
  impact: oneOf(IMPACTS),
  urgency: oneOf(URGENCIES),
  priority: { $ref: '#/components/schemas/Priority' },
};

const chainTarget = object({ kind: oneOf(['person', 'team', 'assignee', 'on-call']) }, { person, team: text, schedule: text });
const acknowledged = object({ by: person, at: instant, revision: count }, { until: instant });
const chainEnd = object({ because: oneOf(CHAIN_ENDS), at: instant, revision: count }, {}, 'Why it ended, and the event that ended it');
const chainRestated = object(
  { at: instant, revision: count },
  { verdict: about(oneOf(CLOCK_VERDICTS), 'Absent where no such clock would have run') },
  'The verdict on the clock that set it going was restated later',
);
const chainCause = object({ type: text, revision: count }, {}, 'The event that set it going');
const place = { round: about(count, 'From 0'), step: about(count, 'From 0') };
const chain = object(
  {
    id: about(text, '`<policy>/<revision of the event that set it going>`'),
    policy: { type: 'object', description: 'As it was when it was set going' },
    cause: chainCause,
    startedAt: instant,
    from: about(instant, 'What the next delay counts from'),
    steps: listOf(
      object(
        { ...place, at: instant, revision: count, outcome: oneOf(['dispatched', 'skipped']) },
        { targets: listOf(chainTarget), toldAt: instant, because: text },
      ),
    ),
  },
  { about: text, next: object(place), acknowledged, restated: chainRestated, ended: chainEnd },
  'An escalation policy at work',
);

export const viewSchemas = {
  ...jsonSchemas(publishedSchemas, (name) => `#/components/schemas/${name}`),
  TicketDetails: object(
    {
      _id: about(uuid, 'Id of the ticket'),
      ...stored,
      client: text,
      summary: text,
      reporter: person,
      ...vocabulary,
      tier,
      status: oneOf(TICKET_STATUSES),
      majorIncident: flag,
      securityIncident: flag,
      work: {
        oneOf: [
          ...activeWork,
          object(
            { status: { const: 'on-hold' }, reason: oneOf(HOLD_REASONS), since: instant, paused: { oneOf: activeWork } },
            { until: instant },
          ),
          object({ status: oneOf(['resolved', 'closed']), resolvedAt: instant }),
          object({ status: { const: 'cancelled' } }),
          object({ status: { const: 'merged' }, into: uuid }),
        ],
        description: 'Where it stands in its life',
      },
      stepsTried: listOf(object({ action: text, outcome: text })),
      evidence: listOf(object({ name: text, kind: oneOf(EVIDENCE_KINDS), url: text, mediaType: text, sha256: text, bytes: count })),
      resolvedBy: about(listOf(tier), 'Tiers that have resolved it so far'),
      cycle: about(count, '1, and one more for each reopening'),
      returns: about(count, 'Hand-offs that were returned'),
      consultations: about(listOf(object({ id: uuid, tier, question: text })), 'Questions to other tiers that wait for an answer'),
      touching: about(listOf(object({ agent: person, tier, since: instant })), 'Agents who are at it now'),
      judgedCycles: about(listOf(count), 'Cycles whose resolution the requester has judged'),
      links: about(listOf(object({ ticketId: uuid, relation: oneOf(RELATIONS) })), 'What it is to other tickets'),
      absorbed: about(listOf(uuid), 'Tickets that go on in this one'),
      handOffs: about(
        listOf(
          object(
            {
              escalationId: uuid,
              from: tier,
              to: tier,
              at: instant,
              outcome: { enum: ['pending', 'accepted', 'returned'] },
              quality: about(count, '0 to 100; half of it when it was returned'),
            },
            { fromTeam: text, toTeam: text, settledAt: instant },
          ),
        ),
        'Hand-offs to higher tiers',
      ),
      touchMinutes: about(count, 'Minutes that agents have stated to have spent on it'),
      touchSeconds: about(count, 'Seconds that they were at it, as measured from starts to stops'),
      satisfaction: listOf(object({ cycle: count, score: count }, { comment: text })),
      escalations: count,
      deescalations: count,
      revisions: about(count, 'How many events it has'),
      stays: about(listOf(object({ tier, since: instant }, { team: text })), 'Where it has been'),
      openedAt: instant,
      movedAt: about(instant, 'When the last event that moved it on took effect'),
      updatedAt: instant,
    },
    {
      description: text,
      team: text,
      assignee: person,
      category: text,
      service: text,
      component: text,
      vendorCase: object({ vendor: text, caseReference: text, contract: text }),
      onsiteVisit: object({ id: uuid, status: { enum: ['planned', 'begun'] } }),
      follows: about(uuid, 'The ticket that this one follows'),
      articlesShown: about(listOf(text), 'Knowledge articles that self-service showed in vain before it was opened'),
      settledEscalation: object({ id: uuid, how: oneOf(['accepted', 'returned']) }, {}, 'The last hand-off that was accepted or returned'),
      skills: about(listOf(text), 'Skills that were stated at triage'),
      teamChosen: about({ const: true }, 'The team was chosen with the assignee, by automatic assignment'),
      nobodyFound: about(oneOf(NOBODY_REASONS), 'Why automatic assignment found nobody'),
      declinedBy: about(listOf(text), 'Ids of the agents from whom it was taken on request, at this tier'),
      mergingInto: about(uuid, 'The ticket that it is to go on in, until that one has answered'),
      resolution: object(
        { tier },
        {
          category: text,
          article: text,
          cause: text,
          fix: text,
          workaround: text,
          parent: about(uuid, 'The parent whose resolution it follows'),
        },
      ),
      rootCause: object(
        {
          category: text,
          analysis: object({ method: oneOf(ANALYSIS_METHODS), text, citedEvents: listOf(count) }),
          preventiveActions: listOf(object({ action: text, owner: text })),
          knowledgeArticle: object({ id: text, action: oneOf(['written', 'updated']) }),
          lowerTierCanResolve: flag,
        },
        { permanentFix: text, workaround: text, changeReference: text },
      ),
      contract: object(
        { version: count, tzdata: text },
        {},
        "The version of the client's contract that it goes by, read with that version of the time zone data; absent: the default contract",
      ),
      firstResponseAt: instant,
      resolvedAt: instant,
      closedAt: instant,
      cancelledAt: instant,
      imported: object(
        { ...importedFrom, deviations: listOf(text) },
        {},
        'Where an imported ticket comes from, and which rules its history breaks',
      ),
    },
    'All that is known of a ticket now',
  ),
  HistoryEntry: object(
    {
      _id: about(text, '`<ticket id>/<revision>`'),
      ...stored,
      ticketId: uuid,
      eventId: uuid,
      type: about(text, 'Type of the event'),
      data: about({ type: 'object' }, 'What the event says'),
      actor: about(actor, 'Who did it'),
      client: text,
      commandType: about(text, 'The command that it came from'),
      commandId: uuid,
      correlationId: about(text, 'What it belongs to'),
      causationId: about(text, 'What led to it'),
      effectiveAt: about(instant, 'When it happened'),
      recordedAt: about(instant, 'When this system learnt of it'),
      schemaVersion: about(count, 'Version of the shape in which it was written'),
    },
    {
      commandDigest: text,
      imported: object(
        { ...importedFrom, row: count, said: { type: 'object', additionalProperties: text } },
        { deviations: listOf(text) },
        'Where an imported fact comes from',
      ),
    },
    'An event of a ticket, with all that is known about it',
  ),
  TicketSla: object(
    {
      _id: about(uuid, 'Id of the ticket'),
      ...stored,
      client: text,
      priority: vocabulary.priority,
      clocks: listOf(
        object(
          {
            kind: about(oneOf(CLOCK_KINDS), 'Promised to the client, between tiers, or by a vendor'),
            cycle: about(count, '1, and one more each time it begins anew'),
            state: oneOf(CLOCK_STATES),
            target: milliseconds,
            startedAt: instant,
            elapsed: about(milliseconds, 'Milliseconds on the clock up to `runningSince`, or in all when it does not run'),
            pauses: listOf(object({ reason: oneOf([...HOLD_REASONS, 'hand-off', 'resolved']), from: instant }, { to: instant })),
          },
          {
            tier: about(tier, 'Whose promise it is, between tiers'),
            vendor: about(text, 'Whose promise it is, by a vendor'),
            terms: about(count, '1, and one more each time its target was changed'),
            runningSince: instant,
            dueAt: about(instant, 'When it will be breached if nothing happens; once it was stopped: when it would have been'),
            breachedAt: about(instant, 'When it was breached'),
            stoppedAt: instant,
            contractVersion: about(
              count,
              "Once it has ended: version of the client's contract that it ended under, 0 for the default contract",
            ),
            restated,
            thresholds: about(listOf(object({ percent: count, at: instant })), 'The shares of its target that are still ahead'),
            moments: about(
              listOf(object({ what: oneOf(['threshold', 'breach']), terms: count, effectiveAt: instant }, { percent: count })),
              'The shares of its target that were used up, and its breach',
            ),
          },
        ),
      ),
      contractVersion: about(count, "Version of the client's contract, 0 for the default contract"),
      open: about(flag, 'Whether any clock goes on'),
      chains: about(listOf(chain), 'The escalation policies that are, or were, at work'),
      told: about(listOf(text), 'Warnings and breaches that are events already: clock, tier or vendor, cycle, terms, threshold'),
      evaluatedAt: about(instant, 'The instant that the clocks were looked at: one that is overdue by then is breached'),
    },
    {
      nextDueAt: about(instant, 'The earliest due instant of its running clocks that are not breached'),
      nextStepAt: about(instant, 'When an escalation policy does something next by itself'),
      nextMomentAt: about(instant, 'When there is, or will be, a warning or a breach to tell'),
      quietUntil: about(instant, 'What happened up to then is told to nobody'),
      contract: object(
        { version: count, tzdata: text, terms: { $ref: '#/components/schemas/Contract' } },
        {},
        'What it goes by; absent: the default contract',
      ),
      holds: about(listOf(oneOf(HOLD_REASONS)), 'Why the ticket is on hold'),
      handOffPending: about(flag, 'Whether a hand-off waits to be accepted or returned'),
      vendor: about(text, 'The vendor of the last hand-off that named one'),
    },
    'The clocks of a ticket as they stand now',
  ),
  QueueEntry: object(
    {
      _id: about(uuid, 'Id of the ticket'),
      ...stored,
      tier,
      queued: flag,
      state: oneOf(QUEUE_STATES),
      client: text,
      kind: vocabulary.kind,
      summary: text,
      priority: vocabulary.priority,
      majorIncident: flag,
      rank: about(count, 'Major incidents, then by priority: lower comes first'),
      atTierSince: about(instant, 'When it came to this tier'),
      since: about(instant, 'When it came to this state at this tier'),
      openedAt: instant,
    },
    {
      team: text,
      assignee: person,
      assignedAt: about(instant, 'When the assignee, or the last one, was given it'),
      nobodyFound: about(oneOf(NOBODY_REASONS), 'Why automatic assignment found nobody'),
      holdReason: oneOf(HOLD_REASONS),
    },
    'A ticket in the queue of its tier',
  ),
  PolicyReaction: object(
    {
      _id: about(text, 'Of the policy and the event: its record is the stream `reaction-<_id>`'),
      ...stored,
      policy: text,
      client: text,
      correlationId: text,
      reactedAt: instant,
      to: about(object({ stream: text, revision: count, eventId: text, type: text }), 'The event that was reacted to'),
      reactions: about(
        listOf(
          object(
            {
              category: about(text, 'Kind of the aggregate that the command was for, such as `ticket`'),
              id: about(text, 'Id of that aggregate'),
              command: text,
              commandId: text,
              outcome: about(oneOf(REACTION_OUTCOMES), '`quiet`: it was so already'),
            },
            {
              refusal: object(
                { refused: about(text, 'Code of the refusal'), message: text },
                { faults: listOf(object({ field: text, message: text })) },
                'Why it was refused',
              ),
            },
          ),
        ),
        'The commands that it led to, in order',
      ),
    },
    {},
    'What a policy did about an event',
  ),
  SlaBoardLine: object(
    {
      _id: about(uuid, 'Id of the ticket'),
      ...stored,
      client: text,
      tier: about(tier, 'The tier that has the ticket'),
      summary: text,
      priority: vocabulary.priority,
      majorIncident: flag,
      clock: about(boardClock, 'The clock that the line is sorted by'),
      clocks: about(listOf(boardClock), 'All clocks of the ticket that go on, whichever is due first first'),
    },
    {
      team: text,
      assignee: person,
      forecast: object(
        {
          tier,
          remaining: about({ type: 'integer' }, 'Milliseconds of open time that are left of the resolution'),
          needed: about(milliseconds, 'Milliseconds of open time that the tier has yet to work, by its own target'),
          atRisk: about(flag, 'Whether less is left than is needed'),
        },
        {},
        'Where both are promised',
      ),
    },
    'A ticket, with the clock that it is sorted by',
  ),
  TicketListEntry: object(
    {
      _id: about(uuid, 'Id of the ticket'),
      ...stored,
      client: text,
      summary: text,
      reporter: person,
      ...vocabulary,
      tier,
      status: oneOf(TICKET_STATUSES),
      rank: about(count, 'Major incidents, then by priority: lower comes first'),
      majorIncident: flag,
      securityIncident: flag,
      openedAt: instant,
      updatedAt: instant,
    },
    { team: text, assignee: person, category: text, service: text, component: text, resolvedAt: instant },
    'A ticket in the list of all tickets',
  ),
};
