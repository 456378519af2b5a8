import { type EventOf, type Instant, instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { type Contract, defaultContract, HOUR, MINUTE } from '../contract/contract.js';
import { ended } from '../sla/sla-clock.js';
import { type Happened, randomLifeOfClocks } from '../testing/clocks-by-the-minute.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { given } from '../../../eventsourcing/src/testing/given-projected.js';
import { ticketViews } from './projections.js';
import { type BoardKey, boardLine, type BoardLine, type BoardPlace, slaBoard, type SlaBoardEntry } from './sla-board.js';
import { ticketSla, type TicketSla } from './ticket-sla.js';
import { runs } from '../../../../test/runs.js';

const start = Date.parse('2026-11-20T10:00:00Z');
const work = { work: 4 * HOUR };
const contract: Contract = {
  ...defaultContract,
  tierTargets: { L2: { critical: work, high: work, medium: work, low: work } },
  vendorTargets: { '*': 48 * HOUR },
};
const tell = <Type extends keyof TicketEvents>(after: number, type: Type, data: object): Happened => [
  start + after,
  { type, data } as unknown as EventOf<TicketEvents>,
];

interface Boarded {
  readonly entry: SlaBoardEntry;
  readonly sla: TicketSla;
}

function boarded(terms: Contract, happened: readonly Happened[]): Boarded {
  const board = given(
    ticketViews,
    happened.map(([when, { type, data }]) => ({
      type,
      data: type === 'TicketOpened' ? { ...data, contract: { version: 1, tzdata: '2026a', terms } } : data,
      at: instantFrom(when),
    })),
  );
  return { entry: board.document(slaBoard) as SlaBoardEntry, sla: board.document(ticketSla) as TicketSla };
}

const lineOf = ({ entry, sla }: Boarded, key: BoardKey, now: Instant) => boardLine(entry, sla, key, now);

const opened = tell(0, 'TicketOpened', { client: 'northwind', priority: 'high', tier: 'L1' });
const escalated = tell(HOUR, 'TicketEscalated', { escalationId: 'e', from: 'L1', to: 'L2', handOff: {} });
const accepted = tell(2 * HOUR, 'EscalationAccepted', { escalationId: 'e', tier: 'L2', agent: { id: 'bob' } });
const held = (reason: string) => tell(3 * HOUR, 'TicketPutOnHold', { reason, note: '' });

const line = (hours: number, happened: readonly Happened[], key: BoardKey = 'any'): BoardLine => {
  const found = lineOf(boarded(contract, happened), key, instantFrom(start + hours * HOUR));
  if (found === undefined) throw new Error('no line');
  return found;
};

describe('a line of the board', () => {
  it('shows what is left at the instant of the question, and where it stands', () => {
    const at = (hours: number) => line(hours, [opened, accepted], 'resolution').clock;
    expect(at(3)).toMatchObject({ state: 'due', remaining: 5 * HOUR, target: 8 * HOUR, dueAt: instantFrom(start + 8 * HOUR) });
    expect(at(4)).toMatchObject({ state: 'warned', warned: 50, remaining: 4 * HOUR });
    expect(at(7.5)).toMatchObject({ state: 'warned', warned: 90 });
    expect(at(8)).toMatchObject({ state: 'warned', remaining: 0 });
    expect(at(9)).toMatchObject({ state: 'breached', remaining: -HOUR, breachedAt: instantFrom(start + 8 * HOUR) });
  });

  it('says why a clock stands still, and that a breach stays one', () => {
    expect(line(5, [opened, accepted, held('customer')], 'resolution').clock).toMatchObject({
      state: 'paused',
      pausedFor: 'customer',
      remaining: 5 * HOUR,
    });
    expect(line(5, [opened, escalated, accepted, held('vendor')], 'tier-work').clock).toMatchObject({
      tier: 'L2',
      state: 'paused',
      pausedFor: 'vendor',
      remaining: 3 * HOUR,
    });
    expect(line(20, [opened, accepted, tell(10 * HOUR, 'TicketPutOnHold', { reason: 'customer' })], 'resolution').clock).toMatchObject({
      state: 'breached',
      pausedFor: 'customer',
      remaining: -2 * HOUR,
    });
  });

  it('is sorted by the clock that is due first, unless another is asked for', () => {
    expect(line(0, [opened]).clocks.map(({ kind }) => kind)).toEqual(['response', 'resolution']);
    expect(line(0, [opened]).clock.kind).toBe('response');
    expect(line(2, [opened, escalated, accepted]).clock.kind).toBe('tier-work');
    expect(line(3, [opened, escalated, accepted, held('vendor')]).clocks.map(({ kind }) => kind)).toEqual([
      'resolution',
      'vendor',
      'tier-work',
    ]);
    expect(() => line(0, [opened], 'vendor')).toThrow('no line');
    const done = boarded(contract, [opened, tell(HOUR, 'TicketResolved', { tier: 'L1' })]);
    expect([done.entry.places, lineOf(done, 'any', instantFrom(start))]).toEqual([{}, undefined]);
  });

  it('warns once less is left of the resolution than the tier that has the ticket needs', () => {
    const waiting = (hours: number) => line(hours, [opened, escalated]).forecast;
    expect(waiting(4)).toEqual({ tier: 'L2', remaining: 4 * HOUR, needed: 4 * HOUR, atRisk: false });
    expect(waiting(4.1)).toMatchObject({ needed: 4 * HOUR, atRisk: true });
    // Taken in time, it can be done in time; what both have left becomes less together.
    expect(line(5, [opened, escalated, accepted]).forecast).toMatchObject({ remaining: 3 * HOUR, needed: HOUR, atRisk: false });
    const late = tell(5 * HOUR, 'EscalationAccepted', { escalationId: 'e', tier: 'L2', agent: { id: 'bob' } });
    expect(line(5, [opened, escalated, late]).forecast).toMatchObject({ remaining: 3 * HOUR, needed: 4 * HOUR, atRisk: true });
    // No promise of L1, no forecast.
    expect(line(5, [opened]).forecast).toBeUndefined();
  });
});

describe('the board of every life', () => {
  it('is sorted by when each clock is due, and forecasts what the figures say', () => {
    fc.assert(
      fc.property(randomLifeOfClocks, fc.nat(3000), ({ contract: terms, happened, end }, later) => {
        const board = boarded(terms, happened);
        const { entry, sla } = board;
        const now = instantFrom(end + later * MINUTE);
        const open = sla.clocks.filter((clock) => !ended(clock));
        for (const [key, place] of Object.entries(entry.places)) {
          const dues = open
            .filter(({ kind }) => key === 'any' || kind === key)
            .map(({ breachedAt, inTimeUntil, dueAt }) => breachedAt ?? inTimeUntil ?? dueAt ?? '9999-12-31T23:59:59.999Z');
          expect(place.due).toBe(dues.sort()[0]);
        }
        const found = lineOf(board, 'any', now);
        expect(found === undefined).toBe(open.length === 0);
        if (found === undefined) return;
        expect(found.clocks).toHaveLength(open.length);
        for (const { state, remaining, breachedAt, pausedFor } of found.clocks) {
          expect(breachedAt !== undefined).toBe(state === 'breached');
          if (remaining < 0) expect(state).toBe('breached');
          if (state === 'paused') expect(pausedFor).toBeDefined();
        }
        for (const [key, place] of Object.entries(entry.places) as [BoardKey, BoardPlace][]) {
          // What the database selects by is what the line shows. At the very instant of a reclassification the breach is a millisecond away.
          if (place.due === now) continue;
          const { due, warnAt = '~' } = place;
          const selected = due < now ? 'breached' : due === '9999-12-31T23:59:59.999Z' ? 'paused' : warnAt <= now ? 'warned' : 'due';
          expect(lineOf(board, key, now)?.clock.state).toBe(selected);
        }
        if (found.forecast === undefined) return;
        const { remaining, needed, atRisk } = found.forecast;
        // Exactly as much as is needed is at risk only where nothing was open since there was enough.
        if (remaining !== needed) expect({ remaining, needed, atRisk }).toEqual({ remaining, needed, atRisk: remaining < needed });
      }),
      { numRuns: runs(100) },
    );
  });
});
