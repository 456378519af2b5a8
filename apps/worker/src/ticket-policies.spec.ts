import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Actor, deterministicId, instantFrom, isRefusal, readAggregate, type StoredEvent, streamName } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import type { Mongo } from '#mongo';
import { createLog } from '#platform';
import {
  agent,
  alert,
  alertId,
  attention,
  automation,
  contract,
  HOUR,
  DAY,
  majorIncident,
  majorIncidentId,
  type MajorIncidentCommands,
  policies,
  article,
  problem,
  question,
  type ProblemCommands,
  type ProblemOfTicket,
  ticket,
  type TicketCommandName,
  type TicketCommands,
} from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { commandsTo } from '../../../libs/ticketing-app/src/testing/send-command.js';
import { completeHandOff } from '../../../libs/ticketing/src/testing/random-commands.js';
import { eventually } from '../../../test/eventually.js';
import { type TestStores, testStores } from '../../../test/stores.js';
import { startWorker, type Worker } from './worker.js';

/** What commands to one ticket lead to in others: on the embedded nodes, or on the servers of TIERLINE_EVENTSTORE_URL and TIERLINE_MONGODB_URL. */

let store: EventStoreDB;
let mongo: Mongo;
let worker: Worker;
let stores: TestStores;

beforeAll(async () => {
  stores = await testStores();
  ({ store, mongo } = stores);
  worker = startWorker({ store, db: mongo.db, groups: [], policies, log: createLog('silent') });
  stores.onClose(() => worker.stop());
});
afterAll(() => stores.close());

const ada: Actor = { id: 'ada', kind: 'agent', name: 'Ada' };
/** Sends a command to a thing that is no ticket. */
const sendTo = commandsTo(() => store, ada);

async function tell<Name extends TicketCommandName>(id: string | undefined, name: Name, body: TicketCommands[Name]): Promise<string> {
  const commandId = randomUUID();
  const context = { commandId, actor: ada, correlationId: commandId, causationId: commandId };
  const done = await runSystemCommand(store, { aggregate: ticket, id, name, body, context });
  if (isRefusal(done)) throw new Error(JSON.stringify(done));
  return done.id;
}

/** Of nobody else on a shared server. */
const client = `client-${randomUUID()}`;
const open = (summary = 'Cannot print', fields: object = {}) =>
  tell(undefined, 'OpenTicket', {
    client,
    kind: 'incident',
    summary,
    reporter: { id: 'joe' },
    channel: 'phone',
    impact: 'low',
    urgency: 'low',
    ...fields,
  });

async function eventsOf(id: string): Promise<StoredEvent[]> {
  const events = [];
  for await (const event of store.readStream(streamName(ticket, id))) events.push(event);
  return events;
}

/** The first event of a type in a ticket's stream, once it is there. */
async function first(id: string, type: string, which: (event: StoredEvent) => boolean = () => true): Promise<StoredEvent> {
  const wanted = (event: StoredEvent) => event.type === type && which(event);
  const events = await eventually(
    () => eventsOf(id),
    (all) => all.some(wanted),
  );
  return events.find(wanted) as StoredEvent;
}

/** The first time that one of two tickets takes a relation back, whichever does. */
const refusedFirst = (one: string, two: string) =>
  eventually(
    async () => [...(await eventsOf(one)), ...(await eventsOf(two))].find(({ type }) => type === 'TicketRelationRefused'),
    (event) => event !== undefined,
  );

const types = (events: readonly StoredEvent[]) => events.map(({ type }) => type);

describe('a link', () => {
  it('is known to both tickets, the second of which names its cause', async () => {
    const [one, two] = [await open(), await open()];
    await tell(one, 'LinkTicket', { ticketId: two, relation: 'caused-by' });
    const mirrored = await first(two, 'TicketLinked');
    const [, said] = await eventsOf(one);
    expect(mirrored).toMatchObject({
      data: { ticketId: one, relation: 'cause-of', mirrored: true },
      metadata: {
        causationId: said?.id,
        correlationId: said?.metadata.correlationId,
        actor: { id: 'policy:ticket-links', kind: 'system' },
      },
    });
    await tell(two, 'UnlinkTicket', { ticketId: one, relation: 'cause-of' });
    await first(one, 'TicketUnlinked');
    expect(types(await eventsOf(one))).toEqual(['TicketOpened', 'TicketLinked', 'TicketUnlinked']);
    expect(types(await eventsOf(two))).toEqual(['TicketOpened', 'TicketLinked', 'TicketUnlinked']);
  });

  it('to a missing ticket or another client’s is refused; one that the other ticket refuses is removed with the reason', async () => {
    const [one, two] = [await open(), await open()];
    const link = (ticketId: string) => tell(one, 'LinkTicket', { ticketId, relation: 'relates-to' });
    await expect(link(randomUUID())).rejects.toThrow('other-ticket-not-found');
    await expect(link(await open('Theirs', { client: `${client}-other` }))).rejects.toThrow('other-client');
    const parent = await open();
    await tell(two, 'LinkTicket', { ticketId: parent, relation: 'child-of' });
    await first(parent, 'TicketLinked');
    // A child cannot be somebody's parent.
    await tell(one, 'LinkTicket', { ticketId: two, relation: 'child-of' });
    expect((await first(one, 'TicketRelationRefused', ({ revision }) => revision > 1)).data).toMatchObject({
      ticketId: two,
      code: 'has-a-parent',
    });
  });

  it('is created for a ticket that follows one that can no longer be reopened', async () => {
    const longAgo = instantFrom(Date.now() - 90 * DAY);
    const one = await open('Cannot print', { effectiveAt: longAgo });
    await tell(one, 'TriageTicket', { category: 'hardware', effectiveAt: longAgo });
    await tell(one, 'ResolveTicket', { article: 'KB-1', effectiveAt: longAgo });
    const two = await open('Cannot print again', { follows: one });
    expect((await first(one, 'TicketLinked')).data).toEqual({ ticketId: two, relation: 'followed-up-by', mirrored: true });
    expect((await first(two, 'TicketLinked')).data).toEqual({ ticketId: one, relation: 'follow-up-of' });
  });

  it('is created for a ticket opened by a reply that came too late; later replies go there too', async () => {
    const longAgo = instantFrom(Date.now() - 90 * DAY);
    const one = await open('Cannot print', { category: 'hardware', service: 'printing', effectiveAt: longAgo });
    await tell(one, 'ResolveTicket', { article: 'KB-1', effectiveAt: longAgo });
    await tell(one, 'RecordRequesterReply', { text: 'It is back' });
    const { followUp } = (await first(one, 'RequesterReplied')).data as { followUp: string };
    expect((await first(followUp, 'TicketOpened')).data).toMatchObject({
      summary: 'Cannot print',
      description: 'It is back',
      category: 'hardware',
      service: 'printing',
      reporter: { id: 'joe' },
      follows: one,
    });
    await tell(one, 'RecordRequesterReply', { text: 'Still' });
    expect((await first(followUp, 'RequesterReplied')).data).toMatchObject({ text: 'Still' });
    expect((await first(one, 'TicketLinked')).data).toMatchObject({ ticketId: followUp, relation: 'followed-up-by' });
  });

  it('of two tickets as each other’s parent at once leaves no circle', async () => {
    const [one, two] = [await open(), await open()];
    const said = await Promise.allSettled([
      tell(one, 'LinkTicket', { ticketId: two, relation: 'child-of' }),
      tell(two, 'LinkTicket', { ticketId: one, relation: 'child-of' }),
    ]);
    // Depending on who is faster the second one is refused at once, or one of the links or both are taken back; never do both stay.
    const refused = said.some(({ status }) => status === 'rejected') ? undefined : await refusedFirst(one, two);
    if (refused !== undefined) expect(refused.data).toMatchObject({ relation: 'child-of' });
  });
});

describe('tickets that recur', () => {
  it('open a problem, which later ones join; after its fix they reopen it, and say that they were fixed before', async () => {
    const terms = { recurrence: { tickets: 2, within: DAY } };
    const commandId = randomUUID();
    const context = { commandId, actor: ada, correlationId: commandId, causationId: commandId };
    const agreed = { client: `${client}-recurs`, terms, effectiveFrom: instantFrom(Date.now() - DAY) };
    await runSystemCommand(store, { aggregate: contract, id: agreed.client, name: 'AgreeContract', body: agreed, context });
    const about = { client: agreed.client, service: 'printing', category: 'hardware/printer' };
    const said = async (id: string, status: string) =>
      (await first(id, 'TicketToldOfProblem', ({ data }) => (data as ProblemOfTicket).status === status)).data as ProblemOfTicket;
    const solve = async <Name extends keyof ProblemCommands>(id: string, name: Name, body: ProblemCommands[Name]) => {
      const sent = randomUUID();
      await runSystemCommand(store, { aggregate: problem, id, name, body, context: { ...context, commandId: sent } });
    };

    const [one, two] = [await open('Jams', about), await open('Jams', { client: about.client })];
    const other = await open('Jams', { ...about, category: 'network' });
    await tell(other, 'TriageTicket', { category: 'mail' });
    await tell(two, 'TriageTicket', about);
    const { problemId } = await said(two, 'open');
    const { state } = await readAggregate(store, problem, problemId);
    expect(state).toMatchObject({ ...about, title: 'Recurring: hardware/printer (printing)', openedBy: { kind: 'system' } });
    expect(await said(one, 'open')).toMatchObject({ problemId });

    await solve(problemId, 'RecordWorkaround', { workaround: 'Clear the tray' });
    expect(await said(one, 'known-error')).toMatchObject({ workaround: 'Clear the tray' });
    const handOff = { tier: 'L2' as const, reason: 'r', handoff: { ...completeHandOff } };
    await tell(one, 'EscalateToTier', handOff);
    await tell(one, 'AcceptEscalation', {});
    await tell(one, 'ResolveTicket', { cause: 'c', fix: 'f' });
    await solve(problemId, 'RecordRootCause', { rootCause: 'Worn rollers' });
    await solve(problemId, 'RecordFix', { description: 'New rollers', change: 'CHG-1' });
    expect(await said(two, 'fixed')).toMatchObject({ problemId });

    const three = await open('Jams', about);
    expect(await said(three, 'known-error')).toMatchObject({ problemId, fixedAt: expect.any(String) });
    expect((await first(three, 'TicketRecurred')).data).toMatchObject({ ticketId: one, tier: 'L2', rootCause: false });
    await tell(three, 'EscalateToTier', { ...handOff, tier: 'L3' });
    const { state: reopened } = await readAggregate(store, problem, problemId);
    expect(reopened).toMatchObject({ tickets: [one, two, three], failedFixes: [{ change: 'CHG-1' }], status: 'known-error' });
    expect(types(await eventsOf(other))).toEqual(['TicketOpened', 'TicketTriaged']);

    // Two that are told late: what follows happened when the second one did.
    const late = { ...about, category: 'scanner', effectiveAt: instantFrom(Date.now() - 3_600_000) };
    await open('Jams', late);
    const told = await first(await open('Jams', late), 'TicketToldOfProblem');
    expect(told.metadata.effectiveAt).toBe(late.effectiveAt);
    const instants = new Set<string>();
    for await (const { metadata } of store.readStream(streamName(problem, (told.data as ProblemOfTicket).problemId)))
      instants.add(metadata.effectiveAt);
    expect([...instants]).toEqual([late.effectiveAt]);
  });
});

describe('questions in self-service', () => {
  it('become tickets with the suggested articles, and articles record which helped', async () => {
    const id = `KB-${randomUUID()}`;
    await sendTo(article, id, 'DraftArticle', { article: id, title: 't', text: 't', visibility: 'everybody' });
    const asked = { client, articles: [id] };
    const [one, two] = [
      await sendTo(question, undefined, 'RecordQuestion', asked),
      await sendTo(question, undefined, 'RecordQuestion', asked),
    ];
    const opened = await open('Jams', { question: one });
    await eventually(
      async () => (await readAggregate(store, question, one)).state?.ticketId,
      (ticketId) => ticketId === opened,
    );
    const failed = async () => (await readAggregate(store, article, id)).state?.failedInRow;
    await eventually(failed, (count) => count === 1);
    const [opening] = await eventsOf(await open('Jams again', { question: one }));
    expect(opening?.data).not.toHaveProperty('articlesShown');
    await sendTo(question, two, 'MarkHelpful', { article: id });
    await eventually(failed, (count) => count === 0);

    // Two at once, before either is known of.
    const three = await sendTo(question, undefined, 'RecordQuestion', asked);
    const twins = await Promise.all(['Jams', 'Jams too'].map((summary) => open(summary, { question: three })));
    for (const ticketId of twins) expect((await eventsOf(ticketId))[0]?.data).toMatchObject({ articlesShown: [id], articlesBesides: [] });
    // What is opened after them is counted after them.
    const later = await open('Jams on', { question: await sendTo(question, undefined, 'RecordQuestion', asked) });
    const uses = async () => {
      const told: string[] = [];
      for await (const { type, data } of store.readStream(streamName(article, id)))
        if (type === 'ArticleUsed') told.push((data as { readonly ticketId: string }).ticketId);
      return told;
    };
    const told = await eventually(uses, (all) => all.includes(later));
    expect(told.filter((ticketId) => twins.includes(ticketId))).toHaveLength(1);
  });
});

describe('a merge', () => {
  it('merging erases the audit: no, both tickets keep every event, and each names the other', async () => {
    const [one, two] = [await open('Cannot print', { reporter: { id: 'sue', name: 'Sue' } }), await open('Printer down')];
    await tell(one, 'RecordDiagnosticStep', { action: 'Restarted', outcome: 'Same' });
    await tell(one, 'SendPublicReply', { text: 'We look into it' });
    const [before, target] = [await eventsOf(one), await eventsOf(two)];
    await tell(one, 'MergeTicket', { into: two, reason: 'Same printer' });
    await first(one, 'TicketMerged');
    const [after, absorbing] = [await eventsOf(one), await eventsOf(two)];
    expect(after.slice(0, before.length)).toEqual(before);
    expect(absorbing.slice(0, target.length)).toEqual(target);
    expect(types(after.slice(before.length))).toEqual(['TicketMergeRequested', 'TicketMerged']);
    expect(absorbing.slice(target.length)).toMatchObject([
      {
        type: 'TicketAbsorbed',
        data: { ticketId: one, summary: 'Cannot print', reporter: { id: 'sue', name: 'Sue' }, reason: 'Same printer' },
      },
    ]);
    expect(after.at(-1)?.data).toEqual({ into: two });
    await expect(tell(one, 'StartWork', {})).rejects.toThrow('ticket-merged');
  });

  it('into a ticket that refuses it is reversed with the reason, and work continues', async () => {
    const [one, two] = [await open(), await open()];
    await tell(two, 'CancelTicket', { reason: 'mistake' });
    await tell(one, 'MergeTicket', { into: two, reason: 'Same printer' });
    expect((await first(one, 'TicketRelationRefused')).data).toMatchObject({
      relation: 'merged-into',
      ticketId: two,
      code: 'ticket-cancelled',
    });
    await tell(one, 'StartWork', {});
  });

  it('of two tickets into each other at once merges at most one of them', async () => {
    const [one, two] = [await open(), await open()];
    await Promise.all([tell(one, 'MergeTicket', { into: two, reason: 'r' }), tell(two, 'MergeTicket', { into: one, reason: 'r' })]);
    await refusedFirst(one, two);
    const ends = types([...(await eventsOf(one)), ...(await eventsOf(two))]).filter((type) => type === 'TicketMerged');
    expect(ends.length).toBeLessThanOrEqual(1);
  });
});

describe('a split', () => {
  it('opens a separate ticket, linked on both sides', async () => {
    const one = await open('Printer and scanner', { tier: 'L2', entryReason: 'Known to L2', team: 'print', service: 'printing' });
    await tell(one, 'SplitTicket', { summary: 'Scanner', category: 'hardware/scanner', reason: 'other team' });
    const { into } = (await first(one, 'TicketSplit')).data as { into: string };
    await first(into, 'TicketLinked');
    expect((await eventsOf(into)).map(({ type, data }) => [type, data])).toMatchObject([
      [
        'TicketOpened',
        {
          client,
          summary: 'Scanner',
          tier: 'L2',
          team: 'print',
          service: 'printing',
          category: 'hardware/scanner',
          reporter: { id: 'joe' },
        },
      ],
      ['TicketLinked', { ticketId: one, relation: 'split-from' }],
    ]);
  });
});

describe('the children of a major incident', () => {
  it('follow their parent: updates, stand-down and resolution; finished ones are unchanged', async () => {
    const parent = await open('Nobody in Milan can print');
    const [child, done] = [await open(), await open()];
    for (const id of [child, done]) await tell(id, 'LinkTicket', { ticketId: parent, relation: 'child-of' });
    await first(parent, 'TicketLinked', ({ data }) => (data as { ticketId: string }).ticketId === done);
    await first(parent, 'TicketLinked', ({ data }) => (data as { ticketId: string }).ticketId === child);
    await tell(done, 'CancelTicket', { reason: 'mistake' });
    await tell(parent, 'DeclareMajorIncident', { reason: 'All floors' });
    await tell(parent, 'SendPublicReply', { text: 'A switch has failed' });
    await tell(parent, 'StandDownMajorIncident', { reason: 'Replaced' });
    await tell(parent, 'ResolveTicket', { category: 'network', article: 'KB-7', fix: 'New switch' });
    const resolved = await first(child, 'TicketResolved');
    expect(resolved.data).toEqual({ tier: 'L1', category: 'network', article: 'KB-7', fix: 'New switch', parent });
    expect((await eventsOf(child)).slice(2).map(({ type, data }) => [type, (data as { text?: string }).text])).toEqual([
      ['InternalNoteAdded', `The parent ${parent} was declared a major incident: All floors`],
      ['PublicReplySent', 'A switch has failed'],
      ['InternalNoteAdded', `The major incident of the parent ${parent} was stood down: Replaced`],
      ['TicketResolved', undefined],
    ]);
    expect(types(await eventsOf(done)).at(-1)).toBe('TicketCancelled');
    const { refused } = worker.policies().find(({ policy }) => policy === 'children-follow') ?? { refused: 0 };
    expect(refused).toBeGreaterThan(0);
  });
});

describe('touch time', () => {
  const start = (id: string, who: string) => tell(id, 'StartTouchTime', { agent: { id: who } });

  it('ends on a ticket when the agent begins on another one, as of then', async () => {
    const who = randomUUID();
    const [one, two, three] = [await open(), await open(), await open()];
    await start(one, who);
    await start(two, who);
    const begun = await first(two, 'TouchTimeStarted');
    const stopped = await first(one, 'TouchTimeStopped');
    expect(stopped.metadata.effectiveAt).toBe(begun.metadata.effectiveAt);
    // Work that is begun without touch time ends it, too: whether it runs elsewhere is known moments after it began.
    await eventually(
      () => readAggregate(store, attention, who),
      ({ state }) => state?.on.some(({ ticketId }) => ticketId === two) === true,
    );
    await tell(three, 'StartWork', { agent: { id: who } });
    const worked = await first(three, 'WorkStarted');
    expect((await first(two, 'TouchTimeStopped')).metadata.effectiveAt).toBe(worked.metadata.effectiveAt);
  });

  it('takes off what was counted on another ticket before', async () => {
    const person = { id: randomUUID() };
    const now = Date.now();
    const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
    const opened = { effectiveAt: ago(90) };
    const [one, two] = [await open('Cannot print', opened), await open('Cannot scan', opened)];
    const between = async (id: string, from: string, until: string) => {
      await tell(id, 'StartTouchTime', { agent: person, effectiveAt: from });
      await tell(id, 'StopTouchTime', { agent: person, effectiveAt: until });
    };
    await between(one, ago(60), ago(40));
    await eventually(
      () => readAggregate(store, attention, person.id),
      ({ state }) => state?.counted?.length === 1,
    );
    await between(two, ago(50), ago(30));
    const deducted = await first(two, 'TouchTimeDeducted');
    expect(deducted.data).toMatchObject({ tier: 'L1', agent: person, seconds: 600 });
  });

  it('ends when the agent leaves or becomes absent, as of then', async () => {
    const [left, absent] = [randomUUID(), randomUUID()];
    for (const id of [left, absent]) await sendTo(agent, id, 'RegisterAgent', { name: id });
    const id = await open();
    for (const who of [left, absent]) await start(id, who);
    await sendTo(agent, left, 'OffboardAgent', {});
    await sendTo(agent, absent, 'PlanAbsence', { reason: 'Ill' });
    const ofAgent = (who: string) => (event: StoredEvent) => (event.data as { agent: { id: string } }).agent.id === who;
    for (const who of [left, absent]) await first(id, 'TouchTimeStopped', ofAgent(who));
  });
});

describe('a runbook on a ticket', () => {
  it('has a runner perform its step, whose answer ticks it off, and solves the ticket once completed', async () => {
    const id = `KB-${randomUUID()}`;
    const steps = [{ title: 'Restart', runner: { action: 'restart-service', input: { service: 'spooler' } } }, { title: 'Print a page' }];
    await sendTo(article, id, 'DraftArticle', { article: id, title: 'Queue', text: 't', visibility: 'desk', steps });
    await sendTo(article, id, 'ReviewArticle', {});
    await sendTo(article, id, 'PublishArticle', {});
    const ticketId = await open();
    await tell(ticketId, 'StartRunbook', { article: id });
    const { run } = (await first(ticketId, 'RunbookStarted')).data as { run: string };
    const task = deterministicId('runbook-step', run, '1');
    const asked = await eventually(
      () => readAggregate(store, automation, task),
      ({ state }) => state !== null,
    );
    expect(asked.state).toMatchObject({ status: 'waiting', ticketId, action: 'restart-service', runbook: { run, step: 1 } });
    await sendTo(automation, task, 'ClaimAutomationTask', { leaseSeconds: 300 });
    await sendTo(automation, task, 'AnswerAutomationTask', { outcome: 'done', output: 'listening' });
    expect((await first(ticketId, 'DiagnosticStepRecorded')).data).toMatchObject({
      action: 'Restart',
      outcome: 'listening',
      runbook: { run, step: 1, result: 'done' },
    });
    await tell(ticketId, 'TickRunbookStep', { step: 2, result: 'done', outcome: 'It prints' });
    await tell(ticketId, 'ResolveTicket', { category: 'printing' });
    await eventually(
      () => readAggregate(store, article, id),
      ({ state }) => state?.solved === 1,
    );
  });
});

describe('a task for a runner', () => {
  it('becomes a diagnostic step of its ticket, or a note if it failed', async () => {
    const ticketId = await open();
    const task = randomUUID();
    await sendTo(automation, task, 'AskRunner', { ticketId, action: 'restart-service' });
    await sendTo(automation, task, 'ClaimAutomationTask', { leaseSeconds: 300 });
    await sendTo(automation, task, 'AnswerAutomationTask', { outcome: 'failed', output: 'spooler: will not start' });
    expect((await first(ticketId, 'DiagnosticStepRecorded')).data).toMatchObject({
      action: 'restart-service (Ada)',
      outcome: 'spooler: will not start',
    });
    expect((await first(ticketId, 'InternalNoteAdded')).data).toMatchObject({ text: expect.stringContaining('a person must see to it') });
  });
});

describe('an alert', () => {
  it('opens a ticket without fields unknown to its contract, and resolves it', async () => {
    const tellContract = { client, terms: { services: { mail: [] } } };
    const sent = () => {
      const commandId = randomUUID();
      return { commandId, actor: ada, correlationId: commandId, causationId: commandId };
    };
    await runSystemCommand(store, { aggregate: contract, id: client, name: 'AgreeContract', body: tellContract, context: sent() });
    const of = { client, source: 'prometheus', key: randomUUID() };
    const id = alertId(of);
    const opening = {
      client,
      kind: 'incident',
      summary: 'Disk full',
      reporter: { id: 'alert-source:prometheus' },
      channel: 'monitoring',
      impact: 'low',
      urgency: 'low',
      service: 'files',
    } as const;
    const deliver = async (...alerts: readonly object[]) => {
      const body = { ...of, onResolve: 'resolve', truncatedAlerts: 0, alerts } as never;
      const done = await runSystemCommand(store, { aggregate: alert, id, name: 'RecordAlerts', body, context: sent() });
      if (isRefusal(done)) throw new Error(JSON.stringify(done));
    };
    const fact = { fingerprint: 'a', startsAt: instantFrom(0), opening };
    await deliver({ ...fact, status: 'firing' });
    const { state } = await readAggregate(store, alert, id);
    const ticketId = state?.ticketId ?? '';
    const opened = await first(ticketId, 'TicketOpened');
    expect(opened.data).toMatchObject({ summary: 'Disk full', channel: 'monitoring' });
    expect(opened.data).not.toHaveProperty('service');
    await deliver({ ...fact, status: 'resolved', endsAt: instantFrom(60_000) });
    expect((await first(ticketId, 'TicketResolved')).data).toMatchObject({ alert: id, fix: expect.stringContaining('fires no more') });
    expect((await readAggregate(store, alert, id)).state).toMatchObject({ firing: false, decision: 'resolved' });
  });
});

describe('many tickets about a service', () => {
  it('are a major incident: children of the first, which get broadcasts, including a later one', async () => {
    const hit = `${client}-hit`;
    const sent = () => {
      const commandId = randomUUID();
      return { commandId, actor: ada, correlationId: commandId, causationId: commandId };
    };
    const terms = { majorIncidents: { rule: { tickets: 2, within: DAY, then: 'declare' } } };
    await runSystemCommand(store, { aggregate: contract, id: hit, name: 'AgreeContract', body: { client: hit, terms }, context: sent() });
    const about = (service: string) => open('No print', { client: hit, service });
    const [parent, other, child] = [await about('printing'), await about('mail'), await about('printing')];
    await first(parent, 'MajorIncidentDeclared');
    expect((await first(child, 'TicketLinked')).data).toMatchObject({ ticketId: parent, relation: 'child-of' });
    const id = majorIncidentId(parent);
    const tellIncident = async <Name extends keyof MajorIncidentCommands>(name: Name, body: MajorIncidentCommands[Name]) => {
      const done = await runSystemCommand(store, { aggregate: majorIncident, id, name, body, context: sent() });
      if (isRefusal(done)) throw new Error(JSON.stringify(done));
    };
    await first(parent, 'TicketLinked');
    await tellIncident('BroadcastUpdate', { text: 'Back soon' });
    const late = await about('printing');
    for (const told of [parent, child, late]) expect((await first(told, 'PublicReplySent')).data).toMatchObject({ text: 'Back soon' });
    await tellIncident('EndMajorIncident', { reason: 'Works again' });
    expect((await first(parent, 'MajorIncidentStoodDown')).data).toEqual({ reason: 'Works again' });
    expect(types(await eventsOf(other))).toEqual(['TicketOpened']);
    expect((await readAggregate(store, majorIncident, id)).state).toMatchObject({
      status: 'stood-down',
      tickets: [child, late],
      service: 'printing',
    });
  });
});

describe('a rule of a contract', () => {
  it('acts only on its own ticket', async () => {
    const ruled = `${client}-ruled`;
    const commandId = randomUUID();
    const rules = [
      {
        name: 'vpn',
        on: 'TicketOpened',
        if: [{ field: 'summary', contains: ['vpn'] }],
        then: [
          { do: 'triage', category: 'network/vpn' },
          { do: 'open', summary: 'Look at the VPN gateway', kind: 'service-request' },
        ],
      },
    ];
    const context = { commandId, actor: ada, correlationId: commandId, causationId: commandId };
    const body = { client: ruled, terms: { rules } };
    await runSystemCommand(store, {
      aggregate: contract,
      id: ruled,
      name: 'SimulateRules',
      body,
      context: { ...context, commandId: randomUUID() },
    });
    await runSystemCommand(store, { aggregate: contract, id: ruled, name: 'AgreeContract', body, context });
    const [about, other] = [await open('VPN drops', { client: ruled }), await open('No print', { client: ruled })];
    const triaged = await first(about, 'TicketTriaged');
    expect(triaged).toMatchObject({ data: { category: 'network/vpn' }, metadata: { actor: { id: 'policy:contract-rules' } } });
    const { ticketId } = (await first(about, 'TicketLinked')).data as { ticketId: string };
    // Its summary has the words of the rule: what rules open fires none.
    expect(types(await eventsOf(ticketId)).filter((type) => type === 'TicketTriaged')).toEqual([]);
    expect(types(await eventsOf(other))).toEqual(['TicketOpened']);
  });

  it("acts on a clock's event when it is recorded", async () => {
    const late = `${client}-late`;
    const rules = [
      { name: 'nearly', on: 'SlaThresholdReached', if: [{ field: 'percent', is: ['75'] }], then: [{ do: 'note', text: 'Nearly late' }] },
      { name: 'late', on: 'SlaBreached', if: [{ field: 'clock', is: ['response'] }], then: [{ do: 'note', text: 'Late' }] },
    ];
    const effectiveFrom = instantFrom(Date.now() - 2 * HOUR);
    const terms = { rules, quietTime: 0, tierTargets: {} };
    await sendTo(contract, late, 'SimulateRules', { client: late, terms });
    await sendTo(contract, late, 'AgreeContract', { client: late, effectiveFrom, terms });
    const effectiveAt = instantFrom(Date.now() - HOUR);
    const id = await open('No sound', { client: late, effectiveAt } as never);
    await sendTo(ticket, id, 'RecordSlaMoments', {});
    const notes = await eventually(
      async () => (await eventsOf(id)).filter(({ type }) => type === 'InternalNoteAdded'),
      (found) => found.length === 2,
    );
    expect(notes.map(({ data }) => (data as { text: string }).text)).toEqual(['Nearly late', 'Late']);
    const told = (await eventsOf(id)).filter(({ type }) => type === 'SlaThresholdReached' || type === 'SlaBreached');
    for (const { metadata } of notes) expect(told.map((one) => one.metadata.recordedAt)).toContain(metadata.effectiveAt);
  });
});
