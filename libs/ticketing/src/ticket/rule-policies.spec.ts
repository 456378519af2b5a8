import { instantFrom, type RecordedEvent } from '#eventsourcing';
import { defaultContract } from '../contract/contract.js';
import { contractTerms } from '../contract/contract-agreement.js';
import { RULE_TRIGGERS, type Rule, rulesThatFire } from '../contract/rule.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { comparisonOf, evolveReplay, isChanged, type Replay, SimulationSums } from '../what-if/what-if.js';
import type { ClockedTicketState } from './clocked-ticket.js';
import { Life, pin } from '../testing/ticket-life.js';
import { contractRules, firedBy } from './rule-policies.js';

const opening = {
  client: 'northwind',
  kind: 'incident',
  summary: 'VPN drops',
  reporter: { id: 'joe' },
  channel: 'portal',
  impact: 'low',
  urgency: 'low',
  priority: 'low',
  tier: 'L1',
} as const;
const rule = (more: Partial<Rule> = {}): Rule => ({ name: 'vpn', on: 'TicketOpened', then: [{ do: 'note', text: 'VPN' }], ...more });
const opened = (actor = 'joe') =>
  ({
    id: 'e',
    stream: 'ticket-t',
    type: 'TicketOpened',
    data: { ...opening, contract: { version: 1, tzdata: '', terms: { ...defaultContract, rules: [rule()] } } },
    metadata: {
      actor: { id: actor, kind: 'agent' },
      effectiveAt: instantFrom(0),
      recordedAt: instantFrom(0),
      commandId: 'c',
      client: 'northwind',
    },
  }) as unknown as RecordedEvent<TicketEvents> & { readonly type: 'TicketOpened' };
const reactions = (...rules: readonly Rule[]) => {
  const state = { ...opening, contract: { version: 1, tzdata: '', terms: { ...defaultContract, rules } } } as unknown as ClockedTicketState;
  return contractRules.react.TicketOpened?.(opened(), state) ?? [];
};

describe('rules of a contract', () => {
  it.each<[Rule['if'], boolean]>([
    [undefined, true],
    [[{ field: 'channel', is: ['email', 'portal'] }], true],
    [[{ field: 'channel', is: ['email'] }], false],
    [[{ field: 'team', isNot: ['network'] }], true],
    [[{ field: 'priority', isNot: ['low'] }], false],
    [[{ field: 'summary', contains: ['vpn'] }], true],
    [[{ field: 'team', contains: [''] }], false],
    [
      [
        { field: 'channel', is: ['portal'] },
        { field: 'tier', is: ['L2'] },
      ],
      false,
    ],
  ])('fire when all of %j holds: %s', (conditions, fires) => {
    const one = rule(conditions === undefined ? {} : { if: conditions });
    expect(rulesThatFire([one], 'TicketOpened', opening)).toEqual(fires ? [one] : []);
    expect(rulesThatFire([one], 'TicketResolved', opening)).toEqual([]);
  });

  it('set fields, assign, note, open, ask a runner and link', () => {
    const done = reactions(
      rule({
        then: [
          { do: 'triage', category: 'network/vpn', urgency: 'high' },
          { do: 'assign', team: 'network', assignee: 'ada' },
          { do: 'note', text: 'VPN' },
          { do: 'open', summary: 'Look at the gateway', kind: 'service-request' },
          { do: 'ask', action: 'restart-vpn', attempts: 1 },
          { do: 'link', ticketId: 'p', relation: 'caused-by' },
        ],
      }),
    );
    const [, , , { id: child } = { id: '' }] = done;
    const effectiveAt = instantFrom(0);
    expect(done).toEqual([
      { category: 'ticket', id: 't', name: 'TriageTicket', body: { category: 'network/vpn', urgency: 'high', effectiveAt } },
      { category: 'ticket', id: 't', name: 'AssignTicket', body: { team: 'network', assignee: { id: 'ada' }, effectiveAt } },
      { category: 'ticket', id: 't', name: 'AddInternalNote', body: { text: 'VPN', effectiveAt } },
      {
        category: 'ticket',
        id: child,
        name: 'OpenTicket',
        body: expect.objectContaining({ client: 'northwind', summary: 'Look at the gateway', effectiveAt }),
      },
      { category: 'ticket', id: 't', name: 'LinkTicket', body: { ticketId: child, relation: 'relates-to', effectiveAt } },
      {
        category: 'automation',
        id: expect.any(String),
        name: 'AskRunner',
        body: { ticketId: 't', action: 'restart-vpn', attempts: 1, effectiveAt },
      },
      { category: 'ticket', id: 't', name: 'LinkTicket', body: { ticketId: 'p', relation: 'caused-by', effectiveAt } },
    ]);
  });

  it('are not triggered by actions of rules', () => {
    expect(contractRules.concerns?.(opened())).toBe(true);
    expect(contractRules.concerns?.(opened('policy:contract-rules'))).toBe(false);
    expect(Object.keys(contractRules.react)).toEqual([...RULE_TRIGGERS]);
  });

  it('fire on clocks of one kind and at one threshold, while the ticket is being worked on', () => {
    const nearly = rule({
      name: 'nearly',
      on: 'SlaThresholdReached',
      if: [
        { field: 'clock', is: ['resolution'] },
        { field: 'percent', is: ['75'] },
      ],
    });
    const late = rule({ name: 'late', on: 'SlaBreached', if: [{ field: 'priority', is: ['critical'] }] });
    const life = new Life(pin(1, { rules: [nearly, late, rule()] })).open();
    const fired = (minutes: number) =>
      life.tell(minutes).flatMap((event) => firedBy(event as never, life.state as never).map(({ name }) => name));
    expect([fired(15), fired(16), fired(179), fired(180), fired(200), fired(241)]).toEqual([[], ['late'], [], ['nearly'], [], ['late']]);
    const resolved = new Life(pin(1, { rules: [nearly, late] })).open();
    resolved.do(250, 'StartWork', { agent: { id: 'ada' } });
    resolved.do(251, 'ResolveTicket', { category: 'network', article: 'KB-1' });
    const told = resolved.tell(252);
    expect(told.map(({ type }) => type)).toContain('SlaBreached');
    expect(told.flatMap((event) => firedBy(event as never, resolved.state as never))).toEqual([]);
  });

  it('act on what a clock shows when it is noticed, not when it was', () => {
    const [effectiveAt, recordedAt] = [instantFrom(0), instantFrom(3_600_000)];
    const terms = { ...defaultContract, rules: [rule({ on: 'SlaBreached', then: [{ do: 'ask', action: 'page' }] })] };
    const state = { ...opening, work: { status: 'new' }, contract: { version: 1, tzdata: '', terms } } as unknown as ClockedTicketState;
    const breached = { ...opened(), type: 'SlaBreached', data: { clock: 'response', cycle: 1, terms: 1, target: 1 } } as never;
    const { metadata } = opened();
    const event = Object.assign({}, breached, { metadata: { ...metadata, effectiveAt, recordedAt } });
    expect(contractRules.react.SlaBreached?.(event, state)).toMatchObject([{ name: 'AskRunner', body: { effectiveAt: recordedAt } }]);
  });

  it.each<[unknown, string]>([
    [rule({ if: [{ field: 'clock', is: ['response'] }] }), 'terms.rules[0].if[0].field'],
    [rule({ on: 'SlaBreached', if: [{ field: 'percent', is: ['75'] }] }), 'terms.rules[0].if[0].field'],
    [rule({ on: 'SlaBreached', if: [{ field: 'clock', isNot: ['response', 'lunch'] }] }), 'terms.rules[0].if[0].isNot[1]'],
    [rule({ on: 'SlaThresholdReached', if: [{ field: 'percent', is: ['80'] }] }), 'terms.rules[0].if[0].is[0]'],
    [rule({ on: 'Something' as never }), 'terms.rules[0].on'],
    [rule({ if: [{ field: 'channel' }] }), 'terms.rules[0].if[0]'],
    [rule({ then: [{ do: 'assign', to: 'x' } as never] }), 'terms.rules[0].then[0].to'],
    [rule({ then: [] }), 'terms.rules[0].then'],
  ])('are refused with the field that is wrong', (wrong, field) => {
    const refused = contractTerms({ rules: [wrong] });
    expect(refused).toMatchObject({ refused: 'contract-invalid', faults: expect.arrayContaining([expect.objectContaining({ field })]) });
    expect(contractTerms({ rules: [rule(), rule()] })).toMatchObject({ faults: [{ field: 'terms.rules[1].name' }] });
  });

  it('are simulated on past events before they take effect: which tickets they would have affected', () => {
    const replayed = (rules: readonly Rule[], actor?: string): Replay => {
      const replay = evolveReplay({ ...defaultContract, rules }, null, opened(actor) as never);
      if (replay === null) throw new Error('no ticket');
      return replay;
    };
    const compared = (...args: Parameters<typeof replayed>) => comparisonOf('t', replayed(...args), instantFrom(1));
    const touched = compared([rule(), rule({ name: 'other', on: 'TicketResolved' })]);
    expect([touched.rules, isChanged(touched)]).toEqual([[{ rule: 'vpn', on: 'TicketOpened', at: instantFrom(0) }], true]);
    const untouched = compared([rule({ if: [{ field: 'channel', is: ['phone'] }] })]);
    expect([untouched.rules, isChanged(untouched)]).toEqual([[], false]);
    expect(compared([rule()], 'policy:contract-rules').rules).toEqual([]);
    const [nearly, late] = [rule({ name: 'nearly', on: 'SlaThresholdReached' }), rule({ name: 'late', on: 'SlaBreached' })];
    const onClocks = [{ field: 'clock', is: ['response'] }] as const;
    const response = [
      { ...nearly, if: [...onClocks, { field: 'percent', is: ['75'] }] },
      { ...late, if: onClocks },
    ] satisfies readonly Rule[];
    const asOf = instantFrom(defaultContract.targets.low.response + 2);
    expect(comparisonOf('t', replayed(response), asOf).rules).toEqual([
      { rule: 'nearly', on: 'SlaThresholdReached', at: instantFrom(defaultContract.targets.low.response * 0.75) },
      { rule: 'late', on: 'SlaBreached', at: instantFrom(defaultContract.targets.low.response) },
    ]);
    const sums = new SimulationSums();
    for (const one of [touched, touched, untouched]) sums.add(one);
    expect(sums.totals().rules).toEqual([{ rule: 'vpn', tickets: 2, fired: 2 }]);
  });
});
