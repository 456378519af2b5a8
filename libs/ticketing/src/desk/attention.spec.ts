import { instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { attention, type TurnAway, type TurnTo } from './attention.js';

const at = (minute: number) => instantFrom(minute * 60_000);
const given = scenariosOf(attention, { id: 'ada', actor: { id: 'policy:x', kind: 'system' }, start: 0, step: 60_000 });
const to = (ticketId: string, minute: number, shared?: true): TurnTo => ({
  agent: 'ada',
  ticketId,
  since: at(minute),
  ...(shared && { shared }),
});
const turnedTo = (...told: Parameters<typeof to>) => ({ type: 'AgentTurnedTo', data: to(...told) });
const turnedAway = (ticketId: string, minute: number, because: string) => ({
  type: 'AgentTurnedAway',
  data: { agent: 'ada', ticketId, at: at(minute), because },
});
const stretch = (ticketId: string, from: number, until: number, shared?: true): TurnAway => ({
  agent: 'ada',
  ticketId,
  tier: 'L1',
  from: at(from),
  to: at(until),
  ...(shared && { shared }),
});
const stopped = (ticketId: string, from: number, until: number, seconds?: number) => ({
  type: 'AgentTurnedAway',
  data: {
    ...turnedAway(ticketId, until, 'stopped').data,
    stretch: { from: at(from), to: at(until) },
    ...(seconds !== undefined && { twice: { tier: 'L1', seconds } }),
  },
});

describe('the attention of an agent', () => {
  it('is on one ticket at a time: beginning on a second one ends the first', () => {
    expect(
      given(['TurnTo', to('a', 1)])
        .when('TurnTo', to('b', 5))
        .events(),
    ).toEqual([turnedAway('a', 5, 'other-ticket'), turnedTo('b', 5)]);
    expect(
      given(['TurnTo', to('a', 1)])
        .when('TurnTo', to('a', 5))
        .events(),
    ).toEqual([]);
  });

  it('ends on what was begun first, also when that is told last', () => {
    expect(
      given(['TurnTo', to('b', 5)])
        .when('TurnTo', to('a', 1))
        .events(),
    ).toEqual([turnedTo('a', 1), turnedAway('a', 5, 'other-ticket')]);
  });

  it('stays on a ticket of which an earlier stretch is told late', () => {
    const stays = given(['TurnTo', to('a', 30)], ['TurnTo', to('a', 10)], ['TurnAway', stretch('a', 10, 30)]);
    expect(stays.when('TurnTo', to('b', 40)).events()).toEqual([turnedAway('a', 40, 'other-ticket'), turnedTo('b', 40)]);
    expect(
      given(['TurnTo', to('a', 30)], ['TurnAway', stretch('a', 30, 35)])
        .when('TurnTo', to('b', 40))
        .events(),
    ).toEqual([turnedTo('b', 40)]);
  });

  it('can be on several tickets if all their contracts allow it', () => {
    expect(
      given(['TurnTo', to('a', 1, true)])
        .when('TurnTo', to('b', 5, true))
        .events(),
    ).toEqual([turnedTo('b', 5, true)]);
    expect(
      given(['TurnTo', to('a', 1, true)])
        .when('TurnTo', to('b', 5))
        .events(),
    ).toHaveLength(2);
    expect(
      given(['TurnTo', to('a', 1)])
        .when('TurnTo', to('b', 5, true))
        .events(),
    ).toHaveLength(2);
  });

  it('ends on a ticket when touch time there is stopped', () => {
    const turned = given(['TurnTo', to('a', 1)]);
    expect(turned.when('TurnAway', stretch('a', 1, 3)).events()).toEqual([stopped('a', 1, 3)]);
    expect(
      given(['TurnTo', to('a', 1)], ['TurnAway', stretch('a', 1, 3)])
        .when('TurnTo', to('b', 4))
        .events(),
    ).toEqual([turnedTo('b', 4)]);
    // Started and stopped at once after another one has ended it: nothing to count.
    expect(
      given()
        .when('TurnAway', stretch('a', 1, 1))
        .events(),
    ).toEqual([]);
  });

  it('says what was counted before, on whatever ticket', () => {
    const before = given(['TurnAway', stretch('a', 10, 20)], ['TurnAway', stretch('b', 30, 40)], ['TurnAway', stretch('b', 35, 38)]);
    const told = (from: number, to: number, shared?: true) => before.when('TurnAway', stretch('c', from, to, shared)).events();
    expect(told(20, 30)).toEqual([stopped('c', 20, 30)]);
    expect(told(12, 15)).toEqual([stopped('c', 12, 15, 180)]);
    expect(told(5, 60)).toEqual([stopped('c', 5, 60, 1200)]);
    expect(told(15, 36, true)).toMatchObject([{ data: { twice: { seconds: 660 } } }]);
    const shared = given(['TurnAway', stretch('a', 10, 20, true)]);
    expect(
      shared
        .when('TurnAway', stretch('c', 12, 15, true))
        .events()
        .map(({ data }) => data),
    ).toEqual([{ ...stopped('c', 12, 15).data, stretch: { from: at(12), to: at(15), shared: true } }]);
    expect(shared.when('TurnAway', stretch('c', 12, 15)).events()).toEqual([stopped('c', 12, 15, 180)]);
  });

  it('counts what comes after a stretch that turned out to have ended before', () => {
    const shorter = given(
      ['TurnAway', stretch('b', 10, 30)],
      ['TurnAway', stretch('a', 10, 30)],
      ['EndEarlier', { agent: 'ada', ticketId: 'b', from: at(10), to: at(15) }],
      ['EndEarlier', { agent: 'ada', ticketId: 'a', from: at(10), to: at(20) }],
    );
    expect(shorter.state?.counted).toEqual([
      { ticketId: 'b', from: at(10), to: at(15) },
      { ticketId: 'a', from: at(10), to: at(20) },
    ]);
    expect(shorter.when('TurnAway', stretch('c', 15, 40)).events()).toEqual([stopped('c', 15, 40, 300)]);
    expect(shorter.when('EndEarlier', { agent: 'ada', ticketId: 'a', from: at(10), to: at(25) }).events()).toEqual([]);
  });

  it.each(['left', 'absent'] as const)('ends on everything when the agent is away: %s', (because) => {
    const away = { agent: 'ada', at: at(3), because };
    const went = { type: 'AgentWentAway', data: away };
    expect(
      given(['TurnTo', to('a', 1, true)], ['TurnTo', to('b', 2, true)])
        .when('GoAway', away)
        .events(),
    ).toEqual([turnedAway('a', 3, because), turnedAway('b', 3, because), went]);
    // What was begun before comes to be known afterwards; what is begun later, when the agent is back, goes on.
    expect(given(['GoAway', away]).when('TurnTo', to('a', 1)).events()).toEqual([turnedTo('a', 1), turnedAway('a', 3, because)]);
    expect(given(['GoAway', away]).when('TurnTo', to('a', 4)).events()).toEqual([turnedTo('a', 4)]);
    // An absence that is told late ends what has begun since as it began.
    expect(
      given(['TurnTo', to('a', 5)])
        .when('GoAway', away)
        .events()[0],
    ).toEqual(turnedAway('a', 5, because));
  });

  it('counts each minute once, in whatever order stretches come to be known', () => {
    const span = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 30 }));
    fc.assert(
      fc.property(fc.array(span, { maxLength: 8 }), (spans) => {
        let counted = 0;
        spans.forEach(([from, minutes], index) => {
          const before = spans.slice(0, index).map(([start, length]) => ['TurnAway', stretch('a', start, start + length)] as const);
          for (const { data } of given(...before)
            .when('TurnAway', stretch('b', from, from + minutes))
            .events())
            counted += minutes * 60 - ('twice' in data ? (data.twice?.seconds ?? 0) : 0);
        });
        const worked = new Set(spans.flatMap(([from, minutes]) => Array.from({ length: minutes }, (_, minute) => from + minute)));
        expect(counted).toBe(worked.size * 60);
      }),
    );
  });
});
