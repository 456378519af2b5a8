import { type Actor, deterministicId, evolve, instantFrom, type RecordedEvent } from '#eventsourcing';
import { HOUR, MINUTE } from '../contract/contract.js';
import { ticketWithoutClocks } from '../events/ticket-events.js';
import { problem } from '../problem/problem.js';
import { type ProblemLife, reportOfProblem, reportOfTicket, type TicketLife } from './root-cause-report.js';
import type { Told } from './told-in-reports.js';

const [problemId, one, two] = ['problem', 'one', 'two'].map((name) => deterministicId('spec', name)) as [string, string, string];
const ada: Actor = { id: 'ada', kind: 'agent', name: 'Ada' };
const grace: Actor = { id: 'grace', kind: 'agent' };
const policy: Actor = { id: 'policy:p', kind: 'system' };
const at = (minutes: number) => instantFrom(minutes * MINUTE);

let made = 0n;
/** An event of a stream, which happened and was recorded so many minutes after the start. */
function event<Type extends keyof Told>(stream: string, revision: number, type: Type, data: Told[Type], more: object = {}) {
  const told = { happened: 0, recorded: undefined as number | undefined, actor: ada, ...more };
  const effectiveAt = at(told.happened);
  const metadata = {
    client: 'northwind',
    actor: told.actor,
    effectiveAt,
    recordedAt: told.recorded === undefined ? effectiveAt : at(told.recorded),
  };
  // The log is in the order of recording.
  const commit = BigInt(told.recorded ?? told.happened) * 100_000n + ++made;
  return {
    id: `${commit}`,
    stream,
    revision,
    type,
    data,
    position: { commit, prepare: commit },
    metadata: { ...metadata, hash: `hash-${commit}` },
  };
}

function life<Life extends TicketLife | ProblemLife>(events: readonly object[]): Life {
  const told = events as readonly RecordedEvent<Told>[];
  const aggregate = told[0]?.stream.startsWith('problem-') ? problem : ticketWithoutClocks;
  const state = told.reduce<object | null>((before, one) => evolve(aggregate, before as never, one, one.metadata), null);
  return { state, events: told } as unknown as Life;
}

const opening = (summary: string) => ({
  ...{ client: 'northwind', kind: 'incident', summary, reporter: { id: 'joe' }, channel: 'phone', impact: 'low', urgency: 'low' },
  ...{ priority: 'low', tier: 'L1' },
});
const ticketOf = (id: string, opened: number, ...others: readonly object[]) =>
  life<TicketLife>([
    event(`ticket-${id}`, 0, 'TicketOpened', opening('No print') as Told['TicketOpened'], { happened: opened }),
    ...others,
  ]);

const stream = `problem-${problemId}`;
const fix = (change: string) => ({ description: 'Driver', change, before: 'old', after: 'new' });
const planned = { action: 'PA-1', description: 'Stage updates', owner: grace, dueAt: at(9_000) };

function problemWith(...more: readonly object[]): ProblemLife {
  return life<ProblemLife>([
    event(stream, 0, 'ProblemOpened', { problemId, client: 'northwind', title: 'Printers stop' }, { happened: 10, actor: policy }),
    event(stream, 1, 'TicketLinkedToProblem', { ticketId: one }, { happened: 10, actor: policy }),
    event(stream, 2, 'TicketLinkedToProblem', { ticketId: two }, { happened: 10, actor: policy }),
    ...more,
  ]);
}

describe('a root cause report', () => {
  it('tells what happened in the order in which it happened: all of the problem, the milestones of its tickets', () => {
    const first = ticketOf(
      one,
      0,
      event(`ticket-${one}`, 1, 'DiagnosticStepRecorded', { tier: 'L1', action: 'Restarted', outcome: 'Nothing' }, { happened: 5 }),
      event(`ticket-${one}`, 2, 'TicketCancelled', { reason: 'Gone' }, { happened: 20 }),
    );
    const whole = problemWith(event(stream, 3, 'ProblemRootCauseRecorded', { rootCause: 'A leak' }, { happened: 15 }));
    const report = reportOfProblem(whole, [first]);
    expect(report.timeline.map(({ what }) => what)).toEqual([
      'Ticket opened: No print',
      'Problem opened: Printers stop',
      `Ticket linked to problem: ticket ${one}`,
      `Ticket linked to problem: ticket ${two}`,
      'Problem root cause recorded: A leak',
      'Ticket cancelled: Gone',
    ]);
    expect(report).toMatchObject({ tickets: 2, ticketsLeftOut: 1, leftOut: 1, rootCauses: [{ text: 'A leak' }], status: 'open' });
    expect(reportOfTicket(first, []).timeline.map(({ type }) => type)).toEqual([
      'TicketOpened',
      'DiagnosticStepRecorded',
      'TicketCancelled',
    ]);
  });

  it('says why, with the events that prove it where it knows them', () => {
    const whys = [{ why: 'Why?', because: 'Handles', evidence: [`ticket/${one}/0`, 'spooler.log'] }];
    const report = reportOfProblem(problemWith(event(stream, 3, 'ProblemFiveWhysRecorded', { whys })), [ticketOf(one, 0)]);
    expect(report.whys).toMatchObject([
      {
        why: 'Why?',
        because: 'Handles',
        evidence: [{ reference: `ticket/${one}/0`, event: { type: 'TicketOpened' } }, { reference: 'spooler.log' }],
      },
    ]);
    expect(report.whys[0]?.evidence[1]).not.toHaveProperty('event');
  });

  it('tells changes that held from those that did not, and leaves out what was recorded again', () => {
    const report = reportOfProblem(
      problemWith(
        event(stream, 3, 'ProblemFixRecorded', fix('CHG-typo'), { happened: 30 }),
        event(stream, 4, 'ProblemFixRecorded', fix('CHG-1'), { happened: 31 }),
        event(stream, 5, 'ProblemReopened', { reason: 'Again' }, { happened: 40 }),
        event(stream, 6, 'ProblemFixRecorded', fix('CHG-2'), { happened: 50 }),
        event(stream, 7, 'ProblemActionPlanned', planned, { happened: 51 }),
        event(stream, 8, 'ProblemActionDone', { action: 'PA-1', outcome: 'Staged', change: fix('CHG-3') }, { happened: 60 }),
      ),
      [],
    );
    expect(report.changes.map(({ change, held, before, after }) => [change, held, before, after])).toEqual([
      ['CHG-1', false, 'old', 'new'],
      ['CHG-2', true, 'old', 'new'],
      ['CHG-3', true, 'old', 'new'],
    ]);
    expect(report.prevention).toMatchObject([
      { action: 'PA-1', owner: { id: 'grace' }, state: 'done', outcome: 'Staged', change: 'CHG-3' },
    ]);
  });

  it('shows who knew what from when on, by what was recorded, and what became known late', () => {
    const late = event(
      `ticket-${one}`,
      1,
      'DiagnosticStepRecorded',
      { tier: 'L1', action: 'Restarted', outcome: 'Nothing' },
      { happened: 5, recorded: 65, actor: grace },
    );
    const report = reportOfTicket(ticketOf(one, 0, late), []);
    expect(report.knowledge.people.map(({ who, since, known }) => [who.id, since, known])).toEqual([
      ['ada', at(0), 1],
      ['grace', at(65), 2],
    ]);
    expect(report.knowledge.toldLate).toMatchObject([{ after: HOUR, event: { happenedAt: at(5), knownAt: at(65) } }]);
    const byPolicy = { ...late, metadata: { ...late.metadata, actor: policy } };
    expect(reportOfTicket(ticketOf(one, 0, byPolicy), []).knowledge.toldLate).toEqual([]);
  });

  it('of a ticket has the analysis that it was resolved with, and what its problems know', () => {
    const rootCause = {
      category: 'software/defect',
      analysis: { method: '5-whys' as const, text: 'A leak', citedEvents: [0] },
      permanentFix: 'Driver',
      preventiveActions: [{ action: 'Test drivers', owner: 'grace' }],
      changeReference: 'CHG-9',
      knowledgeArticle: { id: 'KB-1', action: 'written' as const },
      lowerTierCanResolve: true,
    };
    const resolved = event(`ticket-${one}`, 1, 'TicketResolvedWithRootCause', { tier: 'L3', rootCause }, { happened: 30 });
    const report = reportOfTicket(ticketOf(one, 0, resolved), [problemWith(event(stream, 3, 'ProblemActionPlanned', planned))]);
    expect(report).toMatchObject({
      subject: `ticket/${one}`,
      endedAt: at(30),
      analyses: [{ method: '5-whys', text: 'A leak', evidence: [{ event: { type: 'TicketOpened' } }] }],
      changes: [{ change: 'CHG-9', description: 'Driver', held: true }],
      prevention: [
        { action: 'PA-1', state: 'planned' },
        { action: 'Test drivers', owner: { id: 'grace' } },
      ],
    });
    expect(report.proof.verify[0]).toBe('npx tierline export --client northwind --out pack.ndjson');
    expect(reportOfTicket(ticketOf(one, 0), []).proof.verify[0]).toBe(`npx tierline export --ticket ${one} --out pack.ndjson`);
  });

  it('names the last event of each stream that it is made of, and is the same whenever it is made', () => {
    const make = () => reportOfProblem(whole, [ticket]);
    const [ticket, whole] = [ticketOf(one, 0), problemWith()];
    const { position, streams } = make().proof;
    expect(streams).toEqual([
      { stream: `ticket-${one}`, revision: 0, hash: ticket.events[0]?.metadata.hash },
      { stream, revision: 2, hash: whole.events[2]?.metadata.hash },
    ]);
    const last = whole.events[2]?.position.commit;
    expect(position).toBe(`${last}/${last}`);
    expect(make()).toEqual(make());
  });
});
