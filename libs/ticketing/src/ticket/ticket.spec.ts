import { deterministicId, instantFrom, type Refusal } from '#eventsourcing';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { recorded } from '../../../eventsourcing/src/testing/given-projected.js';
import { whyRaised } from '../desk/raised-why.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { Life, pin } from '../testing/ticket-life.js';
import { type TicketCommands, ticket } from './ticket.js';
import { type Contract, DAY, defaultContract, HOUR, MINUTE } from '../contract/contract.js';
import type { TicketState } from '../events/ticket.js';
import type { OpeningFacts } from './intake.js';

const start = Date.parse('2026-11-21T08:00:00.000Z');
const at = (offset: number) => instantFrom(start + offset);
const ada = { id: 'ada', name: 'Ada Lovelace' };
const grace = { id: 'grace' };
const [self, one, two] = ['self', 'one', 'two'].map((name) => deterministicId('spec', name)) as [string, string, string];

type Step = Sent<typeof ticket>;

/** A ticket to which these commands were done, a minute apart unless they say when. */
const given = scenariosOf(ticket, { id: self, actor: { id: 'ada', kind: 'agent', name: 'Ada Lovelace' }, start, step: MINUTE });

const opened: Step = [
  'OpenTicket',
  {
    client: 'northwind',
    kind: 'incident',
    summary: 'Cannot print',
    reporter: { id: 'joe' },
    channel: 'phone',
    impact: 'medium',
    urgency: 'high',
    team: 'desk',
  },
  0,
];
const triaged: Step = ['TriageTicket', { category: 'hardware/printer' }];
const started: Step = ['StartWork', { agent: ada }];
const toL2 = {
  tier: 'L2' as const,
  team: 'print',
  reason: 'Needs the print server',
  handoff: {
    summary: 'Jobs stay',
    errorMessages: ['0x709'],
    logs: ['https://x/log'],
    stepsTried: [{ action: 'Restart', outcome: 'Same' }],
  },
};
const toL3 = {
  ...toL2,
  tier: 'L3' as const,
  team: 'experts',
  handoff: { ...toL2.handoff, stepsToReproduce: ['Print'], diagnosticData: ['https://x/dump'], environment: 'Windows 11' },
};
const escalated: Step = ['EscalateToTier', toL2];
const accepted: Step = ['AcceptEscalation', { agent: grace }];
const escalatedToL3: Step = ['EscalateToTier', toL3];
const resolvedAtL1: Step = ['ResolveTicket', { article: 'KB-1' }];
const rootCause = {
  category: 'defect',
  analysis: { method: '5-whys' as const, text: 'because', citedEvents: [0, 2] },
  permanentFix: 'patched',
  preventiveActions: [{ action: 'pin', owner: 'grace' }],
  changeReference: 'CHG-1',
  knowledgeArticle: { id: 'KB-2', action: 'written' as const },
  lowerTierCanResolve: true,
};
const atL3: readonly Step[] = [opened, triaged, started, escalated, accepted, escalatedToL3, accepted];

const types = (events: readonly { type: string }[]) => events.map(({ type }) => type);
const fields = (refusal: Refusal) => refusal.faults?.map(({ field }) => field);

describe('OpenTicket', () => {
  const { when } = given();
  const command = opened[1] as TicketCommands['OpenTicket'];

  it('opens at L1 with the priority that follows from impact and urgency', () => {
    expect(when('OpenTicket', command).events()).toEqual([
      { type: 'TicketOpened', data: { ...command, tier: 'L1', priority: 'high', defaultTerms: 2 } },
    ]);
  });

  it('refuses a ticket that exists', () => {
    expect(given(opened).when('OpenTicket', command).refusal().refused).toBe('ticket-exists');
  });

  it('enters at L0 or L1; higher for what may skip tiers, or when a lead says why; L4 by a hand-off only', () => {
    const at = (more: Partial<TicketCommands['OpenTicket']>, outside?: OpeningFacts) =>
      when('OpenTicket', { ...command, ...more }, 0, outside);
    for (const tier of ['L0', 'L1'] as const) expect(at({ tier }).events()).toMatchObject([{ data: { tier } }]);
    for (const tier of ['L2', 'L3', 'L4'] as const)
      expect(at({ tier }).refusal()).toMatchObject({ refused: 'tier-skipped', faults: [{ field: 'tier' }] });
    expect(at({ tier: 'L3', majorIncident: true }).events()).toMatchObject([{ data: { tier: 'L3', majorIncident: true } }]);
    expect(at({ tier: 'L2', securityIncident: true }).events()).toMatchObject([{ data: { tier: 'L2', securityIncident: true } }]);
    expect(at({ tier: 'L2', entryReason: 'Known to L2' }).events()).toMatchObject([{ data: { tier: 'L2', entryReason: 'Known to L2' } }]);
    const asked = { tier: 'L2', entryReason: 'Known to L2' } as const;
    expect(at(asked, { byLead: true }).events()).toMatchObject([{ data: asked }]);
    expect(at(asked, { byLead: false }).refusal()).toMatchObject({
      refused: 'tier-skipped',
      faults: [{ field: 'tier', message: 'must be L1, L0, unless a lead gives an entryReason' }],
    });
    for (const flag of [{ majorIncident: true }, { entryReason: 'The vendor must' }])
      expect(at({ tier: 'L4', ...flag }).refusal()).toMatchObject({ refused: 'tier-skipped', faults: [{ field: 'tier' }] });
    const entersAtL2 = { contract: { version: 1, tzdata: '2025b', terms: { ...defaultContract, tiers: ['L2' as const, 'L3' as const] } } };
    expect(at({}, entersAtL2).events()).toMatchObject([{ data: { tier: 'L2' } }]);
    expect(at({ tier: 'L3' }, entersAtL2).refusal().refused).toBe('tier-skipped');
    const { state: followed } = given(...atL3, ['ResolveWithRootCause', { rootCause }], ['CloseTicket', {}]);
    expect(when('OpenTicket', { ...command, tier: 'L3', follows: one }, 60 * DAY, { followed }).events()).toMatchObject([
      { data: { tier: 'L3', follows: one } },
    ]);
  });

  it('is led by the flags that it is opened with', () => {
    const { state } = given(['OpenTicket', { ...command, majorIncident: true, securityIncident: false }]);
    expect(state).toMatchObject({ majorIncident: true, securityIncident: false });
  });

  it('follows a ticket of the same client that can no longer be reopened, and no other', () => {
    const following = (followed: TicketState, offset = 60 * DAY) => when('OpenTicket', { ...command, follows: one }, offset, { followed });
    const closed = given(opened, triaged, started, resolvedAtL1, ['CloseTicket', {}]).state;
    expect(following(closed).events()).toMatchObject([{ data: { follows: one } }]);
    expect(following(closed, DAY).refusal()).toMatchObject({ refused: 'can-be-reopened', faults: [{ field: 'follows' }] });
    expect(following(given(opened).state).refusal()).toMatchObject({ refused: 'can-be-reopened', faults: [{ field: 'follows' }] });
    expect(following(given(opened, ['CancelTicket', { reason: 'twice' }]).state).events()).toHaveLength(1);
    expect(following(null).refusal()).toMatchObject({ refused: 'other-ticket-not-found', faults: [{ field: 'follows' }] });
    expect(following(closed && { ...closed, client: 'contoso' }).refusal()).toMatchObject({
      refused: 'other-client',
      faults: [{ field: 'follows' }],
    });
  });
});

describe('every command but OpenTicket', () => {
  it('is refused where there is no ticket', () => {
    expect(given().when('Resume', {}).refusal().refused).toBe('ticket-not-found');
  });

  it('is refused when it would have happened before what already has', () => {
    expect(given(opened, triaged, started).when('PutOnHold', { reason: 'customer', note: 'late' }, -HOUR).refusal()).toMatchObject({
      refused: 'out-of-order',
      faults: [{ field: 'effectiveAt' }],
    });
  });

  it('is refused after cancellation', () => {
    const cancelled = given(opened, ['CancelTicket', { reason: 'twice' }]);
    for (const [name, command] of [
      started,
      triaged,
      escalated,
      ['ReopenTicket', { reason: 'x' }] as Step,
      ['CloseTicket', {}] as Step,
      resolvedAtL1,
    ]) {
      expect(cancelled.when(name, command as never).refusal().refused).toBe('ticket-cancelled');
    }
  });
});

describe('TriageTicket', () => {
  it('classifies and sets the priority', () => {
    expect(given(opened).when('TriageTicket', { category: 'network', impact: 'major', securityIncident: true }).events()).toEqual([
      {
        type: 'TicketTriaged',
        data: { category: 'network', impact: 'major', urgency: 'high', priority: 'critical', majorIncident: false, securityIncident: true },
      },
    ]);
  });

  it('stays quiet when nothing changes', () => {
    expect(given(opened, triaged).when('TriageTicket', { category: 'hardware/printer' }).events()).toEqual([]);
  });

  it('is refused on a resolved ticket', () => {
    expect(given(opened, triaged, started, resolvedAtL1).when('TriageTicket', { category: 'x' }).refusal().refused).toBe(
      'already-resolved',
    );
  });
});

describe('AssignTicket', () => {
  it('ends the touch time of the person taken off the ticket, and of no one else', () => {
    const touched = given(opened, started, ['StartTouchTime', { agent: ada }], ['StartTouchTime', { agent: { id: 'henrik' } }]);
    expect(types(touched.when('AssignTicket', { assignee: grace }).events())).toEqual(['TouchTimeStopped', 'TicketAssigned']);
    expect(touched.when('AssignTicket', { team: 'print' }).events()[0]).toMatchObject({ type: 'TouchTimeStopped', data: { agent: ada } });
    expect(types(touched.when('AssignTicket', { team: 'print', assignee: ada }).events())).toEqual(['TicketAssigned']);
  });

  it('gives the ticket to a person of the team that has it', () => {
    expect(given(opened).when('AssignTicket', { assignee: ada }).events()).toEqual([
      { type: 'TicketAssigned', data: { tier: 'L1', team: 'desk', assignee: ada } },
    ]);
  });

  it('refuses an assignment to nobody', () => {
    expect(fields(given(opened).when('AssignTicket', {}).refusal())).toEqual(['team', 'assignee']);
  });

  it('stays quiet when it is so already', () => {
    expect(
      given(opened, ['AssignTicket', { assignee: ada }])
        .when('AssignTicket', { team: 'desk', assignee: ada })
        .events(),
    ).toEqual([]);
  });

  it('makes work wait for its new assignee', () => {
    expect(given(opened, started, ['AssignTicket', { assignee: grace }]).state?.work).toEqual({ status: 'open' });
  });
});

describe('StartWork', () => {
  it('begins work by the actor when no agent is named', () => {
    expect(given(opened).when('StartWork', {}).events()).toEqual([{ type: 'WorkStarted', data: { tier: 'L1', team: 'desk', agent: ada } }]);
  });

  it('stays quiet while the same agent works', () => {
    expect(given(opened, started).when('StartWork', { agent: ada }).events()).toEqual([]);
  });

  it('is refused on hold and while a hand-off waits', () => {
    expect(
      given(opened, ['PutOnHold', { reason: 'vendor', note: 'x' }])
        .when('StartWork', {})
        .refusal().refused,
    ).toBe('ticket-on-hold');
    expect(given(opened, escalated).when('StartWork', {}).refusal().refused).toBe('escalation-pending');
  });
});

describe('RecordDiagnosticStep and AttachEvidence', () => {
  const step = { action: 'ping', outcome: 'lost' };
  const evidence = { name: 'a.log', kind: 'log' as const, url: 'https://x/a', mediaType: 'text/plain', sha256: '0'.repeat(64), bytes: 1 };

  it('are noted, also late', () => {
    expect(
      given(opened, started)
        .when('RecordDiagnosticStep', step, -MINUTE * 30)
        .events(),
    ).toEqual([{ type: 'DiagnosticStepRecorded', data: { tier: 'L1', ...step } }]);
    expect(given(opened).when('AttachEvidence', evidence).events()).toEqual([{ type: 'EvidenceAttached', data: evidence }]);
  });

  it('do not replace evidence, and ignore identical evidence', () => {
    const attached = given(opened, ['AttachEvidence', evidence]);
    expect(attached.when('AttachEvidence', evidence).events()).toEqual([]);
    expect(attached.when('AttachEvidence', { ...evidence, sha256: '1'.repeat(64) }).refusal().refused).toBe('evidence-exists');
  });

  it('count towards the hand-off contract', () => {
    const noted = given(opened, ['RecordDiagnosticStep', step], ['AttachEvidence', evidence]);
    const [event] = noted.when('EscalateToTier', { tier: 'L2', reason: 'r', handoff: { summary: 's', errorMessages: ['e'] } }).events();
    expect(event).toMatchObject({ type: 'TicketEscalated', data: { handOff: { logs: ['https://x/a'], stepsTried: [step] } } });
  });

  it('are refused on a closed ticket', () => {
    const closed = given(opened, triaged, resolvedAtL1, ['CloseTicket', {}]);
    expect(closed.when('RecordDiagnosticStep', step).refusal().refused).toBe('ticket-closed');
    expect(closed.when('AttachEvidence', evidence).refusal().refused).toBe('ticket-closed');
  });
});

describe('AttachEvidence by attachment', () => {
  const sha256 = 'a'.repeat(64);
  const evidence = { name: 'x.log', kind: 'log' as const, mediaType: 'text/plain', bytes: 1 };

  it('takes a reference that names the same content, and no other', () => {
    expect(
      types(
        given(opened)
          .when('AttachEvidence', { ...evidence, url: `attachment:${sha256}`, sha256 })
          .events(),
      ),
    ).toEqual(['EvidenceAttached']);
    expect(
      given(opened)
        .when('AttachEvidence', { ...evidence, url: `attachment:${'b'.repeat(64)}`, sha256 })
        .refusal(),
    ).toMatchObject({
      refused: 'attachment-mismatch',
      faults: [{ field: 'sha256' }],
    });
  });
});

describe('EscalateToTier', () => {
  it('escalates the work with the hand-off', () => {
    const [event, ...others] = given(opened, started).when('EscalateToTier', toL2).events();
    expect(others).toEqual([]);
    expect(event).toEqual({
      type: 'TicketEscalated',
      data: {
        escalationId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        from: 'L1',
        fromTeam: 'desk',
        to: 'L2',
        toTeam: 'print',
        reason: toL2.reason,
        handOff: toL2.handoff,
      },
    });
  });

  it('lists everything missing in a hand-off from L1 to L2', () => {
    const refusal = given(opened).when('EscalateToTier', { tier: 'L2', reason: 'r' }).refusal();
    expect(refusal.refused).toBe('hand-off-incomplete');
    expect(fields(refusal)).toEqual(['handoff.summary', 'handoff.errorMessages', 'handoff.logs', 'handoff.stepsTried']);
  });

  it('also requires reproduction, diagnostic data and environment from L2 to L3', () => {
    const refusal = given(opened, escalated, accepted)
      .when('EscalateToTier', { ...toL2, tier: 'L3' })
      .refusal();
    expect(fields(refusal)).toEqual(['handoff.stepsToReproduce', 'handoff.diagnosticData', 'handoff.environment']);
  });

  it('takes a reason why it cannot be reproduced', () => {
    const { stepsToReproduce: _, ...handoff } = toL3.handoff;
    const events = given(opened, escalated, accepted)
      .when('EscalateToTier', { ...toL3, handoff: { ...handoff, notReproducibleBecause: 'happens at night' } })
      .events();
    expect(types(events)).toEqual(['TicketEscalated']);
  });

  it("requires only the vendor's case from L3 to L4", () => {
    const withVendor = {
      tier: 'L4' as const,
      reason: 'their defect',
      handoff: { vendor: { vendor: 'Contoso', caseReference: 'C-1', contract: 'UC-1' } },
    };
    expect(
      types(
        given(...atL3)
          .when('EscalateToTier', withVendor)
          .events(),
      ),
    ).toEqual(['TicketEscalated']);
    expect(
      fields(
        given(...atL3)
          .when('EscalateToTier', { ...withVendor, handoff: {} })
          .refusal(),
      ),
    ).toEqual(['handoff.vendor.vendor', 'handoff.vendor.caseReference', 'handoff.vendor.contract']);
  });

  it.each(['majorIncident', 'securityIncident'] as const)('lets a %s skip to L3', (flag) => {
    const [event] = given(opened, ['TriageTicket', { category: 'c', [flag]: true }])
      .when('EscalateToTier', toL3)
      .events();
    expect(event).toMatchObject({
      data: { skipped: flag === 'majorIncident' ? 'major-incident' : 'security-incident', from: 'L1', to: 'L3' },
    });
  });

  it('lets a recurrence that L2 has fixed skip to L3, also from L1', () => {
    const fixedByL2 = given(
      opened,
      escalated,
      accepted,
      ['ResolveTicket', { cause: 'c', fix: 'f' }],
      ['ReopenTicket', { reason: 'again' }],
      ['DeescalateToTier', { tier: 'L1', reason: 'r', solution: { kind: 'procedure', text: 't' } }],
    );
    expect(fixedByL2.when('EscalateToTier', toL3).events()[0]).toMatchObject({ data: { skipped: 'recurrence', from: 'L1' } });
  });

  it('refuses any other skip, and any tier that is not higher', () => {
    expect(given(opened).when('EscalateToTier', toL3).refusal().refused).toBe('tier-skipped');
    expect(
      given(opened, ['TriageTicket', { category: 'c', majorIncident: true }])
        .when('EscalateToTier', { ...toL3, tier: 'L4' })
        .refusal().refused,
    ).toBe('tier-skipped');
    expect(
      given(opened)
        .when('EscalateToTier', { ...toL2, tier: 'L1' })
        .refusal().refused,
    ).toBe('not-an-escalation');
  });

  it('is refused while a hand-off waits already', () => {
    expect(given(opened, escalated).when('EscalateToTier', toL3).refusal().refused).toBe('escalation-pending');
  });
});

describe('going up and down again', () => {
  const up = [escalated, accepted] as const;
  const down: Step = ['DeescalateToTier', { tier: 'L1', reason: 'known', solution: { kind: 'procedure', text: 'p' } }];

  it('counts with the returns, with the same limit', () => {
    const once = given(opened, triaged, started, ...up).when(...(down as ['DeescalateToTier', TicketCommands['DeescalateToTier']]));
    expect(once.events()).toMatchObject([{ type: 'TicketDeescalated', data: { pingPong: 1 } }]);
    const twice = given(opened, triaged, started, ...up, down, escalated, ['ReturnEscalation', { reason: 'no log' }], ...up);
    expect(twice.state?.returns).toBe(2);
    expect(twice.when(...(down as ['DeescalateToTier', TicketCommands['DeescalateToTier']])).events()).toMatchObject([
      { type: 'TicketDeescalated', data: { pingPong: 3 } },
      { type: 'HierarchicalEscalationRaised', data: { tier: 'L1', cause: 'ping-pong-limit' } },
    ]);
  });

  it('is explained past the limit: who was told, and which events led to it', () => {
    const told = [
      { type: 'EscalationReturned', data: { pingPong: 1 } },
      { type: 'TicketDeescalated', data: {} },
      { type: 'TicketDeescalated', data: { pingPong: 2 } },
      {
        type: 'HierarchicalEscalationRaised',
        data: { tier: 'L1', cause: 'ping-pong-limit', to: 'lead of desk', reason: 'Returned 2 times' },
      },
      { type: 'HierarchicalEscalationRaised', data: { tier: 'L1', cause: 'requested', to: 'board', reason: 'they called' } },
    ];
    expect(whyRaised(recorded<TicketEvents>('ticket-1', told))).toMatchObject([
      { revision: 3, to: 'lead of desk', because: [0, 2], answer: 'lead of desk was told: Returned 2 times (revisions 0, 2)' },
      { revision: 4, to: 'board', because: [], answer: 'ada asked that board be told: they called' },
    ]);
    const twice = given(opened, triaged, started, ...up, down, escalated, ['ReturnEscalation', { reason: 'no log' }], ...up);
    expect(
      twice.when('DeescalateToTier', { ...down[1], team: 'desk' } as TicketCommands['DeescalateToTier']).events()[1]?.data,
    ).toMatchObject({
      to: 'lead of desk',
    });
  });

  it('is none where the tier had not handed it up', () => {
    const { state } = given(
      ['OpenTicket', { ...(opened[1] as TicketCommands['OpenTicket']), tier: 'L2', entryReason: 'known there' }],
      down,
    );
    expect(state).toMatchObject({ tier: 'L1', returns: 0 });
  });
});

describe('a hold', () => {
  const until = (minutes: number): Step => ['PutOnHold', { reason: 'customer', note: 'Back soon', until: at(minutes * MINUTE) }];
  const tells = { version: 1, tzdata: '2025b', terms: { ...defaultContract, holdEnds: 'tell' as const } };

  it('ends by itself at the instant that was named, whenever the timekeeper gets to it', () => {
    const held = given(opened, until(60));
    expect(held.when('EndHold', {}, 59 * MINUTE).events()).toEqual([]);
    expect(held.when('EndHold', {}, 90 * MINUTE).events()).toEqual([
      { type: 'TicketResumed', data: { after: 'customer' }, effectiveAt: at(60 * MINUTE) },
    ]);
    expect(
      given(opened, ['PutOnHold', { reason: 'customer', note: 'x' }])
        .when('EndHold', {}, DAY)
        .events(),
    ).toEqual([]);
    expect(given(opened).when('EndHold', {}, DAY).events()).toEqual([]);
  });

  it('is unchanged when repeated, unless another instant is named', () => {
    const held = given(opened, until(60));
    for (const again of [{ note: 'Back soon' }, { note: 'Still away' }, { note: 'x', until: at(60 * MINUTE) }])
      expect(held.when('PutOnHold', { reason: 'customer', ...again }).events()).toEqual([]);
    expect(held.when('PutOnHold', { reason: 'customer', note: 'Later', until: at(90 * MINUTE) }).events()).toMatchObject([
      { type: 'TicketPutOnHold', data: { until: at(90 * MINUTE) } },
    ]);
    expect(held.when('PutOnHold', { reason: 'vendor', note: 'x' }).refusal().refused).toBe('ticket-on-hold');
  });

  it('is reported once as having lasted long enough, if the contract leaves it to people', () => {
    const assigned: Step = ['AssignTicket', { assignee: ada }];
    const under = scenariosOf(
      { ...ticket, initial: given(opened, assigned).state && { ...given(opened, assigned).state!, contract: tells } },
      { id: self, actor: { id: 'timekeeper', kind: 'system' }, start, step: MINUTE },
    );
    const expired = {
      type: 'HoldExpired',
      data: { reason: 'customer', until: at(60 * MINUTE), assignee: ada },
      effectiveAt: at(60 * MINUTE),
    };
    expect(
      under(until(60))
        .when('EndHold', {}, 90 * MINUTE)
        .events(),
    ).toEqual([expired]);
    const told = under(until(60), ['EndHold', {}, 90 * MINUTE]);
    expect(told.state).toMatchObject({ work: { status: 'on-hold', expired: true } });
    expect(told.when('EndHold', {}, DAY).events()).toEqual([]);
    expect(
      under(until(60), ['EndHold', {}, 90 * MINUTE], until(200))
        .when('EndHold', {}, DAY)
        .events(),
    ).toHaveLength(1);
  });

  it('is refused if it would end before it begins', () => {
    expect(given(opened).when('PutOnHold', { reason: 'customer', note: 'x', until: '2020-01-01T00:00:00Z' }).refusal()).toMatchObject({
      refused: 'invalid-body',
      faults: [{ field: 'until' }],
    });
  });

  it('is prolonged by naming another instant', () => {
    const prolonged = given(opened, started, until(60));
    expect(prolonged.when('PutOnHold', until(90)[1] as TicketCommands['PutOnHold']).events()).toMatchObject([{ type: 'TicketPutOnHold' }]);
    expect(given(opened, started, until(60), until(90)).state?.work).toMatchObject({
      status: 'on-hold',
      until: at(90 * MINUTE),
      paused: { status: 'in-progress' },
    });
    expect(prolonged.when('PutOnHold', { reason: 'customer', note: 'x' }).events()).toEqual([]);
  });

  it('goes on while a hand-off is accepted or returned', () => {
    const held = given(opened, escalated, until(60));
    expect(held.when(...(accepted as ['AcceptEscalation', object])).events()).toMatchObject([{ type: 'EscalationAccepted' }]);
    const taken = given(opened, escalated, until(60), accepted);
    expect(taken.state).toMatchObject({ assignee: grace, work: { status: 'on-hold', paused: { status: 'in-progress', agent: grace } } });
    expect(taken.when('Resume', {}).events()).toHaveLength(1);
    expect(taken.when(...(accepted as ['AcceptEscalation', object])).events()).toEqual([]);
    const returned = given(opened, triaged, started, escalated, until(60), ['ReturnEscalation', { reason: 'no log' }]);
    expect(returned.state).toMatchObject({
      tier: 'L1',
      assignee: ada,
      returns: 1,
      work: { status: 'on-hold', paused: { status: 'open' } },
    });
    expect(returned.when('ReturnEscalation', { reason: 'no log' }).events()).toEqual([]);
  });
});

describe('AcceptEscalation', () => {
  it('makes the receiver start work', () => {
    const pending = given(opened, escalated);
    expect(pending.when('AcceptEscalation', { agent: grace }).events()).toEqual([
      { type: 'EscalationAccepted', data: { escalationId: expect.any(String) as string, tier: 'L2', team: 'print', agent: grace } },
    ]);
    expect(given(opened, escalated, accepted).state).toMatchObject({
      tier: 'L2',
      team: 'print',
      assignee: grace,
      work: { status: 'in-progress', agent: grace },
    });
  });

  it('stays quiet when the same agent has accepted it', () => {
    expect(given(opened, escalated, accepted).when('AcceptEscalation', { agent: grace }).events()).toEqual([]);
  });

  it('is refused when nothing waits', () => {
    expect(given(opened).when('AcceptEscalation', {}).refusal().refused).toBe('no-escalation-pending');
    expect(given(opened, escalated, accepted).when('AcceptEscalation', { agent: ada }).refusal().refused).toBe('no-escalation-pending');
  });
});

describe('ReturnEscalation', () => {
  const returned: Step = ['ReturnEscalation', { reason: 'no log' }];

  it('gives the work back to the sender and their team', () => {
    const back = given(opened, started, escalated, returned);
    expect(back.state).toMatchObject({ tier: 'L1', team: 'desk', assignee: ada, work: { status: 'open' }, returns: 1 });
  });

  it('stays quiet when it is back already, and is refused when nothing waits', () => {
    expect(given(opened, escalated, returned).when('ReturnEscalation', { reason: 'x' }).events()).toEqual([]);
    expect(given(opened).when('ReturnEscalation', { reason: 'x' }).refusal().refused).toBe('no-escalation-pending');
  });

  it('notifies someone higher up past the ping-pong limit', () => {
    const twice = given(opened, escalated, returned, escalated, returned, escalated);
    expect(types(twice.when('ReturnEscalation', { reason: 'x' }).events())).toEqual(['EscalationReturned', 'HierarchicalEscalationRaised']);
    expect(types(given(opened, escalated, returned, escalated).when('ReturnEscalation', { reason: 'x' }).events())).toEqual([
      'EscalationReturned',
    ]);
  });
});

describe('DeescalateToTier', () => {
  const down = { tier: 'L1' as const, reason: 'known', solution: { kind: 'procedure' as const, text: 'do this', article: 'KB-9' } };

  it('hands the work down with the solution', () => {
    expect(
      given(...atL3)
        .when('DeescalateToTier', down)
        .events(),
    ).toEqual([
      {
        type: 'TicketDeescalated',
        data: { from: 'L3', fromTeam: 'experts', to: 'L1', reason: 'known', solution: down.solution, pingPong: 1 },
      },
    ]);
  });

  it('is refused upwards, and while a hand-off waits', () => {
    expect(given(opened).when('DeescalateToTier', down).refusal().refused).toBe('not-a-de-escalation');
    expect(given(opened, escalated).when('DeescalateToTier', down).refusal().refused).toBe('escalation-pending');
  });

  it('is done once: the second time the ticket is there already', () => {
    expect(
      given(...atL3, ['DeescalateToTier', down])
        .when('DeescalateToTier', down)
        .refusal().refused,
    ).toBe('not-a-de-escalation');
  });
});

describe('PutOnHold and Resume', () => {
  const hold: Step = ['PutOnHold', { reason: 'customer', note: 'away', until: '2026-11-22T09:00:00+01:00' }];

  it('pause for a listed reason and continue as before', () => {
    expect(
      given(opened, started)
        .when('PutOnHold', hold[1] as TicketCommands['PutOnHold'])
        .events(),
    ).toEqual([{ type: 'TicketPutOnHold', data: { reason: 'customer', note: 'away', until: '2026-11-22T08:00:00.000Z' } }]);
    expect(given(opened, started, hold).when('Resume', {}).events()).toEqual([{ type: 'TicketResumed', data: { after: 'customer' } }]);
    expect(given(opened, started, hold, ['Resume', {}]).state?.work).toEqual({ status: 'in-progress', agent: ada });
    expect(given(opened, escalated, hold, ['Resume', {}]).state?.work).toMatchObject({ status: 'escalated' });
  });

  it('stay quiet when it is so already', () => {
    expect(given(opened, hold).when('PutOnHold', { reason: 'customer', note: 'still' }).events()).toEqual([]);
    expect(given(opened).when('Resume', {}).events()).toEqual([]);
  });

  it('refuse a second reason', () => {
    expect(given(opened, hold).when('PutOnHold', { reason: 'vendor', note: 'x' }).refusal().refused).toBe('ticket-on-hold');
  });
});

describe('ResolveTicket', () => {
  it('resolves at L1 with category and article', () => {
    expect(given(opened, triaged, started).when('ResolveTicket', { article: 'KB-1' }).events()).toEqual([
      { type: 'TicketResolved', data: { tier: 'L1', category: 'hardware/printer', article: 'KB-1', team: 'desk' } },
    ]);
  });

  it('resolves at L2 with cause and fix or workaround', () => {
    const atL2 = given(opened, escalated, accepted);
    expect(types(atL2.when('ResolveTicket', { cause: 'c', workaround: 'w' }).events())).toEqual(['TicketResolved']);
    expect(fields(atL2.when('ResolveTicket', { category: 'c', article: 'a' }).refusal())).toEqual(['cause', 'fix']);
  });

  it('lists what is missing at L1', () => {
    expect(fields(given(opened).when('ResolveTicket', {}).refusal())).toEqual(['category', 'article']);
  });

  it('leaves L3 to a root cause', () => {
    expect(
      given(...atL3)
        .when('ResolveTicket', { cause: 'c', fix: 'f' })
        .refusal().refused,
    ).toBe('root-cause-required');
  });

  it('ends a hold in the same append', () => {
    expect(
      types(
        given(opened, triaged, ['PutOnHold', { reason: 'customer', note: 'n' }])
          .when('ResolveTicket', { article: 'KB-1' })
          .events(),
      ),
    ).toEqual(['TicketResumed', 'TicketResolved']);
  });

  it('stays quiet when resolved so, and is refused when resolved otherwise', () => {
    const resolved = given(opened, triaged, resolvedAtL1);
    expect(resolved.when('ResolveTicket', { article: 'KB-1' }).events()).toEqual([]);
    expect(resolved.when('ResolveTicket', { article: 'KB-2' }).refusal().refused).toBe('already-resolved');
  });

  it('is refused while a hand-off waits, also under a hold', () => {
    expect(given(opened, escalated).when('ResolveTicket', { cause: 'c', fix: 'f' }).refusal().refused).toBe('escalation-pending');
    expect(
      given(opened, escalated, ['PutOnHold', { reason: 'vendor', note: 'n' }])
        .when('ResolveTicket', { cause: 'c', fix: 'f' })
        .refusal().refused,
    ).toBe('escalation-pending');
  });
});

describe('ResolveWithRootCause', () => {
  it('resolves with a complete root cause', () => {
    expect(
      given(...atL3)
        .when('ResolveWithRootCause', { rootCause })
        .events(),
    ).toEqual([{ type: 'TicketResolvedWithRootCause', data: { tier: 'L3', team: 'experts', rootCause } }]);
  });

  it('lists all that is missing', () => {
    const refusal = given(...atL3)
      .when('ResolveWithRootCause', { rootCause: {} })
      .refusal();
    expect(refusal.refused).toBe('root-cause-incomplete');
    expect(fields(refusal)).toEqual(
      ['category', 'analysis', 'permanentFix', 'preventiveActions', 'changeReference', 'knowledgeArticle', 'lowerTierCanResolve'].map(
        (field) => `rootCause.${field}`,
      ),
    );
  });

  it('refuses analyses that cite nothing, or events that do not exist', () => {
    const cite = (citedEvents: number[]) =>
      given(...atL3).when('ResolveWithRootCause', { rootCause: { ...rootCause, analysis: { ...rootCause.analysis, citedEvents } } });
    expect(fields(cite([]).refusal())).toEqual(['rootCause.analysis.citedEvents']);
    expect(fields(cite([0, 7]).refusal())).toEqual(['rootCause.analysis.citedEvents[1]']);
  });

  it('stays quiet when resolved so', () => {
    expect(
      given(...atL3, ['ResolveWithRootCause', { rootCause }])
        .when('ResolveWithRootCause', { rootCause })
        .events(),
    ).toEqual([]);
  });
});

describe('ReopenTicket, CloseTicket and CancelTicket', () => {
  const resolved: readonly Step[] = [opened, triaged, started, resolvedAtL1];

  it('reopen within the window, also a closed ticket', () => {
    const reopened = { type: 'TicketReopened', data: { reason: 'back', tier: 'L1', team: 'desk', cycle: 2 } };
    expect(
      given(...resolved)
        .when('ReopenTicket', { reason: 'back' })
        .events(),
    ).toEqual([reopened]);
    expect(
      given(...resolved, ['CloseTicket', {}])
        .when('ReopenTicket', { reason: 'back' }, 13 * DAY)
        .events(),
    ).toEqual([reopened]);
  });

  it('refuse to reopen after the window, and if never resolved', () => {
    expect(
      given(...resolved)
        .when('ReopenTicket', { reason: 'back' }, 14 * DAY + 4 * MINUTE)
        .refusal().refused,
    ).toBe('reopen-window-passed');
    expect(given(opened).when('ReopenTicket', { reason: 'back' }).refusal().refused).toBe('not-resolved');
  });

  it('stay quiet when it is so already', () => {
    expect(
      given(...resolved, ['ReopenTicket', { reason: 'back' }])
        .when('ReopenTicket', { reason: 'back' })
        .events(),
    ).toEqual([]);
    expect(
      given(...resolved, ['CloseTicket', {}])
        .when('CloseTicket', {})
        .events(),
    ).toEqual([]);
    expect(
      given(opened, ['CancelTicket', { reason: 'r' }])
        .when('CancelTicket', { reason: 'r' })
        .events(),
    ).toEqual([]);
  });

  it('close only what is resolved, cancel only what is not', () => {
    expect(
      given(...resolved)
        .when('CloseTicket', { note: 'ok' })
        .events(),
    ).toEqual([{ type: 'TicketClosed', data: { note: 'ok' } }]);
    expect(given(opened).when('CloseTicket', {}).refusal().refused).toBe('not-resolved');
    expect(given(opened).when('CancelTicket', { reason: 'r' }).events()).toEqual([{ type: 'TicketCancelled', data: { reason: 'r' } }]);
    expect(
      given(...resolved)
        .when('CancelTicket', { reason: 'r' })
        .refusal().refused,
    ).toBe('already-resolved');
  });
});

describe('ClaimTicket', () => {
  it('gives the ticket to the first who claims it', () => {
    expect(given(opened).when('ClaimTicket', { agent: ada }).events()).toEqual([
      { type: 'TicketAssigned', data: { tier: 'L1', team: 'desk', assignee: ada } },
    ]);
  });

  it('is refused to others, with the name of the winner, and stays quiet for the winner', () => {
    const claimed = given(opened, ['ClaimTicket', { agent: ada }]);
    expect(claimed.when('ClaimTicket', { agent: grace }).refusal()).toMatchObject({
      refused: 'already-claimed',
      message: expect.stringContaining('Ada Lovelace') as string,
    });
    expect(claimed.when('ClaimTicket', { agent: ada }).events()).toEqual([]);
  });

  it('is refused while a hand-off waits', () => {
    expect(given(opened, escalated).when('ClaimTicket', {}).refusal().refused).toBe('escalation-pending');
  });
});

describe('TakeOverTicket', () => {
  const reason = 'Ada is in a meeting';
  const claimed = given(opened, ['ClaimTicket', { agent: ada }]);

  it('takes the ticket from its holder, who is notified, ends their touch time and starts work', () => {
    const events = given(opened, started, ['StartTouchTime', { agent: ada }])
      .when('TakeOverTicket', { agent: grace, reason })
      .events();
    expect(types(events)).toEqual(['TouchTimeStopped', 'TicketTakenOver', 'WorkStarted']);
    expect(events[0]).toMatchObject({ data: { agent: ada, seconds: 60 } });
    expect(events[1]).toEqual({ type: 'TicketTakenOver', data: { tier: 'L1', team: 'desk', from: ada, agent: grace, reason } });
    expect(events[2]).toEqual({ type: 'WorkStarted', data: { tier: 'L1', team: 'desk', agent: grace } });
    const taken = given(opened, started, ['TakeOverTicket', { agent: grace, reason }]);
    expect(taken.state).toMatchObject({ assignee: grace, work: { status: 'in-progress', agent: grace } });
  });

  it('begins no work while the ticket is on hold or waits to be accepted', () => {
    const held = given(opened, started, ['PutOnHold', { reason: 'customer', note: 'n' }]);
    expect(types(held.when('TakeOverTicket', { agent: grace, reason }).events())).toEqual(['TicketTakenOver']);
    const pending = given(opened, escalated, ['AssignTicket', { assignee: ada }]);
    expect(types(pending.when('TakeOverTicket', { agent: grace, reason }).events())).toEqual(['TicketTakenOver']);
  });

  it('is quiet for who has it, and refused when nobody does or the ticket is done with', () => {
    expect(claimed.when('TakeOverTicket', { agent: ada, reason }).events()).toEqual([]);
    expect(given(opened).when('TakeOverTicket', { agent: grace, reason }).refusal().refused).toBe('not-claimed');
    const resolved = given(opened, triaged, started, resolvedAtL1);
    expect(resolved.when('TakeOverTicket', { agent: grace, reason }).refusal().refused).toBe('already-resolved');
  });

  it.each([
    ['StartWork', claimed],
    ['ClaimTicket', claimed],
    ['AcceptEscalation', given(opened, escalated, ['AssignTicket', { assignee: ada }])],
  ] as const)("is the only way to start work on someone else's ticket: %s is refused with the name of the holder", (name, held) => {
    expect(held.when(name, { agent: grace }).refusal()).toMatchObject({
      refused: 'already-claimed',
      message: expect.stringContaining('Ada Lovelace') as string,
      details: { holder: 'ada' },
    });
  });
});

describe('an agent who begins to work', () => {
  const touching = [{ ticketId: self }, { ticketId: one }, { ticketId: two, shared: true as const }];
  const send = (ticket: ReturnType<typeof given>, name: 'StartWork' | 'AcceptEscalation') =>
    ticket.when(name, { agent: grace }, 10 * MINUTE, { touching }).events();

  it('turns from the other tickets on which touch time runs', () => {
    expect(send(given(opened), 'StartWork')).toMatchObject([{ type: 'WorkStarted', data: { turnedFrom: [one, two] } }]);
    expect(send(given(opened, escalated), 'AcceptEscalation')).toMatchObject([{ data: { turnedFrom: [one, two] } }]);
    expect(given(opened).when('StartWork', {}).events()[0]?.data).not.toHaveProperty('turnedFrom');
  });

  it('goes on with those whose contracts let it run on several, if this one’s does', () => {
    const life = new Life(pin(1, { touchTime: 'several-tickets' })).open();
    expect(life.do(1, 'StartWork', { agent: grace }, { touching: touching.slice(1) })).toMatchObject([{ data: { turnedFrom: [one] } }]);
  });
});

describe('an agent who has left the desk', () => {
  const free = given(opened);
  const waiting = given(opened, escalated);
  const reason = 'r';

  it.each([
    ['AssignTicket', free, { assignee: grace }],
    ['ClaimTicket', free, { agent: grace }],
    ['StartWork', free, { agent: grace }],
    ['StartTouchTime', free, { agent: grace }],
    ['RecordTouchTime', free, { agent: grace, minutes: 5 }],
    ['AcceptEscalation', waiting, { agent: grace }],
    ['TakeOverTicket', given(opened, started), { agent: grace, reason }],
    ['PlanOnsiteVisit', free, { agent: grace, location: 'Milan', plannedFor: '2026-12-01T09:00:00+01:00' }],
  ] as const)('gets no work and starts none: %s', (name, ticket, command) => {
    const send = ticket.when as unknown as (
      name: string,
      command: object,
      offset: number,
      outside: unknown,
    ) => ReturnType<typeof ticket.when>;
    const knowing = (left: object) => (['StartWork', 'AcceptEscalation', 'TakeOverTicket'].includes(name) ? { left } : left);
    const left = knowing({ grace: at(10 * MINUTE) });
    expect(send(name, command, 10 * MINUTE, left).refusal()).toMatchObject({ refused: 'agent-left' });
    // What was done before the agent left can be told afterwards, and others are not concerned.
    expect(send(name, command, 9 * MINUTE, left).events()).not.toEqual([]);
    expect(send(name, command, 10 * MINUTE, knowing({ henrik: at(0) })).events()).not.toEqual([]);
  });
});

describe('EscalateHierarchically', () => {
  it('notifies someone higher up and moves nothing', () => {
    const told = given(opened, started);
    expect(told.when('EscalateHierarchically', { to: 'manager', reason: 'board' }).events()).toEqual([
      { type: 'HierarchicalEscalationRaised', data: { tier: 'L1', cause: 'requested', to: 'manager', reason: 'board' } },
    ]);
    const after = given(opened, started, ['EscalateHierarchically', { to: 'manager', reason: 'board' }]);
    expect(after.state).toMatchObject({ tier: 'L1', assignee: ada, work: { status: 'in-progress' } });
  });

  it('is refused on a resolved ticket', () => {
    expect(given(opened, triaged, resolvedAtL1).when('EscalateHierarchically', { to: 'm', reason: 'r' }).refusal().refused).toBe(
      'already-resolved',
    );
  });
});

describe('RequestConsultation and AnswerConsultation', () => {
  const ask: Step = ['RequestConsultation', { tier: 'L3', team: 'experts', question: 'May we restart?' }];

  it('ask another tier and answer, while owner, tier and status stay', () => {
    const asked = given(opened, started, ask);
    expect(asked.state).toMatchObject({
      tier: 'L1',
      assignee: ada,
      work: { status: 'in-progress' },
      consultations: [{ tier: 'L3', question: 'May we restart?' }],
    });
    const [event] = asked.when('AnswerConsultation', { answer: 'Yes', article: 'KB-9' }).events();
    expect(event).toEqual({
      type: 'ConsultationAnswered',
      data: { consultationId: asked.state?.consultations[0]?.id, by: ada, answer: 'Yes', article: 'KB-9' },
    });
    expect(given(opened, started, ask, ['AnswerConsultation', { answer: 'Yes' }]).state?.consultations).toEqual([]);
  });

  it('refuse an answer that does not say which of several questions it answers', () => {
    const another: Step = ['RequestConsultation', { tier: 'L3', question: 'May we power it off?' }];
    const asked = given(opened, ask, another);
    expect(asked.when('AnswerConsultation', { answer: 'Yes' }).refusal().refused).toBe('not-one');
    const [, second] = asked.state?.consultations ?? [];
    const [answered] = asked.when('AnswerConsultation', { consultationId: second?.id ?? '', answer: 'No' }).events();
    expect(answered?.data).toMatchObject({ consultationId: second?.id });
  });

  it('refuse the own tier, and answers that nobody waits for', () => {
    expect(given(opened).when('RequestConsultation', { tier: 'L1', question: 'q' }).refusal().refused).toBe('consultation-of-own-tier');
    expect(given(opened).when('AnswerConsultation', { answer: 'a' }).refusal().refused).toBe('no-consultation-open');
    expect(
      given(opened, ask).when('AnswerConsultation', { consultationId: '00000000-0000-4000-8000-000000000000', answer: 'a' }).refusal()
        .refused,
    ).toBe('no-consultation-open');
  });

  it('stay quiet when the question is asked already', () => {
    expect(
      given(opened, ask)
        .when('RequestConsultation', ask[1] as TicketCommands['RequestConsultation'])
        .events(),
    ).toEqual([]);
  });
});

describe('the conversation', () => {
  const onHold: Step = ['PutOnHold', { reason: 'customer', note: 'away' }];

  it('keeps public replies and internal notes apart', () => {
    expect(given(opened).when('SendPublicReply', { text: 'We are on it' }).events()).toEqual([
      { type: 'PublicReplySent', data: { author: ada, text: 'We are on it' } },
    ]);
    expect(given(opened).when('AddInternalNote', { text: 'Third call' }).events()).toEqual([
      { type: 'InternalNoteAdded', data: { author: ada, text: 'Third call' } },
    ]);
  });

  it('ends a hold for the customer when the requester replies, and no other hold', () => {
    expect(types(given(opened, onHold).when('RecordRequesterReply', { text: 'Back' }).events())).toEqual([
      'RequesterReplied',
      'TicketResumed',
    ]);
    expect(
      types(
        given(opened, ['PutOnHold', { reason: 'vendor', note: 'n' }])
          .when('RecordRequesterReply', { text: 'Back' })
          .events(),
      ),
    ).toEqual(['RequesterReplied']);
    expect(given(opened).when('RecordRequesterReply', { text: 'Hm' }).events()).toEqual([
      { type: 'RequesterReplied', data: { author: { id: 'joe' }, text: 'Hm' } },
    ]);
  });

  describe('a reply to what was resolved', () => {
    const resolved = [opened, triaged, started, resolvedAtL1] as const;
    const reply = ['RecordRequesterReply', { text: 'It is back' }] as const;
    const under = (lateReplies: Contract['lateReplies']) => {
      const contract = { version: 1, tzdata: '2025b', terms: { ...defaultContract, lateReplies } };
      const { state } = given(opened);
      return scenariosOf(
        { ...ticket, initial: state && { ...state, contract } },
        { id: self, actor: { id: 'gateway', kind: 'system' }, start, step: MINUTE },
      );
    };

    it('reopens it within the window, also once it is closed', () => {
      for (const state of [given(...resolved), given(...resolved, ['CloseTicket', {}])]) {
        expect(state.when(...reply).events()).toEqual([
          { type: 'RequesterReplied', data: { author: { id: 'joe' }, text: 'It is back' } },
          { type: 'TicketReopened', data: { reason: 'The requester replied', tier: 'L1', team: 'desk', cycle: 2 } },
        ]);
      }
    });

    it('flags it if the contract says so, until it is answered, reopened or closed', () => {
      const flagging = under({ within: 'flag' });
      const steps = resolved.slice(1);
      expect(
        types(
          flagging(...steps)
            .when(...reply)
            .events(),
        ),
      ).toEqual(['RequesterReplied']);
      const flagged = flagging(...steps, ['RecordRequesterReply', { text: 'It is back' }, HOUR]);
      expect(flagged.state?.repliedAt).toBe(at(HOUR));
      for (const answer of [
        ['SendPublicReply', { text: 'On it' }],
        ['ReopenTicket', { reason: 'r' }],
        ['CloseTicket', {}],
      ] as const)
        expect(flagging(...steps, ['RecordRequesterReply', { text: 'It is back' }, HOUR], answer).state?.repliedAt).toBeUndefined();
    });

    it('goes to a ticket that follows after the window, the same for all replies, or is refused', () => {
      const { followUp } = given(...resolved)
        .when(...reply, 60 * DAY)
        .events()[0]?.data as { followUp: string };
      expect(followUp).toMatch(/^[0-9a-f-]{36}$/);
      const replied = given(...resolved, ['RecordRequesterReply', { text: 'It is back' }, 59 * DAY]);
      expect(replied.when(...reply, 60 * DAY).events()).toMatchObject([{ data: { followUp: replied.state?.followUp } }]);
      expect(replied.state).toMatchObject({ work: { status: 'resolved' } });
      expect(replied.state?.repliedAt).toBeUndefined();
      expect(
        under({ after: 'refuse' })(...resolved.slice(1))
          .when(...reply, 60 * DAY)
          .refusal().refused,
      ).toBe('reopen-window-passed');
    });
  });

  it('records the vendor only if there is one', () => {
    const handoff = { vendor: { vendor: 'Contoso', caseReference: 'C-1', contract: 'UC-1' } };
    const atVendor = given(...atL3, ['EscalateToTier', { tier: 'L4', reason: 'their defect', handoff }]);
    expect(atVendor.when('RecordVendorReply', { text: 'Fixed in 11.3' }).events()).toEqual([
      { type: 'VendorReplied', data: { vendor: 'Contoso', caseReference: 'C-1', text: 'Fixed in 11.3' } },
    ]);
    expect(given(opened).when('RecordVendorReply', { text: 'x' }).refusal().refused).toBe('no-vendor-case');
  });

  it('ends with cancellation', () => {
    const cancelled = given(opened, ['CancelTicket', { reason: 'r' }]);
    for (const name of ['SendPublicReply', 'AddInternalNote', 'RecordRequesterReply', 'RecordVendorReply'] as const) {
      expect(cancelled.when(name, { text: 'x' }).refusal().refused).toBe('ticket-cancelled');
    }
  });
});

describe('DeclareMajorIncident and StandDownMajorIncident', () => {
  const declared: Step = ['DeclareMajorIncident', { reason: 'all down' }];

  it('are declared and stood down', () => {
    expect(given(opened).when('DeclareMajorIncident', { reason: 'all down' }).events()).toEqual([
      { type: 'MajorIncidentDeclared', data: { reason: 'all down' } },
    ]);
    expect(given(opened, declared).when('StandDownMajorIncident', { reason: 'up' }).events()).toEqual([
      { type: 'MajorIncidentStoodDown', data: { reason: 'up' } },
    ]);
    expect(given(opened, declared).when('EscalateToTier', toL3).events()[0]).toMatchObject({ data: { skipped: 'major-incident' } });
  });

  it('stay quiet when it is so already, and are refused on a resolved ticket', () => {
    expect(given(opened, declared).when('DeclareMajorIncident', { reason: 'x' }).events()).toEqual([]);
    expect(given(opened).when('StandDownMajorIncident', { reason: 'x' }).events()).toEqual([]);
    expect(given(opened, triaged, resolvedAtL1).when('DeclareMajorIncident', { reason: 'x' }).refusal().refused).toBe('already-resolved');
  });
});

describe('onsite visits', () => {
  const planned: Step = ['PlanOnsiteVisit', { agent: ada, location: 'Milan', plannedFor: '2026-12-01T09:00:00+01:00' }];

  it('are planned, started and completed, with person and place', () => {
    expect(
      given(opened)
        .when('PlanOnsiteVisit', planned[1] as TicketCommands['PlanOnsiteVisit'])
        .events(),
    ).toEqual([
      {
        type: 'OnsiteVisitPlanned',
        data: { visitId: expect.any(String) as string, agent: ada, location: 'Milan', plannedFor: '2026-12-01T08:00:00.000Z' },
      },
    ]);
    expect(types(given(opened, planned).when('BeginOnsiteVisit', {}).events())).toEqual(['OnsiteVisitBegun']);
    expect(types(given(opened, planned, ['BeginOnsiteVisit', {}]).when('CompleteOnsiteVisit', { outcome: 'fixed' }).events())).toEqual([
      'OnsiteVisitDone',
    ]);
  });

  it('end a hold for the visit when they are done', () => {
    const begun = given(opened, planned, ['PutOnHold', { reason: 'onsite-visit', note: 'n' }], ['BeginOnsiteVisit', {}]);
    expect(types(begun.when('CompleteOnsiteVisit', { outcome: 'fixed' }).events())).toEqual(['OnsiteVisitDone', 'TicketResumed']);
  });

  it('are one at a time, in order', () => {
    expect(
      given(opened, planned)
        .when('PlanOnsiteVisit', planned[1] as TicketCommands['PlanOnsiteVisit'])
        .refusal().refused,
    ).toBe('onsite-visit-open');
    expect(given(opened).when('BeginOnsiteVisit', {}).refusal().refused).toBe('no-onsite-visit');
    expect(given(opened, planned).when('CompleteOnsiteVisit', { outcome: 'x' }).refusal().refused).toBe('no-onsite-visit');
    expect(given(opened, planned, ['BeginOnsiteVisit', {}]).when('BeginOnsiteVisit', {}).events()).toEqual([]);
  });
});

describe('RecordTouchTime and RecordSatisfaction', () => {
  it('report the time that an agent spent, at the tier where it was spent', () => {
    expect(given(opened).when('RecordTouchTime', { minutes: 15, activity: 'logs' }).events()).toEqual([
      { type: 'TouchTimeRecorded', data: { tier: 'L1', agent: ada, minutes: 15, activity: 'logs' } },
    ]);
  });

  it('accept one rating for each resolution', () => {
    const resolved: readonly Step[] = [opened, triaged, resolvedAtL1];
    expect(
      given(...resolved)
        .when('RecordSatisfaction', { score: 5 })
        .events(),
    ).toEqual([{ type: 'SatisfactionRecorded', data: { cycle: 1, score: 5 } }]);
    expect(
      given(...resolved, ['RecordSatisfaction', { score: 5 }])
        .when('RecordSatisfaction', { score: 1 })
        .refusal().refused,
    ).toBe('satisfaction-recorded');
    const again = given(
      ...resolved,
      ['RecordSatisfaction', { score: 2 }],
      ['ReopenTicket', { reason: 'r' }],
      ['ResolveTicket', { article: 'KB-2' }],
    );
    expect(again.when('RecordSatisfaction', { score: 4 }).events()).toEqual([
      { type: 'SatisfactionRecorded', data: { cycle: 2, score: 4 } },
    ]);
    expect(given(opened).when('RecordSatisfaction', { score: 4 }).refusal().refused).toBe('not-resolved');
  });
});

describe('StartTouchTime and StopTouchTime', () => {
  const start: Step = ['StartTouchTime', { agent: ada }];

  it("also covers people who help with someone else's ticket", () => {
    const theirs = given(opened, ['ClaimTicket', { agent: ada }]);
    const helped = theirs.when('StartTouchTime', { agent: grace }).events();
    expect(helped).toEqual([{ type: 'TouchTimeStarted', data: { tier: 'L1', agent: grace } }]);
    expect(given(opened, ['ClaimTicket', { agent: ada }], ['StartTouchTime', { agent: grace }]).state?.assignee).toEqual(ada);
  });

  it('measure the time that an agent is at it, at the tier where that began', () => {
    expect(
      given(opened)
        .when(...start)
        .events(),
    ).toEqual([{ type: 'TouchTimeStarted', data: { tier: 'L1', agent: ada } }]);
    const { state, when } = given(opened, start);
    expect(state?.touching).toEqual([{ agent: ada, tier: 'L1', since: at(MINUTE) }]);
    expect(when('StopTouchTime', { agent: ada, activity: 'logs' }, 5 * MINUTE + 30_000).events()).toEqual([
      { type: 'TouchTimeStopped', data: { tier: 'L1', agent: ada, startedAt: at(MINUTE), seconds: 270, activity: 'logs' } },
    ]);
  });

  it('run one at a time for each agent, and beside those of others', () => {
    expect(
      given(opened, start)
        .when(...start)
        .events(),
    ).toEqual([]);
    expect(types(given(opened, start).when('StartTouchTime', { agent: grace }).events())).toEqual(['TouchTimeStarted']);
    expect(given(opened).when('StopTouchTime', {}).events()).toEqual([]);
  });

  it.each([
    ['a hold', [['PutOnHold', { reason: 'customer', note: 'n' }]], 'TicketPutOnHold'],
    ['a hand-off', [escalated], 'TicketEscalated'],
    ['a resolution', [triaged, resolvedAtL1], 'TicketResolved'],
    ['a cancellation', [['CancelTicket', { reason: 'r' }]], 'TicketCancelled'],
    [
      'a merge',
      [
        ['MergeTicket', { into: one, reason: 'r' }],
        ['CompleteMerge', { into: one }],
      ],
      'TicketMerged',
    ],
  ] as [string, Step[], string][])('are stopped by %s, before it', (_what, steps, end) => {
    const [name, command] = steps.at(-1) as Step;
    const { when } = given(opened, start, ['StartTouchTime', { agent: grace }], ...steps.slice(0, -1));
    const events = when(name, command as never).events();
    expect(types(events)).toEqual(['TouchTimeStopped', 'TouchTimeStopped', end]);
    expect(events.slice(0, 2)).toMatchObject([{ data: { agent: ada } }, { data: { agent: grace } }]);
  });

  it('cannot end before they began, nor begin when the work is over', () => {
    expect(given(opened, start).when('StopTouchTime', { agent: ada }, 0).refusal()).toMatchObject({
      refused: 'out-of-order',
      faults: [{ field: 'effectiveAt' }],
    });
    expect(
      given(opened, triaged, resolvedAtL1)
        .when(...start)
        .refusal().refused,
    ).toBe('already-resolved');
    expect(
      given(opened, ['CancelTicket', { reason: 'r' }])
        .when('StopTouchTime', {})
        .refusal().refused,
    ).toBe('ticket-cancelled');
  });
});

describe('LinkTicket and UnlinkTicket', () => {
  const related: Step = ['LinkTicket', { ticketId: one, relation: 'relates-to' }];
  const childOfOne: Step = ['LinkTicket', { ticketId: one, relation: 'child-of' }];

  it('say what the ticket is to another one, and take it back', () => {
    expect(
      given(opened)
        .when(...related)
        .events(),
    ).toEqual([{ type: 'TicketLinked', data: { ticketId: one, relation: 'relates-to' } }]);
    expect(given(opened, related).when('UnlinkTicket', { ticketId: one, relation: 'relates-to', reason: 'no' }).events()).toEqual([
      { type: 'TicketUnlinked', data: { ticketId: one, relation: 'relates-to', reason: 'no' } },
    ]);
    expect(given(opened, related, ['UnlinkTicket', { ticketId: one, relation: 'relates-to' }]).state?.links).toEqual([]);
  });

  it('hold for a closed ticket, and for several relations to one ticket', () => {
    const closed = given(opened, triaged, resolvedAtL1, ['CloseTicket', {}], related);
    expect(types(closed.when('LinkTicket', { ticketId: one, relation: 'caused-by' }).events())).toEqual(['TicketLinked']);
  });

  it('refuse itself, two parents, and families of three', () => {
    expect(given(opened).when('LinkTicket', { ticketId: self, relation: 'relates-to' }).refusal().refused).toBe('relation-to-itself');
    expect(given(opened, childOfOne).when('LinkTicket', { ticketId: two, relation: 'child-of' }).refusal().refused).toBe('has-a-parent');
    expect(given(opened, childOfOne).when('LinkTicket', { ticketId: two, relation: 'parent-of' }).refusal().refused).toBe('has-a-parent');
    const parent = given(opened, ['LinkTicket', { ticketId: one, relation: 'parent-of' }]);
    expect(parent.when('LinkTicket', { ticketId: two, relation: 'child-of' }).refusal().refused).toBe('has-children');
    expect(types(parent.when('LinkTicket', { ticketId: two, relation: 'parent-of' }).events())).toEqual(['TicketLinked']);
    expect(
      given(opened, ['CancelTicket', { reason: 'r' }])
        .when(...related)
        .refusal().refused,
    ).toBe('ticket-cancelled');
  });

  it('refuse more links than a ticket can bear', () => {
    const links: Step[] = Array.from({ length: 500 }, (_, index) => [
      'LinkTicket',
      { ticketId: deterministicId('t', String(index)), relation: 'relates-to' },
    ]);
    const full = given(opened, ...links);
    expect(full.when(...related).refusal().refused).toBe('too-many-links');
    expect(full.when('SplitTicket', { summary: 's', reason: 'r' }).refusal().refused).toBe('too-many-links');
  });

  it('stay quiet for a link that is there, or is not', () => {
    expect(
      given(opened, related)
        .when(...related)
        .events(),
    ).toEqual([]);
    expect(
      given(opened, childOfOne)
        .when(...childOfOne)
        .events(),
    ).toEqual([]);
    expect(given(opened).when('UnlinkTicket', { ticketId: one, relation: 'relates-to' }).events()).toEqual([]);
  });

  it('are taken back when the other ticket refuses, once', () => {
    const refused: Step = ['RefuseRelation', { ticketId: one, relation: 'relates-to', code: 'ticket-not-found', message: 'none' }];
    expect(
      given(opened, related)
        .when(...refused)
        .events(),
    ).toEqual([{ type: 'TicketRelationRefused', data: refused[1] }]);
    const after = given(opened, related, refused);
    expect(after.state?.links).toEqual([]);
    expect(after.when(...refused).events()).toEqual([]);
  });
});

describe('a relation to a ticket of another client', () => {
  const ofOther = given(['OpenTicket', { ...(opened[1] as TicketCommands['OpenTicket']), client: 'contoso' }]).state;
  const { when } = given(opened);

  it('is refused, as is one to a ticket that does not exist', () => {
    const link = { ticketId: one, relation: 'relates-to' } as const;
    const merge = { into: one, reason: 'same fault' };
    expect(when('LinkTicket', link, HOUR, ofOther).refusal()).toMatchObject({ refused: 'other-client', faults: [{ field: 'ticketId' }] });
    expect(when('LinkTicket', { ...link, mirrored: true }, HOUR, ofOther).refusal().refused).toBe('other-client');
    expect(when('LinkTicket', link, HOUR, null).refusal().refused).toBe('other-ticket-not-found');
    expect(when('LinkTicket', link, HOUR, given(opened).state).events()).toHaveLength(1);
    expect(when('MergeTicket', merge, HOUR, ofOther).refusal()).toMatchObject({ refused: 'other-client', faults: [{ field: 'into' }] });
    expect(when('MergeTicket', merge, HOUR, null).refusal().refused).toBe('other-ticket-not-found');
  });

  it('is not accepted, whoever asks for it', () => {
    const part = { ticketId: two, client: 'contoso', summary: 'Also', reporter: { id: 'sue' }, reason: 'same fault' };
    expect(when('AbsorbTicket', part).refusal().refused).toBe('other-client');
    expect(when('AbsorbTicket', { ...part, customer: 'Northwind Group' }).refusal().refused).toBe('other-client');
  });

  it('is accepted if both contracts name the same customer', () => {
    const of = (client: string, customer: string) => new Life(pin(1, { customer })).open('low', { client });
    const [same, other] = [of('contoso', 'Northwind Group').state, of('contoso', 'Contoso Group').state];
    const life = of('northwind', 'Northwind Group');
    const link = { ticketId: one, relation: 'relates-to' } as const;
    expect(types(life.do(1, 'LinkTicket', link, same))).toEqual(['TicketLinked']);
    expect(() => life.do(2, 'LinkTicket', { ...link, ticketId: two }, other)).toThrow('other-client');
    const part = { ticketId: two, client: 'contoso', summary: 'Also', reporter: { id: 'sue' }, reason: 'same fault' };
    expect(() => life.do(3, 'AbsorbTicket', part)).toThrow('other-client');
    expect(() => life.do(3, 'AbsorbTicket', { ...part, customer: 'Contoso Group' })).toThrow('other-client');
    expect(types(life.do(3, 'AbsorbTicket', { ...part, customer: 'Northwind Group' }))).toEqual(['TicketAbsorbed']);
    expect(types(life.do(4, 'MergeTicket', { into: one, reason: 'same fault' }, same))).toEqual(['TicketMergeRequested']);
  });
});

describe('MergeTicket', () => {
  const asked: Step = ['MergeTicket', { into: one, reason: 'same fault' }];
  const merged: Step = ['CompleteMerge', { into: one }];
  const part = { ticketId: two, summary: 'Also', reporter: { id: 'sue' }, reason: 'same fault' };
  const absorbed: Step = ['AbsorbTicket', { ...part, client: 'northwind' }];

  it('asks the other ticket, goes on working, and ends when that one has taken it in', () => {
    expect(
      given(opened)
        .when(...asked)
        .events(),
    ).toEqual([{ type: 'TicketMergeRequested', data: asked[1] }]);
    expect(
      types(
        given(opened, asked)
          .when(...started)
          .events(),
      ),
    ).toEqual(['WorkStarted']);
    expect(
      given(opened, asked)
        .when(...merged)
        .events(),
    ).toEqual([{ type: 'TicketMerged', data: { into: one } }]);
    expect(given(opened, asked, merged).state).toMatchObject({ work: { status: 'merged', into: one } });
    expect(given(opened, asked, merged).state).not.toHaveProperty('mergingInto');
  });

  it('takes no more commands once it is merged, and says where it goes on', () => {
    const { when } = given(opened, triaged, asked, merged);
    for (const [name, command] of [
      started,
      resolvedAtL1,
      ['SendPublicReply', { text: 't' }],
      ['CancelTicket', { reason: 'r' }],
      ['ReopenTicket', { reason: 'r' }],
    ] as Step[])
      expect(when(name, command as never).refusal()).toMatchObject({
        refused: 'ticket-merged',
        message: `The ticket was merged into ${one}`,
        details: { mergedInto: one },
      });
  });

  it('refuses itself, a second target, and a parent', () => {
    expect(given(opened).when('MergeTicket', { into: self, reason: 'r' }).refusal().refused).toBe('relation-to-itself');
    expect(given(opened, asked).when('MergeTicket', { into: two, reason: 'r' }).refusal().refused).toBe('merge-pending');
    expect(given(opened, asked, merged).when('MergeTicket', { into: two, reason: 'r' }).refusal().refused).toBe('ticket-merged');
    expect(
      given(opened, ['LinkTicket', { ticketId: two, relation: 'parent-of' }])
        .when(...asked)
        .refusal().refused,
    ).toBe('has-children');
    expect(
      given(opened)
        .when(...merged)
        .refusal().refused,
    ).toBe('no-merge-pending');
    expect(
      given(opened, asked, ['CancelTicket', { reason: 'r' }])
        .when(...merged)
        .refusal().refused,
    ).toBe('ticket-cancelled');
  });

  it('stays quiet when it is asked or done already', () => {
    expect(
      given(opened, asked)
        .when(...asked)
        .events(),
    ).toEqual([]);
    expect(
      given(opened, asked, merged)
        .when(...asked)
        .events(),
    ).toEqual([]);
    expect(
      given(opened, asked, merged)
        .when(...merged)
        .events(),
    ).toEqual([]);
    expect(
      given(opened, absorbed)
        .when(...absorbed)
        .events(),
    ).toEqual([]);
  });

  it('is taken in by a ticket that is open and not about to be merged itself', () => {
    expect(
      given(opened)
        .when(...absorbed)
        .events(),
    ).toEqual([{ type: 'TicketAbsorbed', data: part }]);
    expect(
      given(opened, asked)
        .when(...absorbed)
        .refusal().refused,
    ).toBe('merge-pending');
    expect(
      given(opened, triaged, resolvedAtL1)
        .when(...absorbed)
        .refusal().refused,
    ).toBe('already-resolved');
  });

  it('is taken back when the other ticket refuses: the work goes on here', () => {
    const refused: Step = ['RefuseRelation', { ticketId: one, relation: 'merged-into', code: 'ticket-closed', message: 'closed' }];
    const after = given(opened, asked, refused);
    expect(after.state).not.toHaveProperty('mergingInto');
    expect(types(after.when('MergeTicket', { into: two, reason: 'r' }).events())).toEqual(['TicketMergeRequested']);
    expect(
      given(opened, asked)
        .when('RefuseRelation', { ...refused[1], ticketId: two } as never)
        .events(),
    ).toEqual([]);
  });
});

describe('SplitTicket', () => {
  it('names the new ticket and is linked to it', () => {
    const [event] = given(opened).when('SplitTicket', { summary: 'Scanner', component: 'FIN-2', reason: 'other team' }).events();
    const into = deterministicId('split', 'command');
    expect(event).toEqual({ type: 'TicketSplit', data: { into, summary: 'Scanner', component: 'FIN-2', reason: 'other team' } });
    expect(given(opened, ['SplitTicket', { summary: 'Scanner', reason: 'r' }]).state?.links).toMatchObject([{ relation: 'split-into' }]);
  });

  it('is refused once the work is done', () => {
    expect(given(opened, triaged, resolvedAtL1).when('SplitTicket', { summary: 's', reason: 'r' }).refusal().refused).toBe(
      'already-resolved',
    );
  });
});

describe('ResolveWithParent', () => {
  const withParent: Step = ['ResolveWithParent', { parent: one, category: 'network', fix: 'New switch' }];

  it('resolves a child at any tier, on hold or handed over, with its own category if it has one', () => {
    expect(
      given(opened, triaged, started, escalated, ['PutOnHold', { reason: 'customer', note: 'n' }])
        .when(...withParent)
        .events(),
    ).toEqual([
      { type: 'TicketResumed', data: { after: 'customer' } },
      { type: 'TicketResolved', data: { tier: 'L2', team: 'print', category: 'hardware/printer', fix: 'New switch', parent: one } },
    ]);
    expect(
      given(opened)
        .when(...withParent)
        .events(),
    ).toMatchObject([{ data: { category: 'network', parent: one } }]);
  });

  it('leaves alone what is over', () => {
    for (const over of [[triaged, resolvedAtL1], [['CancelTicket', { reason: 'r' }]]] as Step[][])
      expect(
        given(opened, ...over)
          .when(...withParent)
          .events(),
      ).toEqual([]);
  });
});
