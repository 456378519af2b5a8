import { noColours } from '#platform';
import { eventIdFor, evolve, instantFrom, isRefusal, streamName, type Decision, type Instant, type StoredEvent } from '#eventsourcing';
import { ticket, type TicketEvents, type TicketState } from '#ticketing';
import { demoDay } from '../demo/scenario.js';
import { inWords } from './life-in-words.js';
import { duration, ticketLife, type Extent, type LifeStep } from './ticket-life.js';

/** The events of one story of the demo day, recorded two hours after they happened. */
async function* eventsOf(story: string): AsyncGenerator<StoredEvent> {
  let state: TicketState = null;
  let revision = 0;
  for (const { name, body, by, at, idempotencyKey } of demoDay('2026-11-20').filter((command) => command.story === story)) {
    const context = { commandId: idempotencyKey, actor: by, effectiveAt: at, recordedAt: at };
    const decision: Decision<TicketEvents> = ticket.commands[name].decide(body((other) => other) as never, state, context);
    if (isRefusal(decision)) throw new Error(JSON.stringify(decision));
    for (const [index, event] of decision.entries()) {
      state = evolve(ticket, state, event, context);
      yield {
        ...event,
        id: eventIdFor(idempotencyKey, index),
        stream: streamName(ticket, story),
        revision,
        position: { commit: BigInt(revision), prepare: BigInt(revision) },
        metadata: {
          ...context,
          commandType: name,
          correlationId: 'a-conversation',
          causationId: idempotencyKey,
          client: ticket.client(state),
          recordedAt: instantFrom(Date.parse(at) + 2 * 3_600_000),
          schemaVersion: 1,
        },
      };
      revision++;
    }
  }
}

async function life(story: string, extent?: Extent): Promise<LifeStep[]> {
  const steps: LifeStep[] = [];
  for await (const step of ticketLife(eventsOf(story), extent)) steps.push(step);
  return steps;
}

const plain = noColours;

const changed = (steps: readonly LifeStep[], what: string) =>
  steps.flatMap(({ changes }) => changes.filter((change) => change.what === what).map(({ from, to }) => [from, to]));

describe('a ticket replayed', () => {
  it('shows how tier, owner and status went, with returned hand-offs', async () => {
    const steps = await life('wifi-warehouse');
    expect(changed(steps, 'tier')).toEqual([
      [undefined, 'L1'],
      ['L1', 'L2'],
      ['L2', 'L1'],
      ['L1', 'L2'],
    ]);
    expect(changed(steps, 'owner')).toEqual([
      [undefined, 'Ben Okafor'],
      ['Ben Okafor', undefined],
      [undefined, 'Ben Okafor'],
      ['Ben Okafor', undefined],
      [undefined, 'Dmitri Petrov'],
    ]);
    expect(changed(steps, 'status')).toEqual([
      [undefined, 'open'],
      ['open', 'in-progress'],
      ['in-progress', 'escalated'],
      ['escalated', 'open'],
      ['open', 'escalated'],
      ['escalated', 'in-progress'],
      ['in-progress', 'resolved'],
      ['resolved', 'closed'],
    ]);
  });

  it('shows the clocks: when they are due, that they pause, and their verdicts', async () => {
    expect(changed(await life('new-screen'), 'resolution')).toEqual([
      [undefined, 'due 2026-11-22T11:30:00.000Z'],
      ['due 2026-11-22T11:30:00.000Z', 'paused, 1 d 23 h left'],
    ]);
    expect(changed(await life('wifi-warehouse'), 'first response')).toEqual([
      [undefined, 'due 2026-11-20T08:40:00.000Z'],
      ['due 2026-11-20T08:40:00.000Z', 'met'],
    ]);
  });

  it('stops at an instant, by what had happened or by what was known', async () => {
    const all = await life('wifi-warehouse');
    const asOf = '2026-11-20T09:05:00.000Z' as Instant;
    expect(await life('wifi-warehouse', { asOf })).toEqual(all.slice(0, 5));
    // Nothing of it was recorded before 10:25.
    expect(await life('wifi-warehouse', { knownAt: asOf })).toEqual([]);
    expect(await life('wifi-warehouse', { knownAt: '2026-11-20T11:05:00.000Z' as Instant })).toEqual(all.slice(0, 5));
  });

  it('tells each event in words: who, when, when it was learnt of, what changed, why and its content', async () => {
    const returned = (await life('wifi-warehouse')).find(({ type }) => type === 'EscalationReturned');
    const text = inWords(returned as LifeStep, plain);
    for (const part of [
      /Escalation returned +by Dmitri Petrov \(agent dmitri.petrov\)/,
      /happened +2026-11-20T09:05:00.000Z/,
      /recorded +2026-11-20T11:05:00.000Z \(2 h later\)/,
      /tier +L2 -> L1/,
      /owner +none -> Ben Okafor/,
      /because of +ReturnEscalation [0-9a-f-]{36}, in a-conversation/,
      /reason +Which access points/,
    ]) {
      expect(text).toMatch(part);
    }
  });

  it('shows nested content as indented lines', async () => {
    const resolved = (await life('webshop-down')).find(({ type }) => type === 'TicketResolvedWithRootCause');
    expect(inWords(resolved as LifeStep, plain)).toMatch(
      / root cause\n {7}category +failed-change\n {7}analysis\n {9}method +narrative\n(.*\n)* {7}preventive actions\n {9}- action +Load test .*\n {11}owner +henrik/,
    );
  });
});

it.each([
  [0, '0 s'],
  [59_600, '1 min'],
  [3_600_000, '1 h'],
  [200_000_000, '2 d 7 h'],
])('%i ms are %s', (millis, text) => expect(duration(millis)).toBe(text));
