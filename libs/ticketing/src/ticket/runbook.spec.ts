import type { Actor } from '#eventsourcing';
import { runbooksToRunners } from '../automation/automation-policies.js';
import { articlesOfTickets } from '../knowledge/article-policies.js';
import { Life } from '../testing/ticket-life.js';
import type { PublishedRunbook } from './runbook.js';

const restart = { action: 'restart-service', input: { service: 'spooler' }, attempts: 1 };
const published: PublishedRunbook = {
  article: 'KB-1',
  version: 2,
  title: 'The queue hangs',
  steps: [
    { title: 'Look at the queue', instruction: 'Is a job stuck?' },
    { title: 'Restart the spooler', runner: restart },
    { title: 'Print' },
  ],
};
const runner: Actor = { id: 'runner', kind: 'system' };
const begun = (found: PublishedRunbook = published) => {
  const life = new Life().open();
  life.do(1, 'StartRunbook', { article: 'KB-1' }, found);
  return life;
};
const runs = (life: Life) => life.state?.runbooks ?? [];
const statuses = (life: Life) => runs(life).map(({ steps }) => steps.map(({ status }) => status));

/** What policies make of the last event of a life. */
function following(life: Life) {
  const { type, data } = life.events.at(-1) ?? {};
  const event = { stream: 'ticket-t', type, data, metadata: { effectiveAt: life.events.at(-1)?.at } } as never;
  return [runbooksToRunners, articlesOfTickets].flatMap(({ concerns, react }) =>
    concerns?.(event) === false
      ? []
      : ((react as Record<string, (event: never, state: unknown) => readonly object[]>)[`${type}`]?.(event, life.state) ?? []),
  );
}

describe('a runbook', () => {
  it('is started with the steps that its published version has, once until they are done', () => {
    const life = begun();
    expect(runs(life)).toEqual([
      {
        run: expect.any(String),
        article: 'KB-1',
        version: 2,
        title: 'The queue hangs',
        startedBy: { id: 'ada', kind: 'agent' },
        startedAt: life.events.at(-1)?.at,
        cycle: 1,
        steps: published.steps.map((step) => ({ ...step, status: 'waiting' })),
      },
    ]);
    expect(life.do(2, 'StartRunbook', { article: 'KB-1' }, published)).toEqual([]);
    expect(life.do(3, 'StartRunbook', { article: 'KB-1' }, { ...published, version: 3 })).toHaveLength(1);
  });

  it('that is unpublished, or for another client, is not started', () => {
    const life = new Life().open();
    for (const found of [undefined, { ...published, client: 'somebody-else' }])
      expect(() => life.do(1, 'StartRunbook', { article: 'KB-1' }, found)).toThrow('runbook-not-found');
    expect(life.do(1, 'StartRunbook', { article: 'KB-1' }, { ...published, client: life.state?.client ?? '' })).toHaveLength(1);
  });

  it('has its steps ticked off: those that were done or failed are diagnostic steps', () => {
    const life = begun();
    expect(life.do(2, 'TickRunbookStep', { step: 1, result: 'skipped', outcome: 'No queue' })).toMatchObject([
      { type: 'RunbookStepSkipped', data: { step: 1, reason: 'No queue' } },
    ]);
    expect(life.do(3, 'TickRunbookStep', { step: 2, result: 'failed', outcome: 'No such unit' })).toMatchObject([
      { type: 'DiagnosticStepRecorded', data: { tier: 'L1', action: 'Restart the spooler', outcome: 'No such unit' } },
    ]);
    expect(statuses(life)).toEqual([['skipped', 'failed', 'waiting']]);
    const again = { step: 2, result: 'done', outcome: 'Restarted by hand' } as const;
    life.do(4, 'TickRunbookStep', again);
    expect(life.do(5, 'TickRunbookStep', again)).toEqual([]);
    expect(statuses(life)).toEqual([['skipped', 'done', 'waiting']]);
    expect(runs(life)[0]?.steps[1]).toMatchObject({ outcome: 'Restarted by hand', by: { id: 'ada' }, at: life.events.at(-1)?.at });
    expect(life.state?.stepsTried).toMatchObject([
      { action: 'Restart the spooler', outcome: 'No such unit' },
      { action: 'Restart the spooler', outcome: 'Restarted by hand' },
    ]);
  });

  it('has to be named if several are unfinished', () => {
    const life = begun();
    life.do(2, 'StartRunbook', { article: 'KB-2' }, { ...published, article: 'KB-2', steps: [{ title: 'Print' }] });
    const tick = { step: 1, result: 'done', outcome: 'Printed' } as const;
    expect(() => life.do(3, 'TickRunbookStep', tick)).toThrow('not-one');
    life.do(3, 'TickRunbookStep', { ...tick, run: runs(life)[1]?.run ?? '' });
    life.do(4, 'TickRunbookStep', tick);
    expect(statuses(life)).toEqual([['done', 'waiting', 'waiting'], ['done']]);
  });

  it('has no step ticked off that it does not have, or twice', () => {
    const life = begun();
    const tick = (command: object) => life.do(2, 'TickRunbookStep', { step: 1, result: 'done', outcome: 'o', ...command });
    expect(() => tick({ step: 4 })).toThrow('runbook-step-not-found');
    expect(() => tick({ run: '00000000-0000-4000-8000-000000000000' })).toThrow('runbook-step-not-found');
    tick({ run: runs(life)[0]?.run ?? '' });
    expect(() => tick({ outcome: 'another' })).toThrow('runbook-step-over');
    expect(() => new Life().open().do(1, 'TickRunbookStep', { step: 1, result: 'done', outcome: 'o' })).toThrow('runbook-step-not-found');
  });

  it('asks a runner for its step when those before it are done or skipped, once', () => {
    const life = begun();
    const { run } = runs(life)[0] ?? {};
    expect(following(life)).toEqual([]);
    life.do(2, 'TickRunbookStep', { step: 1, result: 'done', outcome: 'Stuck' });
    const [ask] = following(life);
    expect(ask).toMatchObject({
      category: 'automation',
      name: 'AskRunner',
      body: { ticketId: 't', ...restart, runbook: { run, step: 2 } },
    });
    life.actor = runner;
    life.do(3, 'TickRunbookStep', { step: 2, result: 'failed', outcome: 'No such unit' });
    // It is for a person now.
    expect(following(life)).toMatchObject([{ name: 'RecordArticleUse' }]);
    life.do(4, 'TickRunbookStep', { step: 2, result: 'done', outcome: 'By hand' });
    expect(following(life)).toEqual([]);

    const first = begun({ ...published, steps: [{ title: 'Restart', runner: restart }, { title: 'Print' }] });
    expect(following(first)).toMatchObject([{ name: 'AskRunner', body: { runbook: { step: 1 } } }]);
    const skipped = begun();
    skipped.do(2, 'TickRunbookStep', { step: 1, result: 'skipped', outcome: 'o' });
    expect(following(skipped)).toMatchObject([{ name: 'AskRunner', body: { runbook: { step: 2 } } }]);
  });

  it('that was followed to its end solved the ticket, unless another article is named; one with a step that failed did not help', () => {
    const follow = (result: 'done' | 'failed') => {
      const life = begun({ ...published, steps: [{ title: 'Print' }] });
      life.do(2, 'TickRunbookStep', { step: 1, result, outcome: 'o' });
      return life;
    };
    const use = { id: 'KB-1', name: 'RecordArticleUse' };
    const failed = follow('failed');
    expect(following(failed)).toMatchObject([{ ...use, body: { ticketId: 't', solved: false } }]);
    expect(() => failed.do(3, 'ResolveTicket', { category: 'c' })).toThrow('resolution-incomplete');
    const done = follow('done');
    expect(done.do(3, 'ResolveTicket', { category: 'c' })).toMatchObject([{ data: { article: 'KB-1' } }]);
    expect(done.do(4, 'ResolveTicket', { category: 'c' })).toEqual([]);
    expect(following(done)).toMatchObject([{ ...use, body: { solved: true } }]);
    expect(follow('done').do(3, 'ResolveTicket', { category: 'c', article: 'KB-2' })).toMatchObject([{ data: { article: 'KB-2' } }]);
    // What was followed before it was opened again has not solved it for good.
    done.do(5, 'ReopenTicket', { reason: 'r' });
    expect(() => done.do(6, 'ResolveTicket', { category: 'c' })).toThrow('resolution-incomplete');
  });
});
