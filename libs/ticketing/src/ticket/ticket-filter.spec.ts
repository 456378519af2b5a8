import { type CommandsOf, type DecisionContext, evolve, type Instant, isRefusal } from '#eventsourcing';
import { ticketFilter, type TicketFilterState } from './ticket-filter.js';

type Commands = CommandsOf<typeof ticketFilter>;
type Sent = { [Name in keyof Commands]: readonly [Name, Commands[Name], string?] }[keyof Commands];

const context = (actor = 'lead'): DecisionContext & { recordedAt: Instant } => ({
  commandId: 'c',
  id: 'mine',
  actor: { id: actor, kind: 'agent' },
  effectiveAt: '2026-11-21T08:00:00.000Z' as Instant,
  recordedAt: '2026-11-21T08:00:00.000Z' as Instant,
});
const decide = ([name, body]: Sent, state: TicketFilterState) => ticketFilter.commands[name].decide(body as never, state, context());

function after(...commands: readonly Sent[]): TicketFilterState {
  return commands.reduce<TicketFilterState>((state, command) => {
    const decision = decide(command, state);
    if (isRefusal(decision)) throw new Error(JSON.stringify(decision));
    return decision.reduce<TicketFilterState>((folded, event) => evolve(ticketFilter, folded, event, context(command[2])), state);
  }, null);
}
const save = (query: Record<string, string>, actor?: string, description?: string) =>
  ['SaveTicketFilter', { query, ...(description === undefined ? {} : { description }) }, actor] as const;
const remove = ['DeleteTicketFilter', {}] as const;

describe('a saved filter', () => {
  it('is saved, and saved anew: it stays that of whoever made it, and says who changed it', () => {
    expect(after(save({ tier: 'L1' }, 'ada', 'for L1'), save({ tier: 'L2' }, 'grace'))).toEqual({
      name: 'mine',
      query: { tier: 'L2' },
      owner: { id: 'ada', kind: 'agent' },
      savedBy: { id: 'grace', kind: 'agent' },
      savedAt: '2026-11-21T08:00:00.000Z',
    });
    expect(decide(save({ tier: 'L1' }), after(save({ tier: 'L1' }, 'ada', 'for L1')))).toEqual([
      { type: 'TicketFilterSaved', data: { name: 'mine', query: { tier: 'L1' } } },
    ]);
  });

  it('stays quiet about what is saved, and what is deleted, already', () => {
    expect(decide(save({ tier: 'L1', sort: 'priority' }), after(save({ sort: 'priority', tier: 'L1' })))).toEqual([]);
    expect(decide(remove, after(save({}), remove))).toEqual([]);
  });

  it('refuses to delete what never was', () => {
    expect(decide(remove, null)).toMatchObject({ refused: 'filter-not-found' });
  });

  it('is somebody else’s when it is made again after it was deleted', () => {
    expect(after(save({}, 'ada'), remove, save({}, 'grace'))).toMatchObject({ owner: { id: 'grace' } });
  });
});
