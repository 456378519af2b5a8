// Generated from the types of the events; do not edit: `UPDATE_DOCS=1 npm test -- test/event-schemas` regenerates it.

const L1Schema = {
  type: 'array',
  items: {
    enum: [
      'summary',
      'vendor',
      'stepsTried',
      'vendorCase',
      'errorMessages',
      'logs',
      'diagnosticData',
      'environment',
      'reproduction',
      'vendorContract',
    ],
  },
};
const changeSchema = {
  type: 'object',
  properties: { description: { type: 'string' }, change: { type: 'string' }, before: { type: 'string' }, after: { type: 'string' } },
  required: ['change', 'description'],
};
const targets2Schema = {
  type: 'object',
  properties: {
    kind: { const: 'person' },
    person: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
  },
  required: ['kind', 'person'],
};
const holidaysSchema = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      date: { type: 'string' },
      name: { type: 'string' },
      hours: {
        type: 'array',
        items: { type: 'object', properties: { from: { type: 'string' }, to: { type: 'string' } }, required: ['from', 'to'] },
      },
    },
    required: ['date'],
  },
};
const low3Schema = {
  type: 'object',
  properties: {
    low: { enum: ['low', 'medium', 'high', 'critical'] },
    medium: { enum: ['low', 'medium', 'high', 'critical'] },
    high: { enum: ['low', 'medium', 'high', 'critical'] },
    critical: { enum: ['low', 'medium', 'high', 'critical'] },
  },
  required: ['critical', 'high', 'low', 'medium'],
};
const data6Schema = {
  type: 'object',
  properties: {
    client: { type: 'string' },
    service: { type: 'string' },
    reason: { type: 'string' },
    parent: { type: 'string' },
    tickets: { type: 'array', items: { type: 'string' } },
    majorIncident: { type: 'string' },
  },
  required: ['client', 'majorIncident', 'parent', 'reason', 'tickets'],
};
const low2Schema = {
  type: 'object',
  properties: {
    accept: {
      anyOf: [{ type: 'number' }, { type: 'object', properties: { businessDays: { type: 'number' } }, required: ['businessDays'] }],
    },
    work: { anyOf: [{ type: 'number' }, { type: 'object', properties: { businessDays: { type: 'number' } }, required: ['businessDays'] }] },
  },
};
const data5Schema = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    kind: { enum: ['log', 'screenshot', 'diagnostic-data', 'configuration', 'other'] },
    url: { type: 'string' },
    mediaType: { type: 'string' },
    sha256: { type: 'string' },
    bytes: { type: 'number' },
  },
  required: ['bytes', 'kind', 'mediaType', 'name', 'sha256', 'url'],
};
const lowSchema = {
  type: 'object',
  properties: {
    response: {
      anyOf: [{ type: 'number' }, { type: 'object', properties: { businessDays: { type: 'number' } }, required: ['businessDays'] }],
    },
    resolution: {
      anyOf: [{ type: 'number' }, { type: 'object', properties: { businessDays: { type: 'number' } }, required: ['businessDays'] }],
    },
  },
  required: ['resolution', 'response'],
};
const factSchema = {
  type: 'object',
  properties: {
    fingerprint: { type: 'string' },
    status: { enum: ['resolved', 'firing'] },
    startsAt: { type: 'string', format: 'date-time' },
    endsAt: {
      description: 'When a resolved alert ended; the time of delivery unless its source says otherwise.',
      type: 'string',
      format: 'date-time',
    },
  },
  required: ['fingerprint', 'startsAt', 'status'],
};
const data4Schema = {
  type: 'object',
  properties: {
    agent: { type: 'string' },
    absence: {
      type: 'object',
      properties: {
        id: { type: 'string' },
        from: { type: 'string', format: 'date-time' },
        until: { type: 'string', format: 'date-time' },
        reason: { type: 'string' },
        deputy: { type: 'string' },
        handBack: { type: 'boolean' },
      },
      required: ['from', 'handBack', 'id', 'reason'],
    },
  },
  required: ['absence', 'agent'],
};
const data3Schema = { type: 'object', properties: { fact: factSchema, ticketId: { type: 'string' } }, required: ['fact', 'ticketId'] };
const targetsSchema = {
  type: 'array',
  items: {
    anyOf: [
      targets2Schema,
      { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
      { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
      { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
    ],
  },
};
const notifications2Schema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    target: {
      anyOf: [
        targets2Schema,
        { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
        { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
        { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
      ],
    },
    by: { enum: ['chat', 'email'] },
    channel: { type: 'string' },
  },
  required: ['by', 'id', 'target'],
};
const notificationsSchema = { type: 'array', items: notifications2Schema };
const passedOverSchema = {
  type: 'object',
  properties: {
    target: {
      anyOf: [
        targets2Schema,
        { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
        { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
        { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
      ],
    },
    because: { enum: ['no-members', 'all-absent', 'left', 'absent', 'no-assignee', 'nobody-on-call', 'not-of-client'] },
  },
  required: ['because', 'target'],
};
const data2Schema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    target: {
      anyOf: [
        targets2Schema,
        { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
        { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
        { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
      ],
    },
    by: { enum: ['chat', 'email'] },
    channel: { type: 'string' },
    attempts: { type: 'number' },
  },
  required: ['attempts', 'by', 'id', 'target'],
};
const dataSchema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    channel: { type: 'string' },
    attempts: { type: 'number' },
    by: { enum: ['chat', 'email'] },
    because: { enum: ['not-of-client', 'refused', 'given-up', 'no-address', 'not-configured'] },
    target: {
      anyOf: [
        targets2Schema,
        { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
        { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
        { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
      ],
    },
  },
  required: ['attempts', 'because', 'by', 'id', 'target'],
};
const weekSchema = {
  type: 'object',
  properties: {
    monday: {
      type: 'array',
      items: { type: 'object', properties: { from: { type: 'string' }, to: { type: 'string' } }, required: ['from', 'to'] },
    },
    tuesday: {
      type: 'array',
      items: { type: 'object', properties: { from: { type: 'string' }, to: { type: 'string' } }, required: ['from', 'to'] },
    },
    wednesday: {
      type: 'array',
      items: { type: 'object', properties: { from: { type: 'string' }, to: { type: 'string' } }, required: ['from', 'to'] },
    },
    thursday: {
      type: 'array',
      items: { type: 'object', properties: { from: { type: 'string' }, to: { type: 'string' } }, required: ['from', 'to'] },
    },
    friday: {
      type: 'array',
      items: { type: 'object', properties: { from: { type: 'string' }, to: { type: 'string' } }, required: ['from', 'to'] },
    },
    saturday: {
      type: 'array',
      items: { type: 'object', properties: { from: { type: 'string' }, to: { type: 'string' } }, required: ['from', 'to'] },
    },
    sunday: {
      type: 'array',
      items: { type: 'object', properties: { from: { type: 'string' }, to: { type: 'string' } }, required: ['from', 'to'] },
    },
  },
};
const L0Schema = {
  type: 'object',
  properties: { low: low2Schema, medium: low2Schema, high: low2Schema, critical: low2Schema },
  required: ['critical', 'high', 'low', 'medium'],
};
const calendarSchema = {
  type: 'object',
  properties: { zone: { type: 'string' }, week: { anyOf: [{ const: '24x7' }, weekSchema] }, holidays: holidaysSchema },
  required: ['week', 'zone'],
};
const rulesSchema = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      on: {
        enum: [
          'TicketOpened',
          'TicketTriaged',
          'TicketEscalated',
          'EscalationAccepted',
          'EscalationReturned',
          'RequesterReplied',
          'MajorIncidentDeclared',
          'TicketResolved',
          'TicketReopened',
          'SlaThresholdReached',
          'SlaBreached',
        ],
      },
      if: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            field: {
              enum: [
                'kind',
                'summary',
                'channel',
                'impact',
                'urgency',
                'priority',
                'tier',
                'team',
                'service',
                'component',
                'category',
                'percent',
                'clock',
              ],
            },
            is: { type: 'array', items: { type: 'string' } },
            isNot: { type: 'array', items: { type: 'string' } },
            contains: { type: 'array', items: { type: 'string' } },
          },
          required: ['field'],
        },
      },
      then: {
        type: 'array',
        items: {
          anyOf: [
            {
              type: 'object',
              properties: {
                category: { type: 'string' },
                impact: { enum: ['low', 'medium', 'high', 'major'] },
                urgency: { enum: ['low', 'medium', 'high', 'critical'] },
                service: { type: 'string' },
                component: { type: 'string' },
                do: { const: 'triage' },
              },
              required: ['category', 'do'],
            },
            {
              type: 'object',
              properties: { do: { const: 'assign' }, team: { type: 'string' }, assignee: { type: 'string' } },
              required: ['do'],
            },
            { type: 'object', properties: { do: { const: 'note' }, text: { type: 'string' } }, required: ['do', 'text'] },
            {
              type: 'object',
              properties: {
                do: { const: 'open' },
                summary: { type: 'string' },
                kind: { enum: ['incident', 'service-request'] },
                category: { type: 'string' },
                team: { type: 'string' },
              },
              required: ['do', 'kind', 'summary'],
            },
            {
              type: 'object',
              properties: {
                do: { const: 'ask' },
                action: { type: 'string' },
                input: { type: 'object', additionalProperties: { type: 'string' } },
                attempts: { type: 'number' },
              },
              required: ['action', 'do'],
            },
            {
              type: 'object',
              properties: {
                do: { const: 'link' },
                ticketId: { type: 'string' },
                relation: { enum: ['relates-to', 'duplicate-of', 'duplicated-by', 'child-of', 'parent-of', 'caused-by', 'cause-of'] },
              },
              required: ['do', 'relation', 'ticketId'],
            },
          ],
        },
      },
    },
    required: ['name', 'on', 'then'],
  },
};

/** The JSON Schema (2020-12) of what other services read of each type of event. */
export const publicEventSchemas = {
  TicketOpened: {
    type: 'object',
    properties: {
      contractVersion: { type: 'number' },
      client: { type: 'string' },
      kind: { enum: ['incident', 'service-request'] },
      summary: { type: 'string' },
      description: { type: 'string' },
      reporter: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      channel: { enum: ['phone', 'chat', 'email', 'portal', 'social', 'monitoring', 'walk-in'] },
      impact: { enum: ['low', 'medium', 'high', 'major'] },
      urgency: { enum: ['low', 'medium', 'high', 'critical'] },
      priority: { enum: ['low', 'medium', 'high', 'critical'] },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { type: 'string' },
      service: { type: 'string' },
      component: { type: 'string' },
      category: { type: 'string' },
      question: { type: 'string' },
      form: { type: 'object', properties: { form: { type: 'string' }, version: { type: 'number' } }, required: ['form', 'version'] },
      follows: { type: 'string' },
      defaultTerms: { type: 'number' },
      majorIncident: { const: true },
      securityIncident: { const: true },
      entryReason: { description: "A lead's reason for letting it enter above the usual tiers.", type: 'string' },
      articlesShown: { description: 'Knowledge articles that L0 showed without success.', type: 'array', items: { type: 'string' } },
      articlesBesides: {
        description:
          'Those of them that were not suggested for its question, if it names one: the suggested ones are counted with the question.',
        type: 'array',
        items: { type: 'string' },
      },
    },
    required: ['channel', 'client', 'contractVersion', 'impact', 'kind', 'priority', 'reporter', 'summary', 'tier', 'urgency'],
  },
  TicketTriaged: {
    type: 'object',
    properties: {
      category: { type: 'string' },
      impact: { enum: ['low', 'medium', 'high', 'major'] },
      urgency: { enum: ['low', 'medium', 'high', 'critical'] },
      priority: { enum: ['low', 'medium', 'high', 'critical'] },
      service: { type: 'string' },
      component: { type: 'string' },
      majorIncident: { type: 'boolean' },
      securityIncident: { type: 'boolean' },
      skills: {
        description: 'Skills that its agent needs, in place of those that the contract requires for the category.',
        type: 'array',
        items: { type: 'string' },
      },
      before: {
        description: 'The previous values, if they were different.',
        type: 'object',
        properties: { service: { type: 'string' }, component: { type: 'string' }, category: { type: 'string' } },
      },
    },
    required: ['category', 'impact', 'majorIncident', 'priority', 'securityIncident', 'urgency'],
  },
  TicketEscalated: {
    type: 'object',
    properties: {
      escalationId: { type: 'string' },
      from: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      fromTeam: { type: 'string' },
      to: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      toTeam: { type: 'string' },
      reason: { type: 'string' },
      skipped: { enum: ['major-incident', 'recurrence', 'security-incident'] },
      handOff: {
        type: 'object',
        properties: {
          summary: { type: 'string' },
          errorMessages: { type: 'array', items: { type: 'string' } },
          logs: { description: 'References (URLs or names of attached evidence) to logs.', type: 'array', items: { type: 'string' } },
          stepsTried: {
            type: 'array',
            items: {
              type: 'object',
              properties: { action: { type: 'string' }, outcome: { type: 'string' } },
              required: ['action', 'outcome'],
            },
          },
          stepsToReproduce: { description: 'Steps that reproduce the fault …', type: 'array', items: { type: 'string' } },
          notReproducibleBecause: { description: "… or why it can't be reproduced.", type: 'string' },
          diagnosticData: { type: 'array', items: { type: 'string' } },
          environment: { type: 'string' },
          vendor: {
            type: 'object',
            properties: { vendor: { type: 'string' }, caseReference: { type: 'string' }, contract: { type: 'string' } },
            required: ['caseReference', 'contract', 'vendor'],
          },
        },
      },
      automatic: {
        description: 'Set if a policy handed it on: which one, and what the contract requires but the hand-off lacks.',
        type: 'object',
        properties: { policy: { type: 'string' }, chain: { type: 'string' }, lacks: { type: 'array', items: { type: 'string' } } },
        required: ['chain', 'lacks', 'policy'],
      },
    },
    required: ['escalationId', 'from', 'handOff', 'reason', 'to'],
  },
  EscalationAccepted: {
    type: 'object',
    properties: {
      escalationId: { type: 'string' },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { type: 'string' },
      agent: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      turnedFrom: {
        description: "Tickets on which the agent's touch time was running, and now ends.",
        type: 'array',
        items: { type: 'string' },
      },
    },
    required: ['agent', 'escalationId', 'tier'],
  },
  EscalationReturned: {
    type: 'object',
    properties: {
      escalationId: { type: 'string' },
      from: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      to: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      toTeam: { type: 'string' },
      reason: { type: 'string' },
      pingPong: { type: 'number' },
    },
    required: ['escalationId', 'from', 'pingPong', 'reason', 'to'],
  },
  RequesterReplied: {
    type: 'object',
    properties: {
      author: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      text: { type: 'string' },
      followUp: { type: 'string' },
    },
    required: ['author', 'text'],
  },
  MajorIncidentDeclared: { type: 'object', properties: { reason: { type: 'string' } }, required: ['reason'] },
  TicketResolved: {
    type: 'object',
    properties: {
      category: { type: 'string' },
      article: { type: 'string' },
      cause: { type: 'string' },
      fix: { type: 'string' },
      workaround: { type: 'string' },
      parent: { type: 'string' },
      alert: { type: 'string' },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { type: 'string' },
    },
    required: ['tier'],
  },
  TicketReopened: {
    type: 'object',
    properties: {
      reason: { type: 'string' },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { type: 'string' },
      cycle: { type: 'number' },
    },
    required: ['cycle', 'reason', 'tier'],
  },
  SlaThresholdReached: {
    type: 'object',
    properties: {
      clock: { enum: ['vendor', 'resolution', 'response', 'tier-accept', 'tier-work'] },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      vendor: { type: 'string' },
      cycle: { type: 'number' },
      terms: { type: 'number' },
      percent: { type: 'number' },
      target: { type: 'number' },
      dueAt: { type: 'string', format: 'date-time' },
    },
    required: ['clock', 'cycle', 'percent', 'target', 'terms'],
  },
  SlaBreached: {
    type: 'object',
    properties: {
      clock: { enum: ['vendor', 'resolution', 'response', 'tier-accept', 'tier-work'] },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      vendor: { type: 'string' },
      cycle: { type: 'number' },
      terms: { type: 'number' },
      target: { type: 'number' },
      dueAt: { type: 'string', format: 'date-time' },
    },
    required: ['clock', 'cycle', 'target', 'terms'],
  },
  ActProposed: {
    type: 'object',
    properties: { proposalId: { type: 'string' }, act: { enum: ['resolution', 'reply', 'hand-off'] } },
    required: ['act', 'proposalId'],
  },
  ProposalApproved: {
    type: 'object',
    properties: { proposalId: { type: 'string' }, act: { enum: ['resolution', 'reply', 'hand-off'] }, by: { const: 'contract' } },
    required: ['act', 'proposalId'],
  },
  ProposalRejected: {
    type: 'object',
    properties: { proposalId: { type: 'string' }, act: { enum: ['resolution', 'reply', 'hand-off'] }, reason: { type: 'string' } },
    required: ['act', 'proposalId', 'reason'],
  },
  PersonalDataErased: {
    type: 'object',
    properties: { because: { enum: ['forgotten', 'retention'] }, person: { type: 'string' } },
    required: ['because'],
  },
  TicketRecurred: {
    type: 'object',
    properties: {
      ticketId: { type: 'string' },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      fixedAt: { type: 'string', format: 'date-time' },
      rootCause: { type: 'boolean' },
    },
    required: ['fixedAt', 'rootCause', 'ticketId', 'tier'],
  },
  TicketToldOfProblem: {
    type: 'object',
    properties: {
      title: { type: 'string' },
      workaround: { type: 'string' },
      fixedAt: { type: 'string', format: 'date-time' },
      problemId: { type: 'string' },
      status: { enum: ['open', 'closed', 'known-error', 'fixed', 'unlinked'] },
    },
    required: ['problemId', 'status', 'title'],
  },
  EscalationStepDispatched: {
    type: 'object',
    properties: {
      chain: { type: 'string' },
      policy: { type: 'string' },
      round: { type: 'number' },
      step: { type: 'number' },
      targets: targetsSchema,
      passedOver: {
        description: 'Targets with nobody to notify: the step reached only the others.',
        type: 'array',
        items: passedOverSchema,
      },
      notHandedOn: { description: 'Why the step did not hand the work on as configured.', type: 'string' },
      notifications: {
        description: 'The messages to targets with addresses, and their text. Other targets learn of the step only through this event.',
        type: 'array',
        items: notifications2Schema,
      },
      message: { type: 'object', properties: { subject: { type: 'string' }, text: { type: 'string' } }, required: ['subject', 'text'] },
    },
    required: ['chain', 'policy', 'round', 'step', 'targets'],
  },
  EscalationStepSkipped: {
    type: 'object',
    properties: {
      chain: { type: 'string' },
      policy: { type: 'string' },
      round: { type: 'number' },
      step: { type: 'number' },
      because: { type: 'string' },
      passedOver: { type: 'array', items: passedOverSchema },
    },
    required: ['because', 'chain', 'policy', 'round', 'step'],
  },
  NotificationDelivered: {
    type: 'object',
    properties: {
      chain: { type: 'string' },
      policy: { type: 'string' },
      round: { type: 'number' },
      step: { type: 'number' },
      id: { type: 'string' },
      target: {
        anyOf: [
          targets2Schema,
          { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
          { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
          { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
        ],
      },
      by: { enum: ['chat', 'email'] },
      channel: { type: 'string' },
      attempts: { type: 'number' },
    },
    required: ['attempts', 'by', 'chain', 'id', 'policy', 'round', 'step', 'target'],
  },
  NotificationFailed: {
    type: 'object',
    properties: {
      id: { type: 'string' },
      channel: { type: 'string' },
      attempts: { type: 'number' },
      by: { enum: ['chat', 'email'] },
      policy: { type: 'string' },
      step: { type: 'number' },
      because: { enum: ['not-of-client', 'refused', 'given-up', 'no-address', 'not-configured'] },
      chain: { type: 'string' },
      target: {
        anyOf: [
          targets2Schema,
          { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
          { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
          { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
        ],
      },
      round: { type: 'number' },
    },
    required: ['attempts', 'because', 'by', 'chain', 'id', 'policy', 'round', 'step', 'target'],
  },
  EscalationAcknowledged: {
    type: 'object',
    properties: {
      chains: { type: 'array', items: { type: 'string' } },
      by: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      note: { type: 'string' },
    },
    required: ['by', 'chains'],
  },
  EscalationAcknowledgementLapsed: {
    type: 'object',
    properties: { chain: { type: 'string' }, policy: { type: 'string' } },
    required: ['chain', 'policy'],
  },
  SlaTermsRebased: {
    type: 'object',
    properties: {
      contractVersion: { type: 'number' },
      clocks: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            clock: { enum: ['vendor', 'resolution', 'response', 'tier-accept', 'tier-work'] },
            tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
            vendor: { type: 'string' },
            cycle: { type: 'number' },
            oldDue: { type: 'string', format: 'date-time' },
            newDue: { type: 'string', format: 'date-time' },
          },
          required: ['clock', 'cycle'],
        },
      },
    },
    required: ['clocks', 'contractVersion'],
  },
  SlaRestated: {
    type: 'object',
    properties: {
      clock: { enum: ['vendor', 'resolution', 'response', 'tier-accept', 'tier-work'] },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      vendor: { type: 'string' },
      cycle: { type: 'number' },
      was: {
        description: 'The previous verdict.',
        type: 'object',
        properties: {
          contractVersion: { type: 'number' },
          verdict: { enum: ['cancelled', 'met', 'breached'] },
          target: { type: 'number' },
          elapsed: { type: 'number' },
          dueAt: { type: 'string', format: 'date-time' },
          breachedAt: { type: 'string', format: 'date-time' },
        },
        required: ['contractVersion', 'elapsed', 'target', 'verdict'],
      },
      is: {
        description: 'Absent if there would have been no such clock, or it has not ended.',
        type: 'object',
        properties: {
          contractVersion: { type: 'number' },
          verdict: { enum: ['cancelled', 'met', 'breached'] },
          target: { type: 'number' },
          elapsed: { type: 'number' },
          dueAt: { type: 'string', format: 'date-time' },
          breachedAt: { type: 'string', format: 'date-time' },
        },
        required: ['contractVersion', 'elapsed', 'target', 'verdict'],
      },
      moment: {
        description:
          'A warning or breach that was recorded of the clock, ended or not: when it was said to have happened, and when it really did, if it\ndid.',
        type: 'object',
        properties: {
          terms: { type: 'number' },
          percent: { type: 'number' },
          was: { type: 'string', format: 'date-time' },
          is: { type: 'string', format: 'date-time' },
        },
        required: ['terms', 'was'],
      },
      because: {
        description: 'Revision and type of the late event in this stream that shows it.',
        type: 'object',
        properties: { revision: { type: 'number' }, type: { type: 'string' } },
        required: ['revision', 'type'],
      },
      tzdata: { description: 'Version of the time zone data used for recomputing; absent under the default contract.', type: 'string' },
      reason: { type: 'string' },
    },
    required: ['clock', 'cycle', 'reason'],
  },
  TicketLinked: {
    type: 'object',
    properties: {
      ticketId: { type: 'string' },
      relation: {
        enum: [
          'relates-to',
          'duplicate-of',
          'duplicated-by',
          'child-of',
          'parent-of',
          'caused-by',
          'cause-of',
          'follow-up-of',
          'followed-up-by',
          'split-from',
          'split-into',
        ],
      },
      mirrored: { description: 'Recorded first by the other ticket.', const: true },
    },
    required: ['relation', 'ticketId'],
  },
  TicketUnlinked: {
    type: 'object',
    properties: {
      ticketId: { type: 'string' },
      relation: {
        enum: [
          'relates-to',
          'duplicate-of',
          'duplicated-by',
          'child-of',
          'parent-of',
          'caused-by',
          'cause-of',
          'follow-up-of',
          'followed-up-by',
          'split-from',
          'split-into',
        ],
      },
      reason: { type: 'string' },
      mirrored: { const: true },
    },
    required: ['relation', 'ticketId'],
  },
  TicketRelationRefused: {
    type: 'object',
    properties: {
      ticketId: { type: 'string' },
      relation: {
        enum: [
          'relates-to',
          'duplicate-of',
          'duplicated-by',
          'child-of',
          'parent-of',
          'caused-by',
          'cause-of',
          'follow-up-of',
          'followed-up-by',
          'split-from',
          'split-into',
          'merged-into',
        ],
      },
      code: { type: 'string' },
      message: { type: 'string' },
    },
    required: ['code', 'message', 'relation', 'ticketId'],
  },
  TicketMergeRequested: {
    type: 'object',
    properties: { into: { type: 'string' }, reason: { type: 'string' } },
    required: ['into', 'reason'],
  },
  TicketAbsorbed: {
    type: 'object',
    properties: {
      ticketId: { type: 'string' },
      summary: { type: 'string' },
      reporter: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      reason: { type: 'string' },
    },
    required: ['reason', 'reporter', 'summary', 'ticketId'],
  },
  TicketMerged: { type: 'object', properties: { into: { type: 'string' } }, required: ['into'] },
  TicketSplit: {
    type: 'object',
    properties: {
      into: { type: 'string' },
      summary: { type: 'string' },
      description: { type: 'string' },
      category: { type: 'string' },
      service: { type: 'string' },
      component: { type: 'string' },
      reason: { type: 'string' },
    },
    required: ['into', 'reason', 'summary'],
  },
  PublicReplySent: {
    type: 'object',
    properties: {
      author: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      text: { type: 'string' },
    },
    required: ['author', 'text'],
  },
  InternalNoteAdded: {
    type: 'object',
    properties: { author: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] } },
    required: ['author'],
  },
  VendorReplied: {
    type: 'object',
    properties: { vendor: { type: 'string' }, caseReference: { type: 'string' }, text: { type: 'string' } },
    required: ['caseReference', 'text', 'vendor'],
  },
  TicketResolvedWithRootCause: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { type: 'string' },
      rootCause: {
        type: 'object',
        properties: {
          category: { type: 'string' },
          analysis: {
            type: 'object',
            properties: {
              method: { enum: ['5-whys', 'narrative'] },
              text: { type: 'string' },
              citedEvents: { type: 'array', items: { type: 'number' } },
            },
            required: ['citedEvents', 'method', 'text'],
          },
          permanentFix: { type: 'string' },
          workaround: { type: 'string' },
          preventiveActions: {
            type: 'array',
            items: { type: 'object', properties: { action: { type: 'string' }, owner: { type: 'string' } }, required: ['action', 'owner'] },
          },
          changeReference: { type: 'string' },
          knowledgeArticle: {
            type: 'object',
            properties: { id: { type: 'string' }, action: { enum: ['written', 'updated'] } },
            required: ['action', 'id'],
          },
          lowerTierCanResolve: { type: 'boolean' },
        },
        required: ['analysis', 'category', 'knowledgeArticle', 'lowerTierCanResolve', 'preventiveActions'],
      },
    },
    required: ['rootCause', 'tier'],
  },
  TicketClosed: { type: 'object', properties: { note: { type: 'string' } } },
  TicketCancelled: { type: 'object', properties: { reason: { type: 'string' } }, required: ['reason'] },
  SatisfactionRecorded: {
    type: 'object',
    properties: { cycle: { type: 'number' }, score: { type: 'number' }, comment: { type: 'string' } },
    required: ['cycle', 'score'],
  },
  TicketDeescalated: {
    type: 'object',
    properties: {
      from: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      fromTeam: { type: 'string' },
      to: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      toTeam: { type: 'string' },
      reason: { type: 'string' },
      solution: {
        type: 'object',
        properties: { kind: { enum: ['solution', 'procedure'] }, text: { type: 'string' }, article: { type: 'string' } },
        required: ['kind', 'text'],
      },
      pingPong: { description: 'How many times it has gone back to a tier that had handed it up, if it does so now.', type: 'number' },
    },
    required: ['from', 'reason', 'solution', 'to'],
  },
  HierarchicalEscalationRaised: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      cause: { enum: ['requested', 'ping-pong-limit'] },
      to: { type: 'string' },
      reason: { type: 'string' },
    },
    required: ['cause', 'reason', 'tier'],
  },
  ConsultationRequested: {
    type: 'object',
    properties: {
      consultationId: { type: 'string' },
      from: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      to: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      toTeam: { type: 'string' },
      question: { type: 'string' },
    },
    required: ['consultationId', 'from', 'question', 'to'],
  },
  ConsultationAnswered: {
    type: 'object',
    properties: {
      consultationId: { type: 'string' },
      by: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      answer: { type: 'string' },
      article: { type: 'string' },
    },
    required: ['answer', 'by', 'consultationId'],
  },
  WorkStarted: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { type: 'string' },
      agent: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      turnedFrom: {
        description: "Tickets on which the agent's touch time was running, and now ends.",
        type: 'array',
        items: { type: 'string' },
      },
    },
    required: ['agent', 'tier'],
  },
  DiagnosticStepRecorded: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      action: { type: 'string' },
      outcome: { type: 'string' },
      runbook: {
        description: 'The step of a runbook that it ticks off.',
        type: 'object',
        properties: { run: { type: 'string' }, step: { type: 'number' }, result: { enum: ['done', 'failed'] } },
        required: ['result', 'run', 'step'],
      },
    },
    required: ['action', 'outcome', 'tier'],
  },
  RunbookStarted: {
    type: 'object',
    properties: {
      version: { type: 'number' },
      run: { type: 'string' },
      article: { type: 'string' },
      title: { type: 'string' },
      steps: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            title: { type: 'string' },
            instruction: { type: 'string' },
            runner: {
              type: 'object',
              properties: { action: { type: 'string' }, input: { type: 'object', properties: {} }, attempts: { type: 'number' } },
              required: ['action'],
            },
          },
          required: ['title'],
        },
      },
    },
    required: ['article', 'run', 'steps', 'title', 'version'],
  },
  RunbookStepSkipped: {
    type: 'object',
    properties: { run: { type: 'string' }, step: { type: 'number' }, reason: { type: 'string' } },
    required: ['reason', 'run', 'step'],
  },
  EvidenceAttached: data5Schema,
  TicketPutOnHold: {
    type: 'object',
    properties: {
      reason: { enum: ['customer', 'vendor', 'planned-change', 'onsite-visit'] },
      note: { type: 'string' },
      until: { type: 'string', format: 'date-time' },
    },
    required: ['note', 'reason'],
  },
  HoldExpired: {
    type: 'object',
    properties: {
      reason: { enum: ['customer', 'vendor', 'planned-change', 'onsite-visit'] },
      until: { type: 'string', format: 'date-time' },
      assignee: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
    },
    required: ['reason', 'until'],
  },
  TicketResumed: {
    type: 'object',
    properties: { after: { enum: ['customer', 'vendor', 'planned-change', 'onsite-visit'] } },
    required: ['after'],
  },
  OnsiteVisitPlanned: {
    type: 'object',
    properties: {
      visitId: { type: 'string' },
      agent: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      location: { type: 'string' },
      plannedFor: { type: 'string', format: 'date-time' },
    },
    required: ['agent', 'location', 'plannedFor', 'visitId'],
  },
  OnsiteVisitBegun: { type: 'object', properties: { visitId: { type: 'string' } }, required: ['visitId'] },
  OnsiteVisitDone: {
    type: 'object',
    properties: { visitId: { type: 'string' }, outcome: { type: 'string' } },
    required: ['outcome', 'visitId'],
  },
  TouchTimeRecorded: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      agent: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      minutes: { type: 'number' },
      activity: { type: 'string' },
    },
    required: ['agent', 'minutes', 'tier'],
  },
  TouchTimeStarted: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      agent: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
    },
    required: ['agent', 'tier'],
  },
  TouchTimeStopped: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      agent: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      startedAt: { type: 'string', format: 'date-time' },
      seconds: { type: 'number' },
      activity: { type: 'string' },
    },
    required: ['agent', 'seconds', 'startedAt', 'tier'],
  },
  TouchTimeDeducted: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      agent: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      startedAt: { type: 'string', format: 'date-time' },
      seconds: { type: 'number' },
      endedAt: {
        description: 'When the stretch ended in truth, as a fact that was told late shows; absent where its seconds were counted before.',
        type: 'string',
        format: 'date-time',
      },
      activity: { type: 'string' },
    },
    required: ['agent', 'seconds', 'startedAt', 'tier'],
  },
  TicketAssigned: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { type: 'string' },
      assignee: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      automatic: {
        description: 'Present if assigned automatically: what decided, among how many, and what was asked for.',
        type: 'object',
        properties: {
          shift: { type: 'string' },
          rule: { enum: ['only-candidate', 'least-loaded', 'longest-since-assigned', 'first-by-id'] },
          candidates: { type: 'number' },
          openTickets: { description: 'Open tickets of the chosen agent, without this one.', type: 'number' },
          skills: { type: 'array', items: { type: 'string' } },
        },
        required: ['candidates', 'openTickets', 'rule', 'shift', 'skills'],
      },
    },
    required: ['tier'],
  },
  TicketUnassigned: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { description: 'The team that it stays with, if someone assigned it to one.', type: 'string' },
      assignee: {
        description: 'The previous assignee.',
        type: 'object',
        properties: { id: { type: 'string' }, name: { type: 'string' } },
        required: ['id'],
      },
      because: { enum: ['requested', 'left', 'absent', 'removed-from-team'] },
      reason: { type: 'string' },
    },
    required: ['assignee', 'because', 'reason', 'tier'],
  },
  TicketTakenOver: {
    type: 'object',
    properties: {
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      team: { type: 'string' },
      from: {
        description: 'The previous assignee, who is notified.',
        type: 'object',
        properties: { id: { type: 'string' }, name: { type: 'string' } },
        required: ['id'],
      },
      agent: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      reason: { type: 'string' },
    },
    required: ['agent', 'from', 'reason', 'tier'],
  },
  AssignmentFoundNobody: {
    type: 'object',
    properties: {
      because: { enum: ['no-team', 'no-members', 'nobody-skilled', 'nobody-on-shift', 'all-absent'] },
      teams: { description: 'Ids of the eligible teams.', type: 'array', items: { type: 'string' } },
      retryAt: {
        description:
          'When someone with the skills next comes on shift or back, as far as known; assignment is also tried again whenever the roster changes.',
        type: 'string',
        format: 'date-time',
      },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      skills: { type: 'array', items: { type: 'string' } },
    },
    required: ['because', 'skills', 'teams', 'tier'],
  },
  MajorIncidentStoodDown: { type: 'object', properties: { reason: { type: 'string' } }, required: ['reason'] },
  ContractAgreed: {
    type: 'object',
    properties: {
      version: { type: 'number' },
      effectiveFrom: { type: 'string', format: 'date-time' },
      terms: {
        type: 'object',
        properties: {
          tiers: { type: 'array', items: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] } },
          priorities: {
            type: 'object',
            properties: { low: low3Schema, medium: low3Schema, high: low3Schema, major: low3Schema },
            required: ['high', 'low', 'major', 'medium'],
          },
          calendar: calendarSchema,
          targets: {
            type: 'object',
            properties: { low: lowSchema, medium: lowSchema, high: lowSchema, critical: lowSchema },
            required: ['critical', 'high', 'low', 'medium'],
          },
          tierTargets: { type: 'object', properties: { L0: L0Schema, L1: L0Schema, L2: L0Schema, L3: L0Schema, L4: L0Schema } },
          vendorTargets: {
            type: 'object',
            additionalProperties: {
              anyOf: [{ type: 'number' }, { type: 'object', properties: { businessDays: { type: 'number' } }, required: ['businessDays'] }],
            },
          },
          thresholds: { type: 'array', items: { type: 'number' } },
          pausedBy: { type: 'array', items: { enum: ['customer', 'vendor', 'planned-change', 'onsite-visit'] } },
          reopen: { enum: ['new-cycle', 'continue'] },
          pingPongLimit: { type: 'number' },
          handOffs: { type: 'object', properties: { L1: L1Schema, L2: L1Schema, L3: L1Schema, L4: L1Schema } },
          categories: { type: 'array', items: { type: 'string' } },
          services: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
          assignment: { enum: ['manual', 'automatic'] },
          categorySkills: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
          escalationPolicies: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                name: { type: 'string' },
                trigger: {
                  anyOf: [
                    {
                      type: 'object',
                      properties: {
                        on: { const: 'threshold' },
                        clock: { enum: ['vendor', 'resolution', 'response', 'tier-accept', 'tier-work'] },
                        percent: { type: 'number' },
                      },
                      required: ['clock', 'on', 'percent'],
                    },
                    {
                      type: 'object',
                      properties: {
                        on: { const: 'breach' },
                        clock: { enum: ['vendor', 'resolution', 'response', 'tier-accept', 'tier-work'] },
                      },
                      required: ['clock', 'on'],
                    },
                    {
                      type: 'object',
                      properties: {
                        on: { const: 'opened' },
                        priorities: { type: 'array', items: { enum: ['low', 'medium', 'high', 'critical'] } },
                      },
                      required: ['on'],
                    },
                    {
                      type: 'object',
                      properties: { on: { const: 'handed-over' }, to: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] } },
                      required: ['on'],
                    },
                    { type: 'object', properties: { on: { const: 'returned' }, times: { type: 'number' } }, required: ['on', 'times'] },
                    { type: 'object', properties: { on: { const: 'reopened' }, times: { type: 'number' } }, required: ['on', 'times'] },
                    { type: 'object', properties: { on: { const: 'major-incident' } }, required: ['on'] },
                  ],
                },
                steps: {
                  type: 'array',
                  items: {
                    type: 'object',
                    properties: {
                      after: { type: 'number' },
                      targets: targetsSchema,
                      escalateToNextTier: { type: 'boolean' },
                      window: calendarSchema,
                    },
                    required: ['after', 'targets'],
                  },
                },
                rounds: { type: 'number' },
                acknowledgedFor: { type: 'number' },
                then: { type: 'string' },
              },
              required: ['name', 'steps', 'trigger'],
            },
          },
          escalationMessage: { type: 'object', properties: { subject: { type: 'string' }, text: { type: 'string' } } },
          reopenWindow: { type: 'number' },
          lateReplies: { type: 'object', properties: { within: { enum: ['reopen', 'flag'] }, after: { enum: ['follow-up', 'refuse'] } } },
          holdEnds: { enum: ['resume', 'tell'] },
          touchTime: { enum: ['one-ticket', 'several-tickets'] },
          customer: { type: 'string' },
          assistants: {
            type: 'object',
            properties: {
              reply: { enum: ['never', 'alone', 'approval'] },
              resolution: { enum: ['never', 'alone', 'approval'] },
              'hand-off': { enum: ['never', 'alone', 'approval'] },
            },
          },
          recurrence: {
            type: 'object',
            properties: { tickets: { type: 'number' }, within: { type: 'number' }, recursWithin: { type: 'number' } },
            required: ['tickets', 'within'],
          },
          majorIncidents: {
            type: 'object',
            properties: {
              rule: {
                type: 'object',
                properties: { tickets: { type: 'number' }, within: { type: 'number' }, then: { enum: ['propose', 'declare'] } },
                required: ['then', 'tickets', 'within'],
              },
              reviewWithin: { type: 'number' },
            },
          },
          rules: rulesSchema,
          rates: {
            type: 'object',
            properties: {
              currency: { type: 'string' },
              perHour: {
                type: 'object',
                properties: {
                  L0: { type: 'number' },
                  L1: { type: 'number' },
                  L2: { type: 'number' },
                  L3: { type: 'number' },
                  L4: { type: 'number' },
                },
              },
            },
            required: ['currency', 'perHour'],
          },
          statusPage: { enum: ['public', 'identity'] },
          quietTime: { type: 'number' },
        },
        required: ['calendar', 'pausedBy', 'pingPongLimit', 'priorities', 'reopen', 'reopenWindow', 'targets', 'thresholds', 'tiers'],
      },
      note: { type: 'string' },
      client: { type: 'string' },
    },
    required: ['client', 'effectiveFrom', 'terms', 'version'],
  },
  ContractRulesSimulated: {
    type: 'object',
    properties: {
      client: { type: 'string' },
      rules: rulesSchema,
      from: { description: 'Only tickets opened at this time or later; default: all.', type: 'string', format: 'date-time' },
      to: { description: 'Tickets opened before this time; default: all.', type: 'string', format: 'date-time' },
      tickets: { description: 'Number of tickets replayed.', type: 'number' },
      touched: {
        description: 'What each rule would have done.',
        type: 'array',
        items: {
          type: 'object',
          properties: { rule: { type: 'string' }, tickets: { type: 'number' }, fired: { type: 'number' } },
          required: ['fired', 'rule', 'tickets'],
        },
      },
    },
    required: ['client', 'rules', 'tickets', 'touched'],
  },
  OnCallRotationsSet: {
    type: 'object',
    properties: {
      schedule: { type: 'string' },
      rotations: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            zone: { type: 'string' },
            people: {
              type: 'array',
              items: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
            },
            startsOn: { type: 'string' },
            handOverAt: { type: 'string' },
            days: { type: 'number' },
            hours: { anyOf: [{ const: '24x7' }, weekSchema] },
          },
          required: ['days', 'handOverAt', 'people', 'startsOn', 'zone'],
        },
      },
    },
    required: ['rotations', 'schedule'],
  },
  OnCallOverridden: {
    type: 'object',
    properties: {
      schedule: { type: 'string' },
      person: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      from: { type: 'string', format: 'date-time' },
      to: { type: 'string', format: 'date-time' },
    },
    required: ['from', 'person', 'schedule', 'to'],
  },
  OnCallOverrideEnded: {
    type: 'object',
    properties: { schedule: { type: 'string' }, overrideId: { type: 'string' }, endedAt: { type: 'string', format: 'date-time' } },
    required: ['endedAt', 'overrideId', 'schedule'],
  },
  OnCallOverrideCalledOff: {
    type: 'object',
    properties: { schedule: { type: 'string' }, overrideId: { type: 'string' } },
    required: ['overrideId', 'schedule'],
  },
  TeamDefined: {
    type: 'object',
    properties: {
      team: { type: 'string' },
      name: { type: 'string' },
      tiers: { type: 'array', items: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] } },
      clients: { type: 'array', items: { type: 'string' } },
    },
    required: ['name', 'team', 'tiers'],
  },
  TeamShiftsSet: {
    type: 'object',
    properties: {
      team: { type: 'string' },
      shifts: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            name: { type: 'string' },
            zone: { type: 'string' },
            week: { anyOf: [{ const: '24x7' }, weekSchema] },
            holidays: holidaysSchema,
            agents: { type: 'array', items: { type: 'string' } },
          },
          required: ['name', 'week', 'zone'],
        },
      },
    },
    required: ['shifts', 'team'],
  },
  TeamMemberAdded: { type: 'object', properties: { team: { type: 'string' }, agent: { type: 'string' } }, required: ['agent', 'team'] },
  TeamMemberRemoved: {
    type: 'object',
    properties: { team: { type: 'string' }, agent: { type: 'string' }, reason: { type: 'string' } },
    required: ['agent', 'team'],
  },
  AgentRegistered: {
    type: 'object',
    properties: { agent: { type: 'string' }, name: { type: 'string' }, skills: { type: 'array', items: { type: 'string' } } },
    required: ['agent', 'name', 'skills'],
  },
  AgentAbsencePlanned: data4Schema,
  AgentAbsenceBegun: data4Schema,
  AgentAbsenceEnded: {
    type: 'object',
    properties: { agent: { type: 'string' }, absenceId: { type: 'string' } },
    required: ['absenceId', 'agent'],
  },
  AgentLeft: { type: 'object', properties: { agent: { type: 'string' }, reason: { type: 'string' } }, required: ['agent'] },
  ProblemActionPlanned: {
    type: 'object',
    properties: {
      description: { type: 'string' },
      action: { type: 'string' },
      owner: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      dueAt: { type: 'string', format: 'date-time' },
    },
    required: ['action', 'description', 'dueAt', 'owner'],
  },
  ProblemActionDone: {
    type: 'object',
    properties: { action: { type: 'string' }, change: changeSchema, outcome: { type: 'string' } },
    required: ['action', 'outcome'],
  },
  ProblemActionCancelled: {
    type: 'object',
    properties: { action: { type: 'string' }, reason: { type: 'string' } },
    required: ['action', 'reason'],
  },
  ProblemActionReminded: {
    type: 'object',
    properties: {
      action: { type: 'string' },
      owner: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      dueAt: { type: 'string', format: 'date-time' },
      overdue: { type: 'boolean' },
      notifications: notificationsSchema,
      message: { type: 'object', properties: { subject: { type: 'string' }, text: { type: 'string' } }, required: ['subject', 'text'] },
    },
    required: ['action', 'dueAt', 'overdue', 'owner'],
  },
  ProblemReminderDelivered: {
    type: 'object',
    properties: {
      action: { type: 'string' },
      id: { type: 'string' },
      target: {
        anyOf: [
          targets2Schema,
          { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
          { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
          { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
        ],
      },
      by: { enum: ['chat', 'email'] },
      channel: { type: 'string' },
      attempts: { type: 'number' },
    },
    required: ['action', 'attempts', 'by', 'id', 'target'],
  },
  ProblemReminderFailed: {
    type: 'object',
    properties: {
      id: { type: 'string' },
      channel: { type: 'string' },
      action: { type: 'string' },
      attempts: { type: 'number' },
      by: { enum: ['chat', 'email'] },
      because: { enum: ['not-of-client', 'refused', 'given-up', 'no-address', 'not-configured'] },
      target: {
        anyOf: [
          targets2Schema,
          { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
          { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
          { type: 'object', properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } }, required: ['kind', 'schedule'] },
        ],
      },
    },
    required: ['action', 'attempts', 'because', 'by', 'id', 'target'],
  },
  ProblemFiveWhysRecorded: {
    type: 'object',
    properties: {
      whys: {
        type: 'array',
        items: {
          type: 'object',
          properties: { why: { type: 'string' }, because: { type: 'string' }, evidence: { type: 'array', items: { type: 'string' } } },
          required: ['because', 'why'],
        },
      },
    },
    required: ['whys'],
  },
  ProblemOpened: {
    type: 'object',
    properties: {
      client: { type: 'string' },
      description: { type: 'string' },
      service: { type: 'string' },
      component: { type: 'string' },
      category: { type: 'string' },
      title: { type: 'string' },
      problemId: { type: 'string' },
    },
    required: ['client', 'problemId', 'title'],
  },
  TicketLinkedToProblem: { type: 'object', properties: { ticketId: { type: 'string' } }, required: ['ticketId'] },
  TicketUnlinkedFromProblem: {
    type: 'object',
    properties: { ticketId: { type: 'string' }, reason: { type: 'string' } },
    required: ['ticketId'],
  },
  ProblemWorkaroundRecorded: { type: 'object', properties: { workaround: { type: 'string' } }, required: ['workaround'] },
  ProblemRootCauseRecorded: { type: 'object', properties: { rootCause: { type: 'string' } }, required: ['rootCause'] },
  ProblemFixRecorded: changeSchema,
  ProblemClosed: {
    type: 'object',
    properties: {
      prevented: {
        type: 'object',
        properties: { tickets: { type: 'number' }, countedAs: { const: 'linked-after-the-first' } },
        required: ['countedAs', 'tickets'],
      },
      note: { type: 'string' },
    },
    required: ['prevented'],
  },
  ProblemReopened: {
    type: 'object',
    properties: { reason: { type: 'string' }, ticketId: { description: 'The ticket that came in despite the fix.', type: 'string' } },
    required: ['reason'],
  },
  ReportRunCompleted: {
    type: 'object',
    properties: {
      document: { type: 'string' },
      mediaType: { type: 'string' },
      report: { type: 'string' },
      from: { type: 'string', format: 'date-time' },
      run: { type: 'number' },
      sha256: { type: 'string' },
      bytes: { type: 'number' },
      to: { type: 'string', format: 'date-time' },
      zone: { type: 'string' },
      request: { type: 'number' },
      deliverTo: {
        type: 'array',
        items: {
          anyOf: [
            { type: 'object', properties: { by: { const: 'folder' }, folder: { type: 'string' } }, required: ['by', 'folder'] },
            {
              type: 'object',
              properties: {
                by: { const: 'email' },
                to: {
                  anyOf: [
                    targets2Schema,
                    { type: 'object', properties: { kind: { const: 'team' }, team: { type: 'string' } }, required: ['kind', 'team'] },
                    { type: 'object', properties: { kind: { const: 'assignee' } }, required: ['kind'] },
                    {
                      type: 'object',
                      properties: { kind: { const: 'on-call' }, schedule: { type: 'string' } },
                      required: ['kind', 'schedule'],
                    },
                  ],
                },
              },
              required: ['by', 'to'],
            },
            { type: 'object', properties: { by: { const: 'webhook' }, webhook: { type: 'string' } }, required: ['by', 'webhook'] },
          ],
        },
      },
      position: { type: 'string' },
      evaluatedAt: { type: 'string', format: 'date-time' },
    },
    required: ['bytes', 'document', 'evaluatedAt', 'from', 'mediaType', 'position', 'report', 'run', 'sha256', 'to'],
  },
  AlertNoted: {
    type: 'object',
    properties: {
      client: { type: 'string' },
      summary: { type: 'string' },
      key: { type: 'string' },
      alertId: { type: 'string' },
      source: { type: 'string' },
    },
    required: ['alertId', 'client', 'key', 'source', 'summary'],
  },
  AlertOpened: data3Schema,
  AlertDeduplicated: data3Schema,
  AlertSilenced: {
    type: 'object',
    properties: { fact: factSchema, window: { type: 'string' }, title: { type: 'string' }, until: { type: 'string', format: 'date-time' } },
    required: ['fact', 'title', 'until', 'window'],
  },
  AlertDamped: {
    type: 'object',
    properties: { fact: factSchema, firings: { type: 'number' }, within: { type: 'number' } },
    required: ['fact', 'firings', 'within'],
  },
  AlertResolved: {
    type: 'object',
    properties: { fact: factSchema, ticketId: { type: 'string' }, resolves: { type: 'boolean' } },
    required: ['fact', 'resolves'],
  },
  AlertIgnored: {
    type: 'object',
    properties: { fact: factSchema, because: { enum: ['older', 'resolved-already', 'others-fire', 'had-not-fired'] } },
    required: ['because', 'fact'],
  },
  AlertsTruncated: { type: 'object', properties: { truncatedAlerts: { type: 'number' } }, required: ['truncatedAlerts'] },
  AlertTicketRefused: {
    type: 'object',
    properties: { ticketId: { type: 'string' }, code: { type: 'string' }, message: { type: 'string' } },
    required: ['code', 'message', 'ticketId'],
  },
  MajorIncidentOpened: data6Schema,
  MajorIncidentProposed: data6Schema,
  MajorIncidentConfirmed: { type: 'object', properties: { reason: { type: 'string' } }, required: ['reason'] },
  MajorIncidentDismissed: { type: 'object', properties: { reason: { type: 'string' } }, required: ['reason'] },
  TicketJoinedMajorIncident: { type: 'object', properties: { ticketId: { type: 'string' } }, required: ['ticketId'] },
  UpdateBroadcast: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
  MajorIncidentEnded: {
    type: 'object',
    properties: { reason: { type: 'string' }, reviewDueAt: { type: 'string', format: 'date-time' }, withTicket: { const: true } },
    required: ['reason', 'reviewDueAt'],
  },
  IncidentReviewPlanned: {
    type: 'object',
    properties: {
      owner: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      dueAt: { type: 'string', format: 'date-time' },
    },
    required: ['dueAt', 'owner'],
  },
  IncidentReviewOverdue: {
    type: 'object',
    properties: {
      dueAt: { type: 'string', format: 'date-time' },
      owner: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      notifications: notificationsSchema,
      message: { type: 'object', properties: { subject: { type: 'string' }, text: { type: 'string' } }, required: ['subject', 'text'] },
    },
    required: ['dueAt'],
  },
  IncidentReminderDelivered: data2Schema,
  IncidentReminderFailed: dataSchema,
  IncidentReviewed: {
    type: 'object',
    properties: { summary: { type: 'string' }, actions: { type: 'array', items: { type: 'string' } } },
    required: ['summary'],
  },
  AutomationAsked: {
    type: 'object',
    properties: {
      ticketId: { type: 'string' },
      client: { type: 'string' },
      action: { type: 'string' },
      attempts: { type: 'number' },
      runbook: { type: 'object', properties: { run: { type: 'string' }, step: { type: 'number' } }, required: ['run', 'step'] },
      task: { type: 'string' },
      leaseUntil: { type: 'string', format: 'date-time' },
    },
    required: ['action', 'client', 'task', 'ticketId'],
  },
  AutomationClaimed: {
    type: 'object',
    properties: { leaseUntil: { type: 'string', format: 'date-time' }, claim: { type: 'string' } },
    required: ['leaseUntil'],
  },
  AutomationOfferedAgain: { type: 'object', properties: { leaseUntil: { type: 'string', format: 'date-time' } }, required: ['leaseUntil'] },
  AutomationAnswered: {
    type: 'object',
    properties: { evidence: data5Schema, outcome: { enum: ['done', 'failed'] }, output: { type: 'string' } },
    required: ['outcome', 'output'],
  },
  AutomationLeaseExpired: { type: 'object', properties: { leaseUntil: { type: 'string', format: 'date-time' } }, required: ['leaseUntil'] },
  ArticleReviewOverdue: {
    type: 'object',
    properties: {
      reviewBy: { type: 'string', format: 'date-time' },
      owner: { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string' } }, required: ['id'] },
      notifications: notificationsSchema,
      message: { type: 'object', properties: { subject: { type: 'string' }, text: { type: 'string' } }, required: ['subject', 'text'] },
    },
    required: ['owner', 'reviewBy'],
  },
  ArticleReminderDelivered: data2Schema,
  ArticleReminderFailed: dataSchema,
  SlaMet: {
    type: 'object',
    properties: {
      terms: { type: 'number' },
      contractVersion: { description: "Version of the client's contract that it ended under; 0: the default contract.", type: 'number' },
      target: { description: 'Milliseconds of open time.', type: 'number' },
      elapsed: { description: 'Time used, in milliseconds of open time.', type: 'number' },
      dueAt: { description: 'When its target would have been used up.', type: 'string', format: 'date-time' },
      stoppedAt: { type: 'string', format: 'date-time' },
      clock: { enum: ['vendor', 'resolution', 'response', 'tier-accept', 'tier-work'] },
      tier: { enum: ['L0', 'L1', 'L2', 'L3', 'L4'] },
      vendor: { type: 'string' },
      cycle: { type: 'number' },
    },
    required: ['clock', 'contractVersion', 'cycle', 'elapsed', 'stoppedAt', 'target', 'terms'],
  },
};
