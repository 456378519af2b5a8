import { contractSchema, defaultContract, HOUR, MINUTE, type PinnedContract } from '../contract/contract.js';
import { evolvePromises } from './promises.js';
import { nextStepAt } from './escalation-chains.js';
import type { EscalationPolicy } from '../contract/escalation-policy.js';
import { faultsOf } from '../schema.js';
import { whyEscalated } from './escalation-why.js';
import { at, Life, pin, start } from '../testing/ticket-life.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { targetName } from '../ticket/escalation.js';

const team = (name: string) => [{ kind: 'team' as const, team: name }];
const handOff = {
  tier: 'L2' as const,
  reason: 'r',
  handoff: { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] },
};
const under = (...escalationPolicies: EscalationPolicy[]): PinnedContract => pin(1, { escalationPolicies });

const untouched: EscalationPolicy = {
  name: 'untouched',
  trigger: { on: 'opened' },
  steps: [
    { after: 10 * MINUTE, targets: team('leads') },
    { after: 20 * MINUTE, targets: team('managers') },
    { after: 30 * MINUTE, targets: team('board') },
  ],
};

/** The timekeeper's command at a minute: what the policies did. */
function run(life: Life, minutes: number, onCall = {}): string[] {
  const before = life.events.length;
  life.do(minutes, 'RunEscalations', {}, { onCall });
  return life.events.slice(before).map(({ type, at: when, data }) => {
    const { chain, step, round, targets, because } = data as Record<string, unknown>;
    const told = (targets as { team?: string; person?: { id: string } }[] | undefined)
      ?.map((target) => target.team ?? target.person?.id)
      .join('+');
    return `${(Date.parse(when) - start) / MINUTE} ${type.replace('Escalation', '')} ${chain ?? ''} ${round ?? ''}.${step ?? ''} ${told ?? because ?? ''}`.trim();
  });
}

const chainsOf = (life: Life) => life.state?.sla?.chains ?? [];

describe('an escalation policy at work', () => {
  it('goes from level to level, each after its delay from the previous one', () => {
    const life = new Life(under(untouched)).open();
    expect(nextStepAt(chainsOf(life))).toBe(at(10));
    expect(run(life, 9)).toEqual([]);
    expect(run(life, 10)).toEqual(['10 StepDispatched untouched/0 0.0 leads']);
    expect(run(life, 29)).toEqual([]);
    expect(run(life, 30)).toEqual(['30 StepDispatched untouched/0 0.1 managers']);
    expect(run(life, 60)).toEqual(['60 StepDispatched untouched/0 0.2 board']);
    expect(nextStepAt(chainsOf(life))).toBeUndefined();
  });

  it('an escalation that is due during downtime comes late, and brings no other level along', () => {
    const life = new Life(under(untouched)).open();
    expect(run(life, 500)).toEqual(['10 StepDispatched untouched/0 0.0 leads']);
    expect(whyEscalated(life.sla, at(500))[0]?.steps[0]).toMatchObject({
      at: at(10),
      toldAt: at(500),
      answer: `It was due at ${at(10)}, and at ${at(500)} told team leads`,
    });
    expect(run(life, 519)).toEqual([]);
    expect(run(life, 520)).toEqual(['520 StepDispatched untouched/0 0.1 managers']);
  });

  it('ends when somebody responds, and says so', () => {
    const life = new Life(under(untouched)).open();
    run(life, 10);
    life.do(15, 'SendPublicReply', { text: 'We are on it' });
    expect(run(life, 500)).toEqual([]);
    expect(chainsOf(life)[0]?.ended).toEqual({ because: 'responded', at: at(15), revision: 2 });
  });

  it('is stopped by an acknowledgement, for good or for as long as it lasts', () => {
    const forGood = new Life(under(untouched)).open();
    run(forGood, 10);
    forGood.do(12, 'AcknowledgeEscalation', { note: 'mine' });
    expect(forGood.do(13, 'AcknowledgeEscalation', {})).toEqual([]);
    expect(run(forGood, 500)).toEqual([]);

    const forAWhile = new Life(under({ ...untouched, acknowledgedFor: HOUR })).open();
    run(forAWhile, 10);
    forAWhile.do(12, 'AcknowledgeEscalation', {});
    expect(run(forAWhile, 71)).toEqual([]);
    expect(run(forAWhile, 72)).toEqual(['72 AcknowledgementLapsed untouched/0 .']);
    expect(run(forAWhile, 91)).toEqual([]);
    expect(run(forAWhile, 92)).toEqual(['92 StepDispatched untouched/0 0.1 managers']);
  });

  it('is taken over by a second person’s acknowledgement, from which its time restarts', () => {
    const grace = { id: 'grace', name: 'Grace' };
    for (const acknowledgedFor of [HOUR, undefined]) {
      const life = new Life(under(acknowledgedFor === undefined ? untouched : { ...untouched, acknowledgedFor })).open();
      run(life, 10);
      life.do(12, 'AcknowledgeEscalation', {});
      expect(life.do(40, 'AcknowledgeEscalation', { by: grace })).toEqual([
        { type: 'EscalationAcknowledged', data: { chains: ['untouched/0'], by: grace } },
      ]);
      expect(life.do(41, 'AcknowledgeEscalation', { by: grace })).toEqual([]);
      expect(chainsOf(life)[0]).toMatchObject({ acknowledged: { by: grace, at: at(40) }, takenOver: [{ by: { id: 'ada' }, at: at(12) }] });
      expect(JSON.stringify(whyEscalated(life.state!.sla!, at(45)))).toContain('Grace has acknowledged it, taking over from ada');
      expect(run(life, 99)).toEqual([]);
      expect(run(life, 100)).toEqual(acknowledgedFor === undefined ? [] : ['100 AcknowledgementLapsed untouched/0 .']);
    }
  });

  it('is not taken over once the ticket is over: whoever has acknowledged it may say so again', () => {
    for (const [name, body] of [
      ['CancelTicket', { reason: 'r' }],
      ['ResolveTicket', { category: 'c', article: 'KB-1' }],
    ] as const) {
      const life = new Life(under(untouched)).open();
      life.do(12, 'AcknowledgeEscalation', {});
      life.do(20, name, body);
      expect(() => life.do(21, 'AcknowledgeEscalation', { by: { id: 'grace' } })).toThrow('no-escalation-at-work');
      expect(life.do(22, 'AcknowledgeEscalation', {})).toEqual([]);
    }
  });

  it('can be acknowledged before it told anybody; where none is at work there is nothing to acknowledge', () => {
    const life = new Life(under(untouched)).open();
    expect(() => life.do(1, 'AcknowledgeEscalation', { chain: 'other/0' })).toThrow('no-escalation-at-work');
    expect(life.do(1, 'AcknowledgeEscalation', { chain: 'untouched/0' })).toHaveLength(1);
    expect(run(life, 500)).toEqual([]);
    expect(() => new Life().open().do(1, 'AcknowledgeEscalation', {})).toThrow('no-escalation-at-work');
  });

  describe('for a priority', () => {
    const critical: EscalationPolicy = { ...untouched, trigger: { on: 'opened', priorities: ['critical'] } };
    const triaged = (life: Life, minutes: number, urgency: 'critical' | 'low') =>
      life.do(minutes, 'TriageTicket', { category: 'c', impact: urgency === 'low' ? 'low' : 'high', urgency });

    it('starts at the triage that sets it, with its delays counted from there', () => {
      const life = new Life(under(critical)).open('low');
      expect(nextStepAt(chainsOf(life))).toBeUndefined();
      triaged(life, 40, 'critical');
      expect(run(life, 49)).toEqual([]);
      expect(run(life, 50)).toEqual(['50 StepDispatched untouched/1 0.0 leads']);
      // It has the priority already.
      life.do(51, 'TriageTicket', { category: 'd' });
      expect(chainsOf(life)).toHaveLength(1);
    });

    it('ends at the triage that changes it, with the reason; notifications are not revoked', () => {
      const life = new Life(under(critical)).open();
      run(life, 10);
      triaged(life, 15, 'low');
      expect(run(life, 500)).toEqual([]);
      expect(chainsOf(life)).toMatchObject([
        { steps: [{ outcome: 'dispatched' }], ended: { because: 'priority-changed', at: at(15), revision: 2 } },
      ]);
      expect(whyEscalated(life.sla, at(500))[0]).toMatchObject({
        steps: [{ fired: true }, { fired: false, because: 'priority-changed' }, {}],
      });
    });

    it('ends before a step that was due is told: why says that it was due', () => {
      const life = new Life(under(critical)).open();
      triaged(life, 15, 'low');
      const answer = `It was due at ${at(10)}, but nobody was told before the policy ended at ${at(15)}: priority-changed`;
      expect(whyEscalated(life.sla, at(500))[0]?.steps[0]).toMatchObject({ fired: false, answer });
      const earlier = new Life(under(critical)).open();
      triaged(earlier, 5, 'low');
      expect(whyEscalated(earlier.sla, at(500))[0]?.steps[0]?.answer).toMatch(/^It was not due before the policy ended/);
    });

    it('does not notify the same level twice when it is lowered and raised again, and continues with the next after its delay', () => {
      const life = new Life(under(critical)).open();
      run(life, 10);
      triaged(life, 15, 'low');
      triaged(life, 20, 'critical');
      expect(run(life, 30)).toEqual(['30 StepSkipped untouched/3 0.0 told-already']);
      expect(run(life, 49)).toEqual([]);
      expect(run(life, 50)).toEqual(['50 StepDispatched untouched/3 0.1 managers']);
    });

    it('keeps what older versions told after the priority was taken away', () => {
      const life = new Life(under(critical)).open();
      triaged(life, 5, 'low');
      const data = { chain: 'untouched/0', policy: 'untouched', round: 0, step: 0, targets: team('leads') };
      const promises = evolvePromises(life.sla, { type: 'EscalationStepDispatched', data }, { effectiveAt: at(10), recordedAt: at(10) }, 2);
      expect(promises?.chains).toMatchObject([
        { steps: [{ outcome: 'dispatched', toldAt: at(10) }], ended: { because: 'priority-changed' } },
      ]);
    });

    it('notifies it again in the next window', () => {
      const window = { zone: 'UTC', week: { monday: [{ from: '08:00', to: '12:00' }], tuesday: [{ from: '08:00', to: '12:00' }] } };
      const life = new Life(under({ ...critical, steps: [{ after: 0, targets: team('leads'), window }] })).open();
      expect(run(life, 1)).toEqual(['0 StepDispatched untouched/0 0.0 leads']);
      triaged(life, 10, 'low');
      triaged(life, 20, 'critical');
      expect(run(life, 21)).toEqual(['20 StepSkipped untouched/3 0.0 told-already']);
      triaged(life, 30, 'low');
      triaged(life, 24 * 60, 'critical');
      expect(run(life, 24 * 60 + 1)).toEqual(['1440 StepDispatched untouched/6 0.0 leads']);
    });
  });

  const person = (id: string) => ({ kind: 'person' as const, person: { id } });
  const away = { grace: { because: 'left' as const }, henrik: { because: 'absent' as const } };

  it.each([
    ['an assignee where there is none', { kind: 'assignee' as const }, 'no-assignee'],
    ['a person who has left', person('grace'), 'left'],
    ['a person who is absent', person('henrik'), 'absent'],
    ['a team without members', team('empty')[0] as { kind: 'team'; team: string }, 'no-members'],
    ['a team that is absent as a whole', team('away')[0] as { kind: 'team'; team: string }, 'all-absent'],
    ['a schedule without anybody', { kind: 'on-call' as const, schedule: 'night' }, 'nobody-on-call'],
  ])('skips %s at once, says why, and takes the next step at once', (_what, target, because) => {
    const steps = [
      { after: 5 * MINUTE, targets: [target] },
      { after: HOUR, targets: team('managers') },
    ];
    const life = new Life(under({ ...untouched, steps })).open();
    const there = { away, empty: { empty: 'no-members' as const, away: 'all-absent' as const } };
    const events = life.do(5, 'RunEscalations', {}, there);
    expect(events).toMatchObject([
      {
        type: 'EscalationStepSkipped',
        data: { step: 0, because: 'nobody-to-tell', passedOver: [{ target, because }] },
        effectiveAt: at(5),
      },
      { type: 'EscalationStepDispatched', data: { step: 1, targets: team('managers') }, effectiveAt: at(5) },
    ]);
    expect(events[1]?.data).not.toHaveProperty('passedOver');
    expect(whyEscalated(life.sla, at(5))[0]?.steps[0]).toMatchObject({
      fired: false,
      passedOver: [{ target, because }],
      answer: expect.stringContaining(`(${because})`) as string,
    });
  });

  it('names the targets skipped by a step that reached only some of them', () => {
    const targets = [person('ada'), person('grace'), ...team('empty'), ...team('leads')];
    const life = new Life(under({ ...untouched, steps: [{ after: 0, targets }] })).open();
    expect(life.do(1, 'RunEscalations', {}, { away, empty: { empty: 'no-members' } })).toMatchObject([
      {
        data: {
          targets: [person('ada'), ...team('leads')],
          passedOver: [
            { target: person('grace'), because: 'left' },
            { target: team('empty')[0], because: 'no-members' },
          ],
        },
      },
    ]);
    const [answer] = whyEscalated(life.sla, at(1))[0]?.steps ?? [];
    expect(answer?.answer).toContain('told ada, team leads; not grace (left); not team empty (no-members)');
  });

  it('notifies the deputy of an absent person, once', () => {
    const targets = [person('henrik'), person('ada')];
    const life = new Life(under({ ...untouched, steps: [{ after: 0, targets }] })).open();
    const events = life.do(1, 'RunEscalations', {}, { away: { henrik: { because: 'absent', deputy: { id: 'ada' } } } });
    expect(events).toMatchObject([{ data: { targets: [person('ada')], passedOver: [{ target: person('henrik'), because: 'absent' }] } }]);
  });

  it('takes the step after one that found nobody when its window opens, whatever its delay', () => {
    const window = { zone: 'UTC', week: { monday: [{ from: '10:00', to: '12:00' }] } };
    const steps = [
      { after: 0, targets: [person('grace')] },
      { after: 6 * HOUR, targets: team('managers'), window },
    ];
    const life = new Life(under({ ...untouched, steps })).open();
    expect(life.do(1, 'RunEscalations', {}, { away })).toHaveLength(1);
    expect(nextStepAt(chainsOf(life))).toBe(at(120));
  });

  it('is skipped at once if there is no recipient, and this is recorded', () => {
    const policy: EscalationPolicy = {
      ...untouched,
      steps: [
        { after: 5 * MINUTE, targets: [{ kind: 'assignee' }] },
        { after: 5 * MINUTE, targets: [{ kind: 'on-call', schedule: 'night' }] },
        { after: 5 * MINUTE, targets: team('leads') },
        { after: 5 * MINUTE, targets: team('board') },
      ],
    };
    const life = new Life(under(policy)).open();
    expect(run(life, 5)).toEqual([
      '5 StepSkipped untouched/0 0.0 nobody-to-tell',
      '5 StepSkipped untouched/0 0.1 nobody-to-tell',
      '5 StepDispatched untouched/0 0.2 leads',
    ]);
    expect(run(life, 10)).toEqual(['10 StepDispatched untouched/0 0.3 board']);
    const somebody = new Life(under(policy)).open();
    somebody.do(1, 'AssignTicket', { assignee: { id: 'ada' } });
    expect(run(somebody, 5)).toEqual(['5 StepDispatched untouched/0 0.0 ada']);
    expect(run(somebody, 10, { night: { id: 'owl' } })).toEqual(['10 StepDispatched untouched/0 0.1 owl']);
  });

  it('waits for the next window', () => {
    const window = { zone: 'UTC', week: { tuesday: [{ from: '09:00', to: '17:00' }] } };
    const life = new Life(under({ ...untouched, steps: [{ after: MINUTE, targets: team('day'), window }] })).open();
    expect(nextStepAt(chainsOf(life))).toBe('2026-11-24T09:00:00.000Z');
    expect(run(life, 24 * 60 + 59)).toEqual([]);
    expect(run(life, 25 * 60)).toEqual(['1500 StepDispatched untouched/0 0.0 day']);
  });

  it('repeats its steps as often as configured, then starts the next policy', () => {
    const twice: EscalationPolicy = { ...untouched, steps: untouched.steps.slice(0, 1), rounds: 2, then: 'after' };
    const after: EscalationPolicy = {
      name: 'after',
      trigger: { on: 'returned', times: 9 },
      steps: [{ after: MINUTE, targets: team('board') }],
    };
    const life = new Life(under(twice, after)).open();
    expect([10, 20, 21, 500].flatMap((minutes) => run(life, minutes))).toEqual([
      '10 StepDispatched untouched/0 0.0 leads',
      '20 StepDispatched untouched/0 1.0 leads',
      '21 StepDispatched after/0 0.0 board',
    ]);
  });

  it("escalates automatically, with the ticket's contents and a list of what is missing", () => {
    const policy: EscalationPolicy = {
      name: 'stuck',
      trigger: { on: 'breach', clock: 'response' },
      steps: [{ after: 0, targets: team('leads'), escalateToNextTier: true }],
    };
    const life = new Life(under(policy)).open();
    life.do(3, 'RecordDiagnosticStep', { action: 'ping', outcome: 'lost' });
    life.tell(16);
    const events = life.do(16, 'RunEscalations', {});
    expect(events.map(({ type }) => type)).toEqual(['EscalationStepDispatched', 'TicketEscalated']);
    expect(events[1]?.data).toMatchObject({
      from: 'L1',
      to: 'L2',
      handOff: { summary: 's', stepsTried: [{ action: 'ping', outcome: 'lost' }] },
      automatic: { policy: 'stuck', lacks: ['errorMessages', 'logs'] },
    });
    expect(life.state?.work.status).toBe('escalated');
  });

  it('tells whom it is to tell also when the work cannot be handed on, and says why', () => {
    const policy: EscalationPolicy = {
      ...untouched,
      steps: [
        { after: 0, targets: team('leads'), escalateToNextTier: true },
        { after: 0, targets: [], escalateToNextTier: true },
      ],
    };
    const life = new Life(under(policy)).open();
    life.do(1, 'PutOnHold', { reason: 'customer', note: 'n' });
    expect(life.do(2, 'RunEscalations', {})).toMatchObject([{ data: { notHandedOn: 'ticket-on-hold' } }]);
    expect(run(life, 3)).toEqual(['2 StepSkipped untouched/0 0.1 ticket-on-hold']);
  });

  it.each<[string, EscalationPolicy['trigger'], (life: Life) => void, (life: Life) => void, string]>([
    [
      'a warning',
      { on: 'threshold', clock: 'response', percent: 75 },
      (life) => void life.tell(12),
      (life) => void life.do(13, 'StartWork', {}),
      'clock-ended',
    ],
    [
      'a hand-off that nobody accepts',
      { on: 'handed-over', to: 'L2' },
      (life) => void life.do(2, 'EscalateToTier', handOff),
      (life) => void life.do(13, 'AcceptEscalation', {}),
      'accepted',
    ],
    [
      'a hand-off that is returned',
      { on: 'handed-over' },
      (life) => void life.do(2, 'EscalateToTier', handOff),
      (life) => void life.do(13, 'ReturnEscalation', { reason: 'r' }),
      'returned',
    ],
    [
      'a major incident',
      { on: 'major-incident' },
      (life) => void life.do(2, 'DeclareMajorIncident', { reason: 'r' }),
      (life) => void life.do(13, 'StandDownMajorIncident', { reason: 'r' }),
      'stood-down',
    ],
    [
      'a ticket that is opened',
      { on: 'opened', priorities: ['critical'] },
      () => undefined,
      (life) => void life.do(13, 'CancelTicket', { reason: 'r' }),
      'cancelled',
    ],
  ])('is set going by %s, and ended by its end', (_name, trigger, begin, end, because) => {
    const life = new Life(under({ ...untouched, trigger })).open();
    begin(life);
    expect(chainsOf(life)).toHaveLength(1);
    end(life);
    expect(chainsOf(life)[0]?.ended?.because).toBe(because);
    expect(run(life, 500)).toEqual([]);
  });

  it('is set going by the second reopening, not by the first or the third', () => {
    const life = new Life(under({ ...untouched, trigger: { on: 'reopened', times: 2 } })).open();
    const chains = [1, 2, 3].map((minute) => {
      life.do(minute, 'ResolveTicket', { category: 'c', article: 'KB-1' });
      life.do(minute, 'ReopenTicket', { reason: 'again' });
      return chainsOf(life).filter(({ ended }) => ended === undefined).length;
    });
    expect(chains).toEqual([0, 1, 0]);
    expect(chainsOf(life)).toHaveLength(1);
  });

  it('is set going by nothing that is imported', () => {
    expect(chainsOf(new Life(under(untouched), true).open())).toEqual([]);
  });

  it('is unchanged when other terms come into force', () => {
    const life = new Life(under(untouched)).open();
    run(life, 10);
    life.do(11, 'RebaseSlaTerms', {
      contract: pin(2, { escalationPolicies: [{ ...untouched, steps: [{ after: 0, targets: team('nobody') }] }] }),
      effectiveFrom: at(11),
    });
    expect(run(life, 29)).toEqual([]);
    expect(run(life, 30)).toEqual(['30 StepDispatched untouched/0 0.1 managers']);
  });
});

describe('why', () => {
  it('says of each step whether it fired, and why or why not, with the event that proves it', () => {
    const late: EscalationPolicy = {
      name: 'late',
      trigger: { on: 'breach', clock: 'resolution' },
      steps: [{ after: 0, targets: team('board') }],
    };
    const life = new Life(under(untouched, late)).open();
    run(life, 10);
    const why = () => whyEscalated(life.state?.sla ?? { priority: 'low', clocks: [], told: [], facts: [], chains: [] }, at(12));
    expect(why()).toMatchObject([
      {
        policy: 'untouched',
        chain: 'untouched/0',
        cause: { type: 'TicketOpened', revision: 0 },
        steps: [
          { fired: true, at: at(10), revision: 1 },
          { fired: false, because: 'not-due-yet', dueAt: at(30) },
          { fired: false, because: 'not-due-yet' },
        ],
        answer: 'Triggered by TicketOpened (revision 0); 1 of 3 steps fired; it is still active',
      },
      { policy: 'late', steps: [], answer: 'Nothing has triggered it: no resolution clock was seen to be breached' },
    ]);
    life.do(12, 'AcknowledgeEscalation', { by: { id: 'grace', name: 'Grace' } });
    expect(why()[0]).toMatchObject({
      acknowledged: { by: { id: 'grace' }, revision: 2 },
      ended: { because: 'acknowledged', revision: 2 },
      steps: [{ fired: true }, { fired: false, because: 'acknowledged', revision: 2 }, { fired: false }],
    });
  });
});

describe('the policies of a contract', () => {
  const faulty = (...policies: unknown[]) =>
    faultsOf(contractSchema, { ...defaultContract, escalationPolicies: policies }).map(({ field }) =>
      field.replace('escalationPolicies', ''),
    );

  it('are sound', () => {
    expect(faulty(untouched, { ...untouched, name: 'b', then: 'untouched' })).toEqual([]);
  });

  it.each<[string, unknown[], string[]]>([
    [
      'a cycle',
      [
        { ...untouched, name: 'a', then: 'b' },
        { ...untouched, name: 'b', then: 'a' },
      ],
      ['[0].then', '[1].then'],
    ],
    ['a policy that leads to itself', [{ ...untouched, then: 'untouched' }], ['[0].then']],
    ['one that leads nowhere', [{ ...untouched, then: 'x' }], ['[0].then']],
    ['two of one name', [untouched, untouched], ['[1].name']],
    ['no steps', [{ ...untouched, steps: [] }], ['[0].steps']],
    ['a step that does nothing', [{ ...untouched, steps: [{ after: 0, targets: [] }] }], ['[0].steps[0].targets']],
    ['endless rounds', [{ ...untouched, rounds: 1e9 }], ['[0].rounds']],
    ['an unknown trigger', [{ ...untouched, trigger: { on: 'moon' } }], ['[0].trigger.on']],
    [
      'a threshold that is none of the contract',
      [{ ...untouched, trigger: { on: 'threshold', clock: 'response', percent: 80 } }],
      ['[0].trigger.percent'],
    ],
    [
      'a window that is never open',
      [{ ...untouched, steps: [{ after: 0, targets: team('a'), window: { zone: 'UTC', week: {} } }] }],
      ['[0].steps[0].window.week'],
    ],
    [
      'what it does not know',
      [{ ...untouched, colour: 'red', steps: [{ after: -1, targets: [{ kind: 'pigeon' }] }] }],
      ['[0].steps[0].after', '[0].steps[0].targets[0].kind', '[0].colour'],
    ],
  ])('are refused for %s', (_name, policies, fields) => {
    expect(faulty(...policies)).toEqual(fields);
  });
});

describe('messages of a step', () => {
  const reach = { [targetName({ kind: 'team', team: 'leads' })]: [{ by: 'email' as const }, { by: 'chat' as const, channel: 'noc' }] };
  const dispatched = () => {
    const life = new Life(under(untouched)).open();
    const [step] = life.do(10, 'RunEscalations', {}, { reach });
    const data = step?.data as TicketEvents['EscalationStepDispatched'];
    const [email, chat] = data.notifications ?? [];
    if (email === undefined || chat === undefined) throw new Error('no messages');
    return { life, data, email, chat };
  };
  const failed = { because: 'refused' as const };

  it('go to each address of a target, and say what holds when it is dispatched', () => {
    const { data, email, chat } = dispatched();
    expect([email, chat]).toMatchObject([{ by: 'email' }, { by: 'chat', channel: 'noc' }]);
    expect(email.id).not.toBe(chat.id);
    expect(data.message).toEqual({
      subject: '[critical] s',
      text: expect.stringMatching(/^Ticket .*Priority: critical\nTier: L1\nEscalation policy: untouched, step 1, due 2026-11-23T08:10/s),
    });
  });

  it('read as the contract says', () => {
    const escalationMessage = { subject: '{client}: {summary}', text: 'Step {step} of {policy}' };
    const life = new Life(pin(1, { escalationPolicies: [untouched], escalationMessage })).open();
    expect(life.do(10, 'RunEscalations', {}, { reach })).toMatchObject([
      { data: { message: { subject: 'northwind: s', text: 'Step 1 of untouched' } } },
    ]);
    const wrong = { ...defaultContract, escalationMessage: { subject: 'for {whom}' } };
    expect(faultsOf(contractSchema, wrong)).toMatchObject([
      { field: 'escalationMessage.subject', message: expect.stringContaining('{whom}') },
    ]);
  });

  it('bring the next step at once if none gets through, and are sent once', () => {
    const { life, email, chat } = dispatched();
    expect(life.do(11, 'RecordNotification', { notification: email.id, attempts: 1, failed })).toMatchObject([
      { type: 'NotificationFailed', data: { step: 0, target: email.target, because: 'refused' } },
    ]);
    expect(nextStepAt(chainsOf(life))).toBe(at(30));
    expect(life.do(12, 'RecordNotification', { notification: email.id, attempts: 1 })).toEqual([]);
    life.do(12, 'RecordNotification', { notification: chat.id, attempts: 4, failed: { because: 'given-up' } });
    expect(nextStepAt(chainsOf(life))).toBe(at(12));
    expect(run(life, 12)).toEqual(['12 StepDispatched untouched/0 0.1 managers']);
    expect(whyEscalated(life.sla, at(12))[0]?.steps[0]?.answer).toContain('the message to team leads by chat was not delivered (given-up)');
  });

  it('leave the chain as it is where one gets through, or somebody has answered', () => {
    const { life, email, chat } = dispatched();
    life.do(11, 'RecordNotification', { notification: email.id, attempts: 1, failed });
    life.do(12, 'RecordNotification', { notification: chat.id, attempts: 1 });
    expect(nextStepAt(chainsOf(life))).toBe(at(30));
    const other = dispatched();
    other.life.do(11, 'AcknowledgeEscalation', {});
    for (const { id } of [other.email, other.chat]) other.life.do(12, 'RecordNotification', { notification: id, attempts: 1, failed });
    expect(nextStepAt(chainsOf(other.life))).toBeUndefined();
  });

  it('go to nobody who may not be told of the client', () => {
    const life = new Life(under(untouched)).open();
    const hidden = { reach: { [targetName({ kind: 'team', team: 'leads' })]: 'not-of-client' as const } };
    expect(life.do(10, 'RunEscalations', {}, hidden)).toMatchObject([
      { type: 'EscalationStepSkipped', data: { step: 0, passedOver: [{ because: 'not-of-client' }] } },
      { type: 'EscalationStepDispatched', data: { step: 1 } },
    ]);
  });
});
