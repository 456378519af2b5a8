import { instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { attention, type TurnTo } from './attention.js';

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

  it('is on several where the contracts of all of them allow it', () => {
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

  it('ends on a ticket when touch time there is stopped, once', () => {
    const turned = given(['TurnTo', to('a', 1)]);
    const away = { agent: 'ada', ticketId: 'a', at: at(3) };
    expect(turned.when('TurnAway', away).events()).toEqual([turnedAway('a', 3, 'stopped')]);
    expect(
      given(['TurnTo', to('a', 1)], ['TurnAway', away])
        .when('TurnAway', away)
        .events(),
    ).toEqual([]);
    expect(
      given(['TurnTo', to('a', 1)], ['TurnAway', away])
        .when('TurnTo', to('b', 4))
        .events(),
    ).toEqual([turnedTo('b', 4)]);
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

  it('counts no minute twice, in whatever order it comes to be known', () => {
    const minutes = fc.uniqueArray(fc.nat(100), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(minutes, fc.infiniteStream(fc.nat(1000)), (begun, keys) => {
        const order = begun.map((minute) => ({ minute, key: keys.next().value as number })).sort((a, b) => a.key - b.key);
        const ends = new Map<string, string>();
        order.forEach((_, index) => {
          const before = order.slice(0, index).map(({ minute }) => ['TurnTo', to(String(minute), minute)] as const);
          const { minute } = order[index] as (typeof order)[number];
          for (const { type, data } of given(...before)
            .when('TurnTo', to(String(minute), minute))
            .events())
            if (type === 'AgentTurnedAway') ends.set(data.ticketId, [data.at, ends.get(data.ticketId) ?? data.at].sort()[0] ?? '');
        });
        const spans = begun
          .flatMap((minute) => (ends.has(String(minute)) ? [[at(minute), ends.get(String(minute)) ?? ''] as const] : []))
          .sort();
        expect(spans).toHaveLength(begun.length - 1);
        const counted = spans.filter(([from, end]) => from !== end);
        for (const [index, [, end]] of counted.entries()) expect(end <= (counted[index + 1]?.[0] ?? at(Math.max(...begun)))).toBe(true);
      }),
    );
  });
});
