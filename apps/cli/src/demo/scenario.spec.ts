import { deterministicId, evolve, isRefusal, type Instant } from '#eventsourcing';
import { ticket, TIERS, type TicketState } from '#ticketing';
import { demoDay, lastWorkingDay } from './scenario.js';

/** Decides and folds the whole day with the domain itself. */
function play(day: string): { readonly tickets: Map<string, TicketState>; readonly eventTypes: Set<string>; readonly quiet: string[] } {
  const tickets = new Map<string, TicketState>();
  const eventTypes = new Set<string>();
  const quiet: string[] = [];
  const idOf = (story: string) => {
    if (!tickets.has(story)) throw new Error(`${story} is not open yet`);
    return deterministicId('demo-ticket', story);
  };
  for (const { story, name, body, by, at, idempotencyKey } of demoDay(day)) {
    const context = { commandId: idempotencyKey, actor: by, effectiveAt: at, recordedAt: at };
    const before = tickets.get(story) ?? null;
    const decision = ticket.commands[name].decide(body(idOf) as never, before, context);
    if (isRefusal(decision)) throw new Error(`${story} at ${at}, ${name}: ${JSON.stringify(decision)}`);
    if (decision.length === 0) quiet.push(`${story} ${name}`);
    for (const event of decision) eventTypes.add(event.type);
    tickets.set(
      story,
      decision.reduce((state, event) => evolve(ticket, state, event, context), before),
    );
  }
  return { tickets, eventTypes, quiet };
}

describe('the demo day', () => {
  it('is a day that the rules allow, and every command of it does something', () => {
    const { tickets, quiet } = play('2026-11-20');
    expect(quiet).toEqual([]);
    expect(tickets.size).toBeGreaterThanOrEqual(40);
  });

  it('leaves work at every tier, of several clients, in every state', () => {
    const states = [...play('2026-11-20').tickets.values()].filter((state) => state !== null);
    const unresolved = states.filter(({ work }) => !['resolved', 'closed', 'cancelled'].includes(work.status));
    expect(new Set(unresolved.map(({ tier }) => tier))).toEqual(new Set(TIERS));
    expect(new Set(states.map(({ client }) => client)).size).toBe(5);
    expect(new Set(states.map(({ work }) => work.status))).toEqual(
      new Set(['open', 'in-progress', 'escalated', 'on-hold', 'resolved', 'closed', 'cancelled']),
    );
  });

  it('shows every kind of event that a desk makes in a day', () => {
    const { eventTypes } = play('2026-11-20');
    for (const type of [
      'EscalationAccepted',
      'EscalationReturned',
      'TicketDeescalated',
      'TicketPutOnHold',
      'TicketReopened',
      'TicketResolvedWithRootCause',
      'TicketCancelled',
      'MajorIncidentDeclared',
      'ConsultationAnswered',
      'OnsiteVisitDone',
      'TouchTimeStopped',
      'SatisfactionRecorded',
      'TicketLinked',
      'TicketMergeRequested',
      'TicketSplit',
    ]) {
      expect(eventTypes).toContain(type);
    }
  });

  it('has the same keys for the same day, each once, and others for another day', () => {
    const keys = (day: string) => demoDay(day).map(({ idempotencyKey }) => idempotencyKey);
    expect(keys('2026-11-20')).toEqual(keys('2026-11-20'));
    expect(new Set([...keys('2026-11-20'), ...keys('2026-11-19')]).size).toBe(2 * keys('2026-11-20').length);
  });

  it('lies on the last working day', () => {
    expect(lastWorkingDay('2026-11-21T10:00:00.000Z' as Instant)).toBe('2026-11-20');
    expect(lastWorkingDay('2026-11-23T00:10:00.000Z' as Instant)).toBe('2026-11-20');
    expect(lastWorkingDay('2026-11-25T23:59:00.000Z' as Instant)).toBe('2026-11-24');
  });
});
