import { randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { pollUntilFound, ViewSignal } from './view-signals.js';

/** Time stands still: nobody looks again because some has passed. */
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
});
afterEach(() => {
  jest.useRealTimers();
});

const database = () => ({ databaseName: `signals-${randomUUID()}` });

/** Some turns of the loop, in which messages arrive. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Something that is there from its third look on. */
function thirdLook() {
  let looks = 0;
  const next: (() => void)[] = [];
  return {
    look: () => {
      looks++;
      next.shift()?.();
      return Promise.resolve(looks < 3 ? undefined : looks);
    },
    /** Resolves with the next look. */
    looked: () => new Promise<void>((resolve) => next.push(resolve)),
    looks: () => looks,
  };
}

describe('looking until something is found', () => {
  it('looks again when the views of its group have been written, and at no other signal', async () => {
    const db = database();
    const [ofGroup, ofAnother] = [new ViewSignal(db, 'tickets'), new ViewSignal(db, 'contracts')];
    const { look, looked, looks } = thirdLook();
    const first = looked();
    const found = pollUntilFound(db, 'tickets', 60_000, look);
    await first;
    ofAnother.send();
    await turns();
    expect(looks()).toBe(1);
    const second = looked();
    ofGroup.send();
    await second;
    ofGroup.send();
    expect(await found).toBe(3);
    ofGroup.close();
    ofAnother.close();
  });

  it('a signal that comes during a look is not missed', async () => {
    const db = database();
    const signal = new ViewSignal(db, 'tickets');
    let looks = 0;
    const found = await pollUntilFound(db, 'tickets', 60_000, async () => {
      if (++looks > 1) return 'found';
      signal.send();
      await turns();
      return undefined;
    });
    expect([found, looks]).toEqual(['found', 2]);
    signal.close();
  });

  it('looks from time to time where no signal comes, and gives up in time', async () => {
    const { look } = thirdLook();
    const found = pollUntilFound(database(), 'tickets', 60_000, look);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await found).toBe(3);

    const nothing = pollUntilFound(database(), 'tickets', 200, () => Promise.resolve(undefined));
    await jest.advanceTimersByTimeAsync(200);
    expect(await nothing).toBeUndefined();
  });
});
