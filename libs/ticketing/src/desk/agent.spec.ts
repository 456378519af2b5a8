import { evolve, type Instant, instantFrom, isRefusal } from '#eventsourcing';
import { absenceAt, agent, type AgentCommands, type AgentState, nextAbsenceMoment } from './agent.js';

const at = (text: string): Instant => instantFrom(Date.parse(`${text}Z`));
type Sent = { [Name in keyof AgentCommands]: readonly [Name, AgentCommands[Name], string?] }[keyof AgentCommands];

class Career {
  state: AgentState = null;
  readonly told: { readonly type: string; readonly at: Instant }[] = [];
  #sent = 0;

  decide([name, body, when = '2026-11-21T08:00']: Sent) {
    const context = { commandId: `c${this.#sent++}`, id: 'ada', actor: { id: 'lead', kind: 'agent' as const }, effectiveAt: at(when) };
    return { context, decision: agent.commands[name].decide(body as never, this.state, context) };
  }

  do(...commands: readonly Sent[]): this {
    for (const sent of commands) {
      const { decision, context } = this.decide(sent);
      if (isRefusal(decision)) throw new Error(JSON.stringify(decision));
      for (const event of decision) {
        const effectiveAt = event.effectiveAt ?? context.effectiveAt;
        this.told.push({ type: event.type, at: effectiveAt });
        this.state = evolve(agent, this.state, event, {
          ...context,
          effectiveAt,
          recordedAt: context.effectiveAt,
        });
      }
    }
    return this;
  }
}

const registered: Sent = ['RegisterAgent', { name: 'Ada', skills: ['Printing', ' italian', 'printing'] }];
const leave: Sent = ['PlanAbsence', { from: '2026-12-24T00:00:00Z', until: '2027-01-07T00:00:00Z', reason: 'Leave', handBack: true }];
const moments = (when: string): Sent => ['RecordAbsenceMoments', {}, when];

describe('an agent', () => {
  it('is registered with skills, whatever their case; repeating it changes nothing', () => {
    const { state } = new Career().do(registered, registered);
    expect(state).toEqual({ agent: 'ada', name: 'Ada', skills: ['italian', 'printing'], active: true, absences: [] });
    expect(new Career().do(registered, registered, ['RegisterAgent', { name: 'Ada' }]).told).toHaveLength(2);
  });

  it('must be registered first', () => {
    for (const sent of [leave, ['EndAbsence', {}], ['OffboardAgent', {}]] as const)
      expect(new Career().decide(sent).decision).toMatchObject({ refused: 'agent-not-found' });
    expect(new Career().decide(moments('2026-12-24T00:00')).decision).toEqual([]);
  });

  it('leaves once, plans no absences then, and may come back', () => {
    const career = new Career().do(registered, leave, ['OffboardAgent', { reason: 'Retires' }], ['OffboardAgent', {}]);
    expect(career.told.map(({ type }) => type)).toEqual(['AgentRegistered', 'AgentAbsencePlanned', 'AgentLeft']);
    expect(career.state).toMatchObject({ active: false, absences: [] });
    expect(career.decide(leave).decision).toMatchObject({ refused: 'agent-left' });
    expect(career.do(registered).state).toMatchObject({ active: true });
  });
});

describe('an absence', () => {
  it('begins and ends when it is due, each told once, as of when it was', () => {
    const career = new Career().do(registered, leave, leave);
    expect(career.state?.absences).toHaveLength(1);
    expect(career.state && nextAbsenceMoment(career.state)).toBe(at('2026-12-24T00:00'));
    career.do(moments('2026-12-23T23:59'), moments('2026-12-24T00:01'), moments('2026-12-24T00:02'));
    expect(career.state && nextAbsenceMoment(career.state)).toBe(at('2027-01-07T00:00'));
    career.do(moments('2027-01-07T00:00'), moments('2027-01-08T00:00'));
    expect(career.told.slice(2)).toEqual([
      { type: 'AgentAbsenceBegun', at: at('2026-12-24T00:00') },
      { type: 'AgentAbsenceEnded', at: at('2027-01-07T00:00') },
    ]);
    expect(career.state && nextAbsenceMoment(career.state)).toBeUndefined();
  });

  it('that nobody looked at while it lasted has begun and ended', () => {
    const { told } = new Career().do(registered, leave, moments('2027-02-01T00:00'));
    expect(told.map(({ type }) => type).slice(2)).toEqual(['AgentAbsenceBegun', 'AgentAbsenceEnded']);
  });

  it('keeps away from its first instant up to its last', () => {
    const { state } = new Career().do(registered, leave);
    const away = (when: string) => state && absenceAt(state, at(when))?.reason;
    expect([away('2026-12-23T23:59:59.999'), away('2026-12-24T00:00'), away('2027-01-06T23:59:59.999'), away('2027-01-07T00:00')]).toEqual([
      undefined,
      'Leave',
      'Leave',
      undefined,
    ]);
  });

  it('that has begun begins at once, and lasts until it is ended unless it says so', () => {
    const career = new Career().do(registered, ['PlanAbsence', { reason: 'Ill' }]);
    expect(career.told.map(({ type }) => type)).toEqual(['AgentRegistered', 'AgentAbsencePlanned', 'AgentAbsenceBegun']);
    expect(career.state && absenceAt(career.state, at('2030-01-01T00:00'))).toMatchObject({ reason: 'Ill', handBack: false });
    const [{ id: absenceId } = { id: '' }] = career.state?.absences ?? [];
    career.do(['EndAbsence', {}], ['EndAbsence', { absenceId }]);
    expect(career.told.at(-1)?.type).toBe('AgentAbsenceEnded');
    expect(career.told).toHaveLength(4);
    expect(career.decide(['EndAbsence', {}]).decision).toMatchObject({ refused: 'absence-not-found' });
  });

  it('that is told late has begun when it did', () => {
    const { told } = new Career().do(registered, ['PlanAbsence', { from: '2026-11-20T09:00:00Z', reason: 'Ill' }]);
    expect(told.slice(1)).toEqual([
      { type: 'AgentAbsencePlanned', at: at('2026-11-21T08:00') },
      { type: 'AgentAbsenceBegun', at: at('2026-11-20T09:00') },
    ]);
  });

  it('that is to come is called off by its id', () => {
    const career = new Career().do(registered, leave);
    expect(career.decide(['EndAbsence', {}]).decision).toMatchObject({ refused: 'absence-not-found' });
    const [{ id: absenceId } = { id: '' }] = career.state?.absences ?? [];
    expect(career.do(['EndAbsence', { absenceId }]).state?.absences).toEqual([]);
  });

  it('does not end before it begins, nor before it is told', () => {
    for (const times of [
      { from: '2026-12-24T00:00:00Z', until: '2026-12-24T00:00:00Z' },
      { from: '2026-11-01T00:00:00Z', until: '2026-11-21T08:00:00Z' },
    ]) {
      expect(new Career().do(registered).decide(['PlanAbsence', { ...times, reason: 'Leave' }]).decision).toMatchObject({
        refused: 'absence-invalid',
        faults: [{ field: 'until' }],
      });
    }
  });
});
