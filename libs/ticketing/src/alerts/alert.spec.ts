import fc from 'fast-check';
import { type Instant, instantFrom, isRefusal } from '#eventsourcing';
import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { HOUR, MINUTE } from '../contract/contract.js';
import { type AlertFacts, alert, type AlertState, type RecordAlerts } from './alert.js';
import type { DeliveredAlert } from './alert-deliveries.js';
import { type Maintenance } from './maintenance.js';

const id = '00000000-0000-4000-8000-0000000000c1';
const given = scenariosOf(alert, { id, actor: { id: 'monitoring', kind: 'system' }, start: 0, step: MINUTE });
const minute = (minutes: number): Instant => instantFrom(minutes * MINUTE);
const opening = {
  client: 'northwind',
  kind: 'incident',
  summary: 'Disk full',
  reporter: { id: 'alert-source:prometheus' },
  channel: 'monitoring',
  impact: 'medium',
  urgency: 'high',
  service: 'files',
} as const;
const FLAPPING = { firings: 2, within: HOUR };

interface Options extends Partial<Pick<RecordAlerts, 'onResolve' | 'truncatedAlerts'>> {
  readonly flapping?: typeof FLAPPING;
}

const delivery = (alerts: readonly Omit<DeliveredAlert, 'opening'>[], { flapping, ...more }: Options = {}) =>
  [
    'RecordAlerts',
    {
      client: 'northwind',
      source: 'prometheus',
      key: 'a',
      truncatedAlerts: 0,
      onResolve: 'resolve',
      ...more,
      alerts: alerts.map((one) => ({ ...one, opening, ...(flapping && { flapping }) })),
    },
  ] as const;
const firing = (since: number, fingerprint = 'a') => ({ fingerprint, status: 'firing', startsAt: minute(since) }) as const;
const resolved = (since: number, until: number, fingerprint = 'a') =>
  ({ fingerprint, status: 'resolved', startsAt: minute(since), endsAt: minute(until) }) as const;
const fires = (since: number, options?: Options) => delivery([firing(since)], options);
const ends = (since: number, until: number, options?: Options) => delivery([resolved(since, until)], options);
const over: AlertFacts = { maintenance: null, ticketIsOver: true };

describe('an alert', () => {
  it('opens a ticket once, whatever is delivered again', () => {
    const [noted, opened, ...more] = given()
      .when(...fires(1))
      .events();
    expect(noted).toMatchObject({ type: 'AlertNoted', data: { alertId: id, client: 'northwind', source: 'prometheus', key: 'a' } });
    expect(opened).toMatchObject({ type: 'AlertOpened', data: { fact: firing(1), opening, ticketId: expect.any(String) } });
    expect(more).toEqual([]);
    expect(given(fires(1)).state).toMatchObject({ firing: true, summary: 'Disk full', decision: 'opened' });
    expect(
      given(fires(1))
        .when(...fires(1))
        .events(),
    ).toEqual([]);
  });

  it('resolves its ticket, or adds a note, and opens another one when it fires again', () => {
    const { ticketId } = given(fires(1)).state ?? {};
    const fact = resolved(1, 5);
    const end = (onResolve: 'resolve' | 'note') =>
      given(fires(1))
        .when(...ends(1, 5, { onResolve }))
        .events();
    expect(end('resolve')).toEqual([{ type: 'AlertResolved', data: { fact, ticketId, resolves: true } }]);
    expect(end('note')).toEqual([{ type: 'AlertResolved', data: { fact, ticketId, resolves: false } }]);
    const again = (onResolve: 'resolve' | 'note', facts?: AlertFacts) =>
      given(fires(1), ends(1, 5, { onResolve }))
        .when(...fires(7), undefined, facts)
        .events();
    expect(again('resolve')).toMatchObject([{ type: 'AlertOpened' }]);
    expect(again('note')).toEqual([{ type: 'AlertDeduplicated', data: { fact: firing(7), ticketId } }]);
    expect(again('note', over)).toMatchObject([{ type: 'AlertOpened' }]);
  });

  it.each([
    ['older than what is known', [fires(5)], fires(1), 'older'],
    ['resolved without having fired', [], ends(1, 5), 'had-not-fired'],
    ['resolved later than it was', [fires(1), ends(1, 5)], ends(1, 6), 'resolved-already'],
  ] as const)('that is %s is ignored, and a repetition has no effect', (_, before, told, because) => {
    const events = given(...before)
      .when(...told)
      .events();
    expect(events.filter(({ type }) => type !== 'AlertNoted')).toMatchObject([{ type: 'AlertIgnored', data: { because } }]);
    expect(
      given(...before, told)
        .when(...told)
        .events(),
    ).toEqual([]);
  });

  it('that is resolved before it is told to fire opens nothing', () => {
    expect(
      given(ends(1, 5))
        .when(...fires(1))
        .events(),
    ).toEqual([]);
  });

  it('is silenced while its service is in maintenance, and opens a ticket if it still fires afterwards', () => {
    const window = { window: 'w', title: 'Move', from: minute(0), until: minute(60), plannedBy: { id: 'ada', kind: 'agent' } } as const;
    const planned = (services?: readonly string[]): AlertFacts => ({
      maintenance: { client: 'northwind', windows: [{ ...window, ...(services && { services }) }] } as Maintenance,
      ticketIsOver: false,
    });
    const first = (at: number, facts: AlertFacts) =>
      given()
        .when(...fires(1), at * MINUTE, facts)
        .events()
        .at(-1);
    expect(first(2, planned())).toMatchObject({ type: 'AlertSilenced', data: { window: 'w', until: minute(60) } });
    expect(first(2, planned(['files']))?.type).toBe('AlertSilenced');
    expect(first(2, planned(['mail']))?.type).toBe('AlertOpened');
    expect(first(60, planned())?.type).toBe('AlertOpened');

    const told = new Telling();
    told.tell(fires(1), 2, planned());
    expect([told.tell(fires(1), 30, planned()), told.state?.heldBackBy]).toEqual([[], 'maintenance']);
    expect(told.tell(fires(1), 61, planned())).toEqual(['AlertOpened']);
    expect(told.state).not.toHaveProperty('heldBackBy');
  });

  it('that flaps neither opens nor resolves, until it has calmed down', () => {
    const told = new Telling();
    const options = { flapping: FLAPPING };
    const course = [fires(1, options), ends(1, 2, options), fires(3, options), ends(3, 4, options), fires(5, options), ends(5, 6, options)];
    expect(course.map((one, index) => told.tell(one, index + 1)).flat()).toEqual([
      'AlertNoted',
      'AlertOpened',
      'AlertResolved',
      'AlertOpened',
      'AlertResolved',
      'AlertDamped',
      'AlertDamped',
    ]);
    expect(told.tell(fires(90, options), 90)).toEqual(['AlertOpened']);
  });

  it('that still fires once it flaps no more gets its ticket', () => {
    const told = new Telling();
    const options = { flapping: FLAPPING };
    for (const since of [1, 3, 5]) told.tell(delivery([firing(since)], options), since + 0.5, since === 5 ? over : undefined);
    expect(told.state).toMatchObject({ firing: true, heldBackBy: 'flapping' });
    expect(told.tell(fires(5, options), 30)).toEqual([]);
    expect(told.tell(fires(5, options), 70, over)).toEqual(['AlertOpened']);
  });

  it('of a group has one ticket, which ends with the last of them', () => {
    const group = delivery([firing(1, 'a'), firing(2, 'b')]);
    const types = (events: readonly { readonly type: string }[]) => events.map(({ type }) => type);
    expect(
      types(
        given()
          .when(...group)
          .events(),
      ),
    ).toEqual(['AlertNoted', 'AlertOpened', 'AlertDeduplicated']);
    const [one, other] = [delivery([resolved(1, 5, 'a')]), delivery([resolved(2, 6, 'b')])];
    expect(
      given(group)
        .when(...one)
        .events(),
    ).toMatchObject([{ type: 'AlertIgnored', data: { because: 'others-fire' } }]);
    expect(
      types(
        given(group, one)
          .when(...other)
          .events(),
      ),
    ).toEqual(['AlertResolved']);
  });

  it('reports how many alerts its source omitted', () => {
    const some = { truncatedAlerts: 3 };
    expect(
      given(fires(1))
        .when(...fires(1, some))
        .events(),
    ).toEqual([{ type: 'AlertsTruncated', data: some }]);
    expect(
      given(fires(1, some))
        .when(...fires(1, some))
        .events(),
    ).toEqual([]);
  });

  it('whose ticket could not be opened tries again with the next delivery', () => {
    const { ticketId = '' } = given(fires(1)).state ?? {};
    const refused = ['RecordAlertTicketRefused', { ticketId, code: 'event-too-large', message: 'Too large' }] as const;
    const after = given(fires(1), refused);
    expect(after.state).toMatchObject({ firing: true, heldBackBy: 'refused' });
    expect(after.when(...fires(1)).events()).toMatchObject([{ type: 'AlertOpened' }]);
    expect(after.when(...refused).events()).toEqual([]);
    const opened = {} as NonNullable<Parameters<ReturnType<typeof given>['when']>[3]>;
    expect(
      given(fires(1))
        .when(...refused, undefined, opened as never)
        .events(),
    ).toEqual([]);
  });

  it('ends in the same state in whatever order, and however often, deliveries come', () => {
    const fact = fc
      .tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 6 }), fc.boolean(), fc.integer({ min: 0, max: 3 }))
      .map(([fingerprint, since, fires, lasts]) =>
        fires ? firing(since * 10, fingerprint) : resolved(since * 10, since * 10 + lasts, fingerprint),
      );
    const deliveries = fc.array(fc.array(fact, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 });
    const shuffled = deliveries.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2, maxLength: all.length * 2 })),
    );
    fc.assert(
      fc.property(shuffled, ([inOrder, again]) => {
        const tellAll = (all: typeof inOrder) => {
          const told = new Telling();
          all.forEach((alerts, index) => told.tell(delivery(alerts), 100 + index));
          return told;
        };
        const [one, other] = [tellAll(inOrder), tellAll(again)];
        const known = ({ state }: Telling) => [state?.firing, state?.occurrences, state?.ticketId !== undefined];
        expect(known(other)).toEqual(known(one));
        expect(one.state?.ticketId !== undefined).toBe(one.state?.firing);
        for (const alerts of again) expect(one.tell(delivery(alerts), 1000)).toEqual([]);
      }),
    );
  });
});

/** Tells an alert what is delivered, with what is known outside it then. */
class Telling {
  state: AlertState = null;
  #told = 0;

  /** @returns the types of what it led to */
  tell([name, command]: ReturnType<typeof delivery>, at: number, facts?: AlertFacts): readonly string[] {
    const instant = minute(at);
    const context = {
      id,
      actor: { id: 'monitoring', kind: 'system' },
      commandId: `told-${this.#told++}`,
      effectiveAt: instant,
      recordedAt: instant,
    } as const;
    const decision = alert.commands[name].decide(command, this.state, context, facts);
    if (isRefusal(decision)) throw new Error(JSON.stringify(decision));
    for (const { type, data } of decision) this.state = alert.events[type].evolve(this.state, data as never, context);
    return decision.map(({ type }) => type);
  }
}
