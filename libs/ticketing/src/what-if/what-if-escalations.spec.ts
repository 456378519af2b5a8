import type { Instant, RecordedEvent } from '#eventsourcing';
import fc from 'fast-check';
import { type Contract, defaultContract, HOUR, MINUTE } from '../contract/contract.js';
import { nextStepAt } from '../escalation/escalation-chains.js';
import type { EscalationPolicy } from '../contract/escalation-policy.js';
import { nextMomentAt } from '../sla/sla-terms.js';
import { at, Life, pin, start } from '../testing/ticket-life.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { comparisonOf, evolveReplay, replayedEvents, type Replay, SimulationSums, type TicketComparison } from './what-if.js';
import { runs } from '../../../../test/runs.js';

const team = (name: string) => [{ kind: 'team' as const, team: name }];
const handoff = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
const untouched: EscalationPolicy = {
  name: 'untouched',
  trigger: { on: 'opened' },
  steps: [
    { after: 10 * MINUTE, targets: team('leads') },
    { after: 20 * MINUTE, targets: [{ kind: 'on-call', schedule: 'night' }], escalateToNextTier: true },
  ],
};
const overdue: EscalationPolicy = {
  name: 'overdue',
  trigger: { on: 'breach', clock: 'resolution' },
  steps: [
    { after: 0, targets: team('managers') },
    { after: HOUR, targets: team('board') },
  ],
};
const under = (...escalationPolicies: EscalationPolicy[]): Contract => ({ ...defaultContract, escalationPolicies });

function compared(life: Pick<Life, 'events'>, proposed: Contract, minutes: number): TicketComparison {
  let replay: Replay | null = null;
  life.events.forEach(({ type, data, at: effectiveAt }, revision) => {
    const metadata = { effectiveAt, recordedAt: effectiveAt, client: 'northwind', commandId: 'c', actor: { id: 'ada', kind: 'agent' } };
    replay = evolveReplay(proposed, replay, { type, data, metadata, revision } as unknown as RecordedEvent<TicketEvents>);
  });
  if (replay === null) throw new Error('no ticket');
  return comparisonOf('t', replay, at(minutes));
}

const inWords = ({ escalations }: TicketComparison) =>
  escalations.map(
    ({ policy, time, round, step, kind, to, actual, proposed, escalation }) =>
      `${policy} ${time}.${round}.${step} ${kind}${to === undefined ? '' : ` to ${to}`}: ${[actual, proposed].map((when) => (when === undefined ? '-' : (Date.parse(when) - Date.parse(at(0))) / MINUTE)).join(' / ')} ${escalation ?? 'both'}`,
  );

describe('escalation policies of a proposed contract', () => {
  it('fire on time, until somebody would have seen to it', () => {
    const life = new Life().open();
    life.do(20, 'StartWork', {});
    expect(inWords(compared(life, under(untouched), 100))).toEqual(['untouched 1.0.0 hierarchical: - / 10 gained']);
    const nobody = new Life().open();
    expect(inWords(compared(nobody, under(untouched), 9))).toEqual([]);
    // Whoever is on call is somebody, and the work would have gone up.
    expect(inWords(compared(nobody, under(untouched), 100))).toEqual([
      'untouched 1.0.0 hierarchical: - / 10 gained',
      'untouched 1.0.1 hierarchical: - / 30 gained',
      'untouched 1.0.1 functional to L2: - / 30 gained',
    ]);
  });

  it('are lost where the actual contract had them, and the other has not', () => {
    const life = new Life(pin(1, { escalationPolicies: [untouched] })).open();
    life.do(20, 'StartWork', {});
    expect(inWords(compared(life, under(), 100))).toEqual(['untouched 1.0.0 hierarchical: 10 / - lost']);
    const patient = { ...untouched, steps: [{ after: 30 * MINUTE, targets: team('leads') }] };
    expect(inWords(compared(life, under(patient), 100))).toEqual(['untouched 1.0.0 hierarchical: 10 / - lost']);
    const hasty = { ...untouched, steps: [{ after: 5 * MINUTE, targets: team('leads') }] };
    expect(inWords(compared(life, under(hasty), 100))).toEqual(['untouched 1.0.0 hierarchical: 10 / 5 both']);
  });

  it('follow the clocks of the contract that they belong to', () => {
    const life = new Life(pin(1, { escalationPolicies: [overdue] })).open();
    life.do(10, 'StartWork', {});
    life.do(280, 'ResolveTicket', { category: 'c', article: 'KB-1' });
    expect(inWords(compared(life, under(overdue), 1000))).toEqual(['overdue 1.0.0 hierarchical: 240 / 240 both']);
    const within = (hours: number): Contract => ({
      ...under(overdue),
      targets: { ...defaultContract.targets, critical: { response: HOUR, resolution: hours * HOUR } },
    });
    expect(inWords(compared(life, within(5), 1000))).toEqual(['overdue 1.0.0 hierarchical: 240 / - lost']);
    expect(inWords(compared(life, within(3), 1000))).toEqual([
      'overdue 1.0.0 hierarchical: 240 / 180 both',
      'overdue 1.0.1 hierarchical: - / 240 gained',
    ]);
  });

  it('go no further once somebody has acknowledged, whatever the policy was called', () => {
    const life = new Life(pin(1, { escalationPolicies: [untouched] })).open();
    life.do(11, 'RunEscalations', {});
    life.do(12, 'AcknowledgeEscalation', {});
    for (const name of ['untouched', 'renamed'])
      expect(compared(life, under({ ...untouched, name }), 1000).escalations.filter(({ step }) => step === 1)).toEqual([]);
  });

  it('leave the life as it was: what a policy has handed on stays handed on', () => {
    const life = new Life(pin(1, { escalationPolicies: [untouched] })).open();
    life.do(10, 'RunEscalations', {});
    life.do(30, 'RunEscalations', {});
    expect(life.state?.tier).toBe('L2');
    const waiting: EscalationPolicy = { name: 'waiting', trigger: { on: 'handed-over' }, steps: [{ after: HOUR, targets: team('leads') }] };
    expect(inWords(compared(life, under(waiting), 1000))).toContain('waiting 1.0.0 hierarchical: - / 90 gained');
  });

  it("under the ticket's contract, do what a punctual timekeeper would have done, whatever the life", () => {
    const policies = [
      { ...untouched, rounds: 2, acknowledgedFor: 40 * MINUTE, then: 'overdue' },
      overdue,
      { name: 'warned', trigger: { on: 'threshold', clock: 'response', percent: 75 }, steps: [{ after: 0, targets: team('desk') }] },
      { name: 'waiting', trigger: { on: 'handed-over' }, steps: [{ after: 15 * MINUTE, targets: [{ kind: 'assignee' }] }] },
    ] satisfies EscalationPolicy[];
    const acts = fc.constantFrom(
      'StartWork',
      'EscalateToTier',
      'AcceptEscalation',
      'AcknowledgeEscalation',
      'PutOnHold',
      'Resume',
      'SendPublicReply',
    );
    // With nothing else in it: what is told at one instant is told together.
    const pinned = pin(1, { escalationPolicies: policies });
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.integer({ min: 1, max: 4000 }).map((tenths) => tenths / 10 + 0.05),
            acts,
          ),
          { maxLength: 6 },
        ),
        (lived) => {
          const life = new Life(pinned).open();
          life.do(0.01, 'AddInternalNote', { text: 't' });
          const runTimers = (until: number) => {
            for (
              let due: Instant | undefined;
              (due = [nextMomentAt(life.sla), nextStepAt(life.sla.chains)].filter((one) => one !== undefined).sort()[0]);
            ) {
              // A breach can be seen a millisecond after its due instant.
              const minute = (Date.parse(due) - start + 1) / MINUTE;
              if (minute > until) return;
              life.tell(minute);
              life.do(minute, 'RunEscalations', {}, { onCall: { night: { id: 'night' } } });
            }
          };
          for (const [minute, act] of [...lived].sort(([one], [other]) => one - other)) {
            runTimers(minute);
            const bodies: Readonly<Record<string, object>> = {
              EscalateToTier: { tier: 'L2', reason: 'r', handoff },
              PutOnHold: { reason: 'customer', note: 'n' },
              SendPublicReply: { text: 't' },
            };
            try {
              life.do(minute, act, (bodies[act] ?? {}) as never);
            } catch {
              // What cannot be done then is not.
            }
          }
          runTimers(421);
          const dispatched = life.events.flatMap(({ type, data, at: when }) => {
            const { policy, round, step, targets } = data as TicketEvents['EscalationStepDispatched'];
            return type === 'EscalationStepDispatched' && targets.length > 0 ? [`${policy} ${round}.${step} ${when.slice(0, 16)}`] : [];
          });
          const { escalations } = compared(life, pinned.terms, 421);
          expect(
            escalations
              .flatMap(({ policy, round, step, kind, actual }) =>
                kind === 'hierarchical' ? [`${policy} ${round}.${step} ${actual?.slice(0, 16)}`] : [],
              )
              .sort(),
          ).toEqual(dispatched.sort());
          expect(escalations.filter(({ escalation }) => escalation !== undefined)).toEqual([]);
          // What is not read for a simulation changes nothing in it.
          const read = life.events.filter(({ type }) => (replayedEvents as readonly string[]).includes(type));
          expect(read.length).toBeLessThan(life.events.length);
          for (const other of [pinned.terms, under(...policies), under(untouched)])
            expect(compared({ events: read }, other, 421)).toEqual(compared(life, other, 421));
        },
      ),
      // Work begins at the instant of a warning.
      { numRuns: runs(50), examples: [[[[11.25, 'StartWork']]]] },
    );
  });

  it('are summed up by policy: those told, and work handed on', () => {
    const sums = new SimulationSums();
    const life = new Life().open();
    sums.add(compared(life, under(untouched), 100));
    sums.add(compared(life, under(untouched), 100));
    sums.add(compared(life, under(untouched), 5));
    expect(sums.totals()).toMatchObject({
      tickets: 3,
      changed: 2,
      escalations: [
        { policy: 'untouched', kind: 'functional', actual: 0, proposed: 2, gained: 2, lost: 0 },
        { policy: 'untouched', kind: 'hierarchical', actual: 0, proposed: 4, gained: 4, lost: 0 },
      ],
    });
  });
});
