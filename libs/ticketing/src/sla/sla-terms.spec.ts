import fc from 'fast-check';
import { defaultContract, HOUR, MINUTE } from '../contract/contract.js';
import { nextMomentAt } from './sla-terms.js';
import { at, forClient, Life, pin, start, type Told } from '../testing/ticket-life.js';

const inWords = (told: readonly Told[]) =>
  told.map(({ type, at: when, data }) => {
    const { clock, percent } = data as { clock: string; percent?: number };
    return `${(Date.parse(when) - start) / MINUTE} ${clock} ${type === 'SlaBreached' ? 'breached' : `${percent} %`}`;
  });

describe('RecordSlaMoments', () => {
  it('tells what has come up, in order, with when it happened, and once', () => {
    const life = new Life(forClient).open();
    expect(nextMomentAt(life.sla)).toBe(at(7.5));
    expect(life.tell(7)).toEqual([]);
    expect(inWords(life.tell(14))).toEqual(['7.5 response 50 %', '11.25 response 75 %', '13.5 response 90 %']);
    expect(life.tell(14)).toEqual([]);
    expect(nextMomentAt(life.sla)).toBe(at(15));
    expect(inWords(life.tell(130))).toEqual(['15 response breached', '120 resolution 50 %']);
    expect(life.events.at(-1)).toMatchObject({
      type: 'SlaThresholdReached',
      data: { clock: 'resolution', cycle: 1, terms: 1, percent: 50, target: 4 * HOUR },
    });
  });

  it('an escalation that is due during downtime is not skipped: what a clock showed before it ended is told afterwards, in order', () => {
    const life = new Life(forClient).open();
    life.do(200, 'StartWork', {});
    life.do(300, 'ResolveTicket', { category: 'c', article: 'KB-1' });
    expect(inWords(life.tell(10_000))).toEqual([
      '7.5 response 50 %',
      '11.25 response 75 %',
      '13.5 response 90 %',
      '15 response breached',
      '120 resolution 50 %',
      '180 resolution 75 %',
      '216 resolution 90 %',
      '240 resolution breached',
    ]);
    expect(nextMomentAt(life.sla)).toBeUndefined();
  });

  it('has nothing to tell of what an imported history had shown when it became known', () => {
    const life = new Life(forClient, true).open();
    expect(inWords(life.tell(14))).toEqual(['7.5 response 50 %', '11.25 response 75 %', '13.5 response 90 %']);
    const late = new Life(forClient, true);
    late.do(0, 'OpenTicket', {
      client: 'n',
      kind: 'incident',
      summary: 's',
      reporter: { id: 'j' },
      channel: 'phone',
      impact: 'high',
      urgency: 'critical',
    });
    expect(nextMomentAt({ ...late.sla, quietUntil: at(12) })).toBe(at(13.5));
  });

  it('has the terms at the instant of each moment, even if it is recorded after they have changed', () => {
    const life = new Life(forClient).open('critical');
    life.do(150, 'TriageTicket', { category: 'c', impact: 'low', urgency: 'high' });
    const told = life.tell(3000).filter(({ data }) => (data as { clock: string }).clock === 'resolution');
    const targets = told.map(({ at: when, data }) => [when, (data as { target: number }).target / HOUR]);
    expect(targets[0]).toEqual([at(120), 4]);
    expect(targets.slice(1).every(([, target]) => target === 24)).toBe(true);
    expect(targets.length).toBeGreaterThan(2);
  });

  it('tells before a cancellation, and nothing after it', () => {
    const life = new Life(forClient).open();
    expect(life.do(20, 'CancelTicket', { reason: 'duplicate' }).map(({ type }) => type)).toEqual([
      'SlaThresholdReached',
      'SlaThresholdReached',
      'SlaThresholdReached',
      'SlaBreached',
      'TicketCancelled',
    ]);
    expect(life.tell(1000)).toEqual([]);
    expect(nextMomentAt(life.sla)).toBeUndefined();
  });

  it('comes to the same whenever and however often the timekeeper looks', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 20 }), (looks) => {
        const often = new Life(forClient).open();
        for (const minutes of [...looks].sort((one, other) => one - other)) often.tell(minutes);
        often.tell(500);
        const once = new Life(forClient).open();
        once.tell(500);
        expect(often.events).toEqual(once.events);
      }),
      { numRuns: 50 },
    );
  });
});

describe('RebaseSlaTerms', () => {
  const shorter = pin(2, { targets: { ...defaultContract.targets, critical: { response: 15 * MINUTE, resolution: 2 * HOUR } } });

  it('carries over what is used up: three hours begun at ten, made two at eleven, are due at twelve', () => {
    const three = pin(1, { targets: { ...defaultContract.targets, critical: { response: HOUR, resolution: 3 * HOUR } } });
    const life = new Life(three).open();
    const [event] = life.do(60, 'RebaseSlaTerms', { contract: shorter, effectiveFrom: at(60) });
    expect(event).toMatchObject({
      type: 'SlaTermsRebased',
      data: {
        contract: { version: 2 },
        clocks: [
          { clock: 'response', oldDue: at(60), newDue: expect.any(String) },
          { clock: 'resolution', oldDue: at(180), newDue: at(120) },
        ],
      },
    });
    expect(life.state?.contract).toEqual(shorter);
    expect(life.sla.clocks.find(({ kind }) => kind === 'resolution')).toMatchObject({ terms: 2, dueAt: at(120), elapsed: HOUR });
  });

  it('takes effect when the terms begin, but not before what has happened since', () => {
    const life = new Life(forClient).open();
    life.do(30, 'StartWork', {});
    life.do(90, 'RebaseSlaTerms', { contract: shorter, effectiveFrom: at(10) });
    expect(life.events.at(-1)).toMatchObject({ type: 'SlaTermsRebased', at: at(30) });
  });

  it('runs on in another calendar from then on, and keeps what the old one counted', () => {
    const office = pin(2, {
      calendar: { zone: 'UTC', week: { monday: [{ from: '00:00', to: '09:00' }], tuesday: [{ from: '00:00', to: '24:00' }] } },
    });
    const life = new Life(forClient).open();
    life.do(30, 'RebaseSlaTerms', { contract: office, effectiveFrom: at(30) });
    // Monday 8:30: half an hour is used up, half an hour is open until nine, three hours are left for Tuesday.
    expect(life.sla.clocks.find(({ kind }) => kind === 'resolution')?.dueAt).toBe('2026-11-24T03:00:00.000Z');
  });

  it('a repair does not destroy what was known: a breach stays, and the verdict on an ended clock', () => {
    const longer = pin(2, { targets: { ...defaultContract.targets, critical: { response: 2 * HOUR, resolution: 100 * HOUR } } });
    const life = new Life(forClient).open();
    life.do(20, 'StartWork', {});
    const verdict = life.sla.clocks.find(({ kind }) => kind === 'response');
    expect(verdict?.state).toBe('breached');
    life.do(300, 'RebaseSlaTerms', { contract: longer, effectiveFrom: at(300) });
    expect(life.sla.clocks.find(({ kind }) => kind === 'response')).toEqual(verdict);
    expect(life.sla.clocks.find(({ kind }) => kind === 'resolution')).toMatchObject({ breachedAt: at(240), target: 100 * HOUR });
  });

  it('pauses what the new terms pause, and runs what they no longer do', () => {
    const life = new Life(forClient).open();
    life.do(20, 'StartWork', {});
    life.do(60, 'PutOnHold', { reason: 'vendor', note: 'n' });
    const resolution = () => life.sla.clocks.find(({ kind }) => kind === 'resolution');
    expect(resolution()?.state).toBe('running');
    life.do(90, 'RebaseSlaTerms', { contract: pin(1, { pausedBy: ['vendor'] }), effectiveFrom: at(90) });
    expect(resolution()).toMatchObject({ state: 'paused', elapsed: 90 * MINUTE });
    life.do(120, 'RebaseSlaTerms', { contract: pin(2, { pausedBy: [] }), effectiveFrom: at(120) });
    expect(resolution()).toMatchObject({ state: 'running', dueAt: at(120 + 240 - 90) });
  });

  it('stays quiet for terms that it has, older ones, and tickets that are done with', () => {
    const life = new Life(shorter).open();
    expect(life.do(1, 'RebaseSlaTerms', { contract: shorter, effectiveFrom: at(0) })).toEqual([]);
    expect(life.do(1, 'RebaseSlaTerms', { contract: pin(1, {}), effectiveFrom: at(0) })).toEqual([]);
    life.do(2, 'CancelTicket', { reason: 'r' });
    expect(life.do(3, 'RebaseSlaTerms', { contract: pin(3, {}), effectiveFrom: at(0) })).toEqual([]);
  });
});

describe('a ticket', () => {
  it('has a category of its contract, or one below it', () => {
    const life = new Life(pin(1, { categories: ['hardware', 'network/vpn'] })).open();
    life.do(1, 'TriageTicket', { category: 'hardware/printer' });
    life.do(2, 'TriageTicket', { category: 'network/vpn' });
    for (const category of ['network', 'hardwares', 'software'])
      expect(() => life.do(3, 'TriageTicket', { category })).toThrow('category-not-in-contract');
  });

  it('has a service of its contract, and a component of that service', () => {
    const services = { printing: ['spooler', 'printer-FIN-2'], mail: ['imap'], constructor: [] };
    const life = new Life(pin(1, { services }));
    expect(() => life.open('low', { service: 'telephony' })).toThrow('configuration-item-not-in-contract');
    expect(() => life.open('low', { service: 'printing', component: 'imap' })).toThrow('configuration-item-not-in-contract');
    expect(() => life.open('low', { component: 'router' })).toThrow('configuration-item-not-in-contract');
    life.open('low', { service: 'printing', component: 'spooler' });
    const triage = (minutes: number, about: object) => life.do(minutes, 'TriageTicket', { category: 'c', ...about });
    // Of the service that it is about, unless another one is named.
    triage(1, { component: 'printer-FIN-2' });
    expect(life.state).toMatchObject({ service: 'printing', component: 'printer-FIN-2' });
    for (const about of [{ component: 'imap' }, { service: 'toString' }, { service: 'mail', component: 'spooler' }])
      expect(() => triage(2, about)).toThrow('configuration-item-not-in-contract');
    expect(() => life.do(2, 'SplitTicket', { summary: 's', service: 'telephony', reason: 'r' })).toThrow(
      'configuration-item-not-in-contract',
    );
    // A component of the service before is none of the one that it is about now.
    triage(3, { service: 'mail' });
    expect(life.state).toMatchObject({ service: 'mail' });
    expect(life.state).not.toHaveProperty('component');
    expect(triage(4, {})).toEqual([]);
    triage(5, { service: 'mail', component: 'imap' });
    expect(life.state).toMatchObject({ service: 'mail', component: 'imap' });
  });

  it('keeps what it is about when other terms come into force, and is triaged all the same', () => {
    const life = new Life(pin(1, {})).open('low', { service: 'telephony', component: 'pbx' });
    life.do(1, 'RebaseSlaTerms', { contract: pin(2, { services: { mail: [] } }), effectiveFrom: at(0) });
    life.do(2, 'TriageTicket', { category: 'c' });
    expect(life.state).toMatchObject({ service: 'telephony', component: 'pbx' });
    expect(() => life.do(3, 'TriageTicket', { category: 'c', service: 'telephony' })).toThrow('configuration-item-not-in-contract');
  });

  it('is handed up with what its contract asks for', () => {
    const life = new Life(pin(1, { handOffs: { L2: ['environment'] } })).open();
    expect(() => life.do(1, 'EscalateToTier', { tier: 'L2', reason: 'r', handoff: { summary: 's' } })).toThrow('handoff.environment');
    life.do(1, 'EscalateToTier', { tier: 'L2', reason: 'r', handoff: { environment: 'e' } });
    expect(life.state?.tier).toBe('L2');
  });

  it('goes by the contract that it was opened under', () => {
    const life = new Life(
      pin(4, {
        tiers: ['L1', 'L3'],
        reopenWindow: HOUR,
        priorities: { ...defaultContract.priorities, high: { ...defaultContract.priorities.high, critical: 'low' } },
      }),
    ).open();
    expect(life.state).toMatchObject({ priority: 'low', contract: { version: 4 } });
    expect(() => life.do(1, 'EscalateToTier', { tier: 'L2', reason: 'r' })).toThrow('tier-not-in-contract');
  });
});
