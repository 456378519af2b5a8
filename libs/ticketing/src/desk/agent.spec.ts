import { type Instant, instantFrom } from '#eventsourcing';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { absenceAt, agent, nextAbsenceMoment } from './agent.js';

const at = (text: string): Instant => instantFrom(Date.parse(`${text}Z`));
const start = Date.parse('2026-11-21T08:00Z');
const given = scenariosOf(agent, { id: 'ada', actor: { id: 'lead', kind: 'agent' }, start, step: 0 });

const registered = ['RegisterAgent', { name: 'Ada', skills: ['Printing', ' italian', 'printing'] }] as const;
const leave = ['PlanAbsence', { from: '2026-12-24T00:00:00Z', until: '2027-01-07T00:00:00Z', reason: 'Leave', handBack: true }] as const;
const moments = (when: string): Sent<typeof agent> => ['RecordAbsenceMoments', {}, Date.parse(`${when}Z`) - start];

describe('an agent', () => {
  it('is registered with skills, whatever their case; repeating it changes nothing', () => {
    const { state } = given(registered, registered);
    expect(state).toEqual({ agent: 'ada', name: 'Ada', skills: ['italian', 'printing'], active: true, absences: [] });
    expect(given(registered, registered, ['RegisterAgent', { name: 'Ada' }]).told).toHaveLength(2);
  });

  it('must be registered first', () => {
    for (const [name, body] of [leave, ['EndAbsence', {}], ['OffboardAgent', {}]] as const)
      expect(given().when(name, body).refusal()).toMatchObject({ refused: 'agent-not-found' });
    expect(given(moments('2026-12-24T00:00')).told).toEqual([]);
  });

  it('leaves once, plans no absences then, and may come back', () => {
    const career = given(registered, leave, ['OffboardAgent', { reason: 'Retires' }], ['OffboardAgent', {}]);
    expect(career.told.map(({ type }) => type)).toEqual(['AgentRegistered', 'AgentAbsencePlanned', 'AgentLeft']);
    expect(career.state).toMatchObject({ active: false, absences: [] });
    expect(career.when(...leave).refusal()).toMatchObject({ refused: 'agent-left' });
    expect(career.and(registered).state).toMatchObject({ active: true });
  });
});

describe('an absence', () => {
  it('starts and ends when it is due, each recorded once, with its own time', () => {
    const planned = given(registered, leave, leave);
    expect(planned.state?.absences).toHaveLength(1);
    expect(planned.state && nextAbsenceMoment(planned.state)).toBe(at('2026-12-24T00:00'));
    const begun = planned.and(moments('2026-12-23T23:59'), moments('2026-12-24T00:01'), moments('2026-12-24T00:02'));
    expect(begun.state && nextAbsenceMoment(begun.state)).toBe(at('2027-01-07T00:00'));
    const over = begun.and(moments('2027-01-07T00:00'), moments('2027-01-08T00:00'));
    expect(over.told.slice(2)).toEqual([
      { type: 'AgentAbsenceBegun', at: at('2026-12-24T00:00') },
      { type: 'AgentAbsenceEnded', at: at('2027-01-07T00:00') },
    ]);
    expect(over.state && nextAbsenceMoment(over.state)).toBeUndefined();
  });

  it('that nobody looked at while it lasted has begun and ended', () => {
    const { told } = given(registered, leave, moments('2027-02-01T00:00'));
    expect(told.map(({ type }) => type).slice(2)).toEqual(['AgentAbsenceBegun', 'AgentAbsenceEnded']);
  });

  it('keeps away from its first instant up to its last', () => {
    const { state } = given(registered, leave);
    const away = (when: string) => state && absenceAt(state, at(when))?.reason;
    expect([away('2026-12-23T23:59:59.999'), away('2026-12-24T00:00'), away('2027-01-06T23:59:59.999'), away('2027-01-07T00:00')]).toEqual([
      undefined,
      'Leave',
      'Leave',
      undefined,
    ]);
  });

  it('that has begun begins at once, and lasts until it is ended unless it says so', () => {
    const career = given(registered, ['PlanAbsence', { reason: 'Ill' }]);
    expect(career.told.map(({ type }) => type)).toEqual(['AgentRegistered', 'AgentAbsencePlanned', 'AgentAbsenceBegun']);
    expect(career.state && absenceAt(career.state, at('2030-01-01T00:00'))).toMatchObject({ reason: 'Ill', handBack: false });
    const [{ id: absenceId } = { id: '' }] = career.state?.absences ?? [];
    const over = career.and(['EndAbsence', {}], ['EndAbsence', { absenceId }]);
    expect(over.told.at(-1)?.type).toBe('AgentAbsenceEnded');
    expect(over.told).toHaveLength(4);
    expect(over.when('EndAbsence', {}).refusal()).toMatchObject({ refused: 'absence-not-found' });
  });

  it('that is told late has begun when it did', () => {
    const { told } = given(registered, ['PlanAbsence', { from: '2026-11-20T09:00:00Z', reason: 'Ill' }]);
    expect(told.slice(1)).toEqual([
      { type: 'AgentAbsencePlanned', at: at('2026-11-21T08:00') },
      { type: 'AgentAbsenceBegun', at: at('2026-11-20T09:00') },
    ]);
  });

  it('that is to come is called off by its id', () => {
    const career = given(registered, leave);
    expect(career.when('EndAbsence', {}).refusal()).toMatchObject({ refused: 'absence-not-found' });
    const [{ id: absenceId } = { id: '' }] = career.state?.absences ?? [];
    expect(career.and(['EndAbsence', { absenceId }]).state?.absences).toEqual([]);
  });

  it('does not end before it begins, nor before it is told', () => {
    for (const times of [
      { from: '2026-12-24T00:00:00Z', until: '2026-12-24T00:00:00Z' },
      { from: '2026-11-01T00:00:00Z', until: '2026-11-21T08:00:00Z' },
    ]) {
      expect(
        given(registered)
          .when('PlanAbsence', { ...times, reason: 'Leave' })
          .refusal(),
      ).toMatchObject({
        refused: 'absence-invalid',
        faults: [{ field: 'until' }],
      });
    }
  });
});
