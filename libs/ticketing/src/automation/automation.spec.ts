import { instantFrom } from '#eventsourcing';
import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { HOUR, MINUTE } from '../contract/contract.js';
import type { RunbookRun } from '../events/runbook.js';
import type { TicketState } from '../events/ticket.js';
import { automation } from './automation.js';
import { automationToTickets } from './automation-policies.js';

const id = '00000000-0000-4000-8000-0000000000f1';
const runner = { id: 'runner', kind: 'system' } as const;
const given = scenariosOf(automation, { id, actor: runner, start: 0, step: MINUTE });
const ticket = { client: 'northwind' } as NonNullable<TicketState>;
const ask = ['AskRunner', { ticketId: 't', action: 'restart-service' }, MINUTE, ticket] as const;
const claim = ['ClaimAutomationTask', { leaseSeconds: 300 }] as const;
const answer = (outcome: 'done' | 'failed') => ['AnswerAutomationTask', { outcome, output: 'listening' }] as const;
const reactionsTo = (type: keyof typeof automationToTickets.react, data: object, state = given(ask, claim).state) =>
  automationToTickets.react[type]?.({ data, metadata: { effectiveAt: instantFrom(0) } } as never, state) ?? [];

describe('a task for runners', () => {
  it('is asked for a ticket, of its client, and waits an hour at most', () => {
    const leaseUntil = instantFrom(MINUTE + HOUR);
    const asked = { task: id, client: 'northwind', ticketId: 't', action: 'restart-service', leaseUntil };
    expect(given(ask).state).toMatchObject({ ...asked, status: 'waiting', askedBy: runner });
    expect(given().when('AskRunner', ask[1], 0, null).refusal()).toMatchObject({
      refused: 'other-ticket-not-found',
      faults: [{ field: 'ticketId' }],
    });
  });

  it('may be a step of a runbook on the ticket, which its answer ticks off', () => {
    const runbook = { run: '00000000-0000-4000-8000-0000000000a7', step: 1 };
    const withRun: typeof ticket = {
      ...ticket,
      runbooks: [{ run: runbook.run, steps: [{ title: 'a', status: 'waiting' }] } as unknown as RunbookRun],
    };
    const asking = (ref: object, of = withRun) => given().when('AskRunner', { ...ask[1], runbook: { ...runbook, ...ref } }, 0, of);
    expect(asking({}).events()).toMatchObject([{ type: 'AutomationAsked', data: { runbook } }]);
    expect(asking({ step: 2 }).refusal()).toMatchObject({ refused: 'runbook-step-not-found', faults: [{ field: 'runbook.step' }] });
    expect(asking({}, ticket).refusal()).toMatchObject({ refused: 'runbook-step-not-found', faults: [{ field: 'runbook.run' }] });
    const { state } = given(['AskRunner', { ...ask[1], runbook }, MINUTE, withRun], claim);
    expect(reactionsTo('AutomationAnswered', { outcome: 'done', output: 'listening' }, state)).toMatchObject([
      { id: 't', name: 'TickRunbookStep', body: { ...runbook, result: 'done', outcome: 'listening' } },
    ]);
  });

  it('is claimed by one runner, who answers', () => {
    const leaseUntil = instantFrom(2 * MINUTE + 300_000);
    expect(given(ask, claim).state).toMatchObject({ status: 'claimed', runner, leaseUntil });
    expect(
      given(ask, claim)
        .when(...claim)
        .events(),
    ).toEqual([]);
    const done = given(ask, claim, answer('done'));
    expect(done.state).toMatchObject({ status: 'done', output: 'listening' });
    expect(done.state).not.toHaveProperty('leaseUntil');
    expect(done.when(...answer('done')).events()).toEqual([]);
    for (const [before, last, code] of [
      [[ask], answer('done'), 'task-claimed'],
      [[ask, claim, answer('failed')], answer('done'), 'task-over'],
      [[ask, claim, answer('failed')], claim, 'task-over'],
      [[], claim, 'task-not-found'],
      [[], answer('done'), 'task-not-found'],
    ] as const)
      expect(
        given(...before)
          .when(...(last as typeof claim))
          .refusal().refused,
      ).toBe(code);
    const others = scenariosOf(automation, { id, actor: { id: 'other', kind: 'system' }, start: 0, step: MINUTE });
    const { decide } = automation.commands.AnswerAutomationTask;
    const context = { id, commandId: 'c', actor: { id: 'other', kind: 'system' }, effectiveAt: instantFrom(0) } as const;
    expect(decide({ outcome: 'done', output: 'x' }, given(ask, claim).state, context)).toMatchObject({ refused: 'task-claimed' });
    expect(others().state).toBeNull();
  });

  it('is offered again when a lease expires, three times or as often as requested', () => {
    const lost = (time: number) => [[...claim, 30 * time * MINUTE] as const, ['ExpireLease', {}, (30 * time + 5) * MINUTE] as const];
    const expire = (at: number) => given(ask, claim).when('ExpireLease', {}, at).events();
    const leaseUntil = instantFrom(7 * MINUTE + HOUR);
    expect(expire(6 * MINUTE)).toEqual([]);
    expect(expire(7 * MINUTE)).toEqual([{ type: 'AutomationOfferedAgain', data: { leaseUntil } }]);
    const again = given(ask, ...lost(1)).state;
    expect(again).toMatchObject({ status: 'waiting', claims: 1 });
    expect(again).not.toHaveProperty('runner');
    expect(again).not.toHaveProperty('claim');
    const ends = (attempts?: number) => (times: number) => {
      const asked = ['AskRunner', { ...ask[1], ...(attempts && { attempts }) }, MINUTE, ticket] as const;
      return given(asked, ...Array.from({ length: times }, (_, index) => lost(index + 1)).flat()).state?.status;
    };
    expect([1, 2, 3].map(ends())).toEqual(['waiting', 'waiting', 'expired']);
    expect(ends(1)(1)).toBe('expired');
  });

  it('accepts no answer for a claim that was replaced by a later one', () => {
    const state = given(ask, claim).state;
    const answered = (claim?: string) =>
      given(ask, ['ClaimAutomationTask', { leaseSeconds: 300 }]).when('AnswerAutomationTask', {
        outcome: 'done',
        output: 'x',
        ...(claim && { claim }),
      });
    expect(answered('00000000-0000-4000-8000-0000000000aa').refusal()).toMatchObject({ refused: 'task-claimed' });
    expect(answered(state?.claim).events()).toMatchObject([{ type: 'AutomationAnswered' }]);
    expect(answered().events()).toHaveLength(1);
  });

  it('falls to a person if its time runs out, or it fails', () => {
    expect(
      given(ask)
        .when('ExpireLease', {}, 2 * HOUR)
        .events(),
    ).toHaveLength(1);
    expect(
      given(ask, ['ExpireLease', {}, 2 * HOUR])
        .when(...answer('done'))
        .refusal().refused,
    ).toBe('task-over');
    expect(reactionsTo('AutomationLeaseExpired', {})).toMatchObject([{ id: 't', name: 'AddInternalNote' }]);
    expect(reactionsTo('AutomationAnswered', { outcome: 'failed', output: 'no such unit' })).toMatchObject([
      { id: 't', name: 'RecordDiagnosticStep', body: { action: 'restart-service (runner)', outcome: 'no such unit' } },
      { id: 't', name: 'AddInternalNote' },
    ]);
  });

  it('that is done becomes a diagnostic step of its ticket, with its evidence', () => {
    const evidence = { name: 'log', kind: 'log', url: 'attachment:x', mediaType: 'text/plain', sha256: 'x', bytes: 1 } as const;
    expect(reactionsTo('AutomationAnswered', { outcome: 'done', output: 'listening', evidence })).toMatchObject([
      { name: 'RecordDiagnosticStep', body: { outcome: 'listening' } },
      { name: 'AttachEvidence', body: evidence },
    ]);
  });
});
