import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { instantFrom, isRefusal, type StoredEvent, streamName } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { createLog } from '#platform';
import {
  agent,
  type AgentCommands,
  agentViews,
  contract,
  policies,
  type Shift,
  team,
  type TeamCommands,
  teamViews,
  type TicketCommandName,
  type TicketCommands,
  type Tier,
  ticket,
  ticketViews,
} from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { type TestStores, testStores } from '../../../test/stores.js';
import { Assigner } from './assigner.js';
import { startTimekeeper } from './timekeeper.js';
import { startWorker } from './worker.js';

let store: EventStoreDB;
let stores: TestStores;

beforeAll(async () => {
  stores = await testStores();
  store = stores.store;
  const { db } = stores.mongo;
  const log = createLog('silent');
  const worker = startWorker({ store, db, groups: [ticketViews, teamViews, agentViews], policies, log });
  stores.onClose(() => worker.stop());
  // Two, each with an assigner of its own, as beside a second worker: what they do at once must not count twice.
  for (const assigner of [new Assigner(store, db), new Assigner(store, db)]) {
    const timekeeper = startTimekeeper({ store, db, log, assigner, pollMs: 100 });
    stores.onClose(() => timekeeper.stop());
  }
});
afterAll(() => stores.close());

function sent() {
  const commandId = randomUUID();
  return { commandId, actor: { id: 'lead', kind: 'agent' as const }, correlationId: commandId, causationId: commandId };
}

function done(result: object): void {
  if (isRefusal(result)) throw new Error(JSON.stringify(result));
}

const always: readonly Shift[] = [{ name: 'always', zone: 'UTC', week: '24x7' }];

/** A client of its own whose tickets are assigned automatically, with teams that serve it alone. */
class Desk {
  readonly client = `client-${randomUUID()}`;

  static async open(): Promise<Desk> {
    const desk = new Desk();
    const body = { client: desk.client, terms: { assignment: 'automatic', categorySkills: { printer: ['printing'] } } };
    done(await runSystemCommand(store, { aggregate: contract, id: desk.client, name: 'AgreeContract', body, context: sent() }));
    return desk;
  }

  /** The name that an agent or a team of this desk has in the log. */
  id(name: string): string {
    return `${name}-${this.client}`;
  }

  async team<Name extends keyof TeamCommands>(id: string, name: Name, body: TeamCommands[Name]): Promise<void> {
    done(await runSystemCommand(store, { aggregate: team, id: this.id(id), name, body, context: sent() }));
  }

  async agent<Name extends keyof AgentCommands>(id: string, name: Name, body: AgentCommands[Name]): Promise<void> {
    done(await runSystemCommand(store, { aggregate: agent, id: this.id(id), name, body, context: sent() }));
  }

  async staff(team: string, members: readonly string[], { tiers = ['L1'] as readonly Tier[], shifts = always } = {}): Promise<void> {
    await this.team(team, 'DefineTeam', { name: team, tiers, clients: [this.client] });
    for (const member of members) {
      await this.agent(member, 'RegisterAgent', { name: member, skills: [member === 'ada' ? 'printing' : 'network'] });
      await this.team(team, 'AddTeamMember', { agent: this.id(member) });
    }
    await this.team(team, 'SetShifts', { shifts });
    await eventually(async () => {
      const [found] = await stores.mongo.db
        .collection('teams')
        .find({ team: this.id(team) })
        .toArray();
      const known = await stores.mongo.db
        .collection('agents')
        .find({ agent: { $in: members.map((member) => this.id(member)) } })
        .toArray();
      return JSON.stringify(found?.shifts) === JSON.stringify(shifts) && known.length === members.length;
    }, Boolean);
  }

  ticket(fields: object = {}): Promise<string> {
    return tell(undefined, 'OpenTicket', {
      client: this.client,
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact: 'low',
      urgency: 'low',
      ...fields,
    });
  }

  /** Who has a ticket, by the name at this desk. */
  async owner(ticketId: string): Promise<string | undefined> {
    let owner: string | undefined;
    for (const { type, data } of await eventsOf(ticketId)) {
      if (type === 'TicketAssigned') owner = (data as { assignee?: { name: string } }).assignee?.name;
      if (type === 'TicketUnassigned') owner = undefined;
    }
    return owner;
  }
}

async function tell<Name extends TicketCommandName>(ticketId: string | undefined, name: Name, body: TicketCommands[Name]): Promise<string> {
  const result = await runSystemCommand(store, { aggregate: ticket, id: ticketId, name, body, context: sent() });
  if (isRefusal(result)) throw new Error(JSON.stringify(result));
  return result.id;
}

async function eventsOf(ticketId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.readStream(streamName(ticket, ticketId))) events.push(event);
  return events;
}

const types = async (ticketId: string) => (await eventsOf(ticketId)).map(({ type }) => type);

describe('automatic assignment', () => {
  it('spreads tickets opened together over the people present, and records the criterion', async () => {
    const desk = await Desk.open();
    await desk.staff('desk', ['ada', 'grace', 'henrik']);
    const tickets = await Promise.all(Array.from({ length: 12 }, () => desk.ticket()));
    for (const id of tickets) await eventually(async () => (await desk.owner(id)) !== undefined, Boolean);
    const owners = await Promise.all(tickets.map((id) => desk.owner(id)));
    expect(['ada', 'grace', 'henrik'].map((name) => owners.filter((owner) => owner === name).length)).toEqual([4, 4, 4]);
    const [opened, assigned] = await eventsOf(tickets[0] as string);
    expect(assigned).toMatchObject({
      type: 'TicketAssigned',
      data: { tier: 'L1', team: desk.id('desk'), automatic: { candidates: 3, shift: 'always', skills: [] } },
      metadata: { actor: { id: 'policy:automatic-assignment', kind: 'system' }, causationId: opened?.id },
    });
  });

  it('asks for skills, goes where the work goes, and leaves manual contracts alone', async () => {
    const desk = await Desk.open();
    await desk.staff('desk', ['ada', 'grace']);
    await desk.staff('experts', ['yuki'], { tiers: ['L2'] });
    const printer = await desk.ticket({ category: 'printer/fuser' });
    await eventually(async () => (await desk.owner(printer)) === 'ada', Boolean);
    const handoff = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
    await tell(printer, 'EscalateToTier', { tier: 'L2', reason: 'r', handoff });
    await eventually(async () => (await types(printer)).at(-1) === 'AssignmentFoundNobody', Boolean);
    expect((await eventsOf(printer)).at(-1)?.data).toEqual({
      tier: 'L2',
      because: 'nobody-skilled',
      // On a shared server others have teams for all clients.
      teams: expect.arrayContaining([desk.id('experts')]),
      skills: ['printing'],
    });
    await desk.agent('yuki', 'RegisterAgent', { name: 'yuki', skills: ['Printing'] });
    await eventually(async () => (await desk.owner(printer)) === 'yuki', Boolean);
    expect((await types(printer)).filter((type) => type === 'AssignmentFoundNobody')).toHaveLength(1);

    const manual = await desk.ticket({ client: `manual-${randomUUID()}` });
    const later = await desk.ticket();
    await eventually(async () => (await desk.owner(later)) !== undefined, Boolean);
    expect(await types(manual)).toEqual(['TicketOpened']);
  });

  it('and simultaneous claims leave one owner', async () => {
    const desk = await Desk.open();
    await desk.staff('desk', ['ada']);
    const tickets = await Promise.all(Array.from({ length: 8 }, () => desk.ticket()));
    const claims = await Promise.all(
      tickets.map((ticketId) =>
        runSystemCommand(store, {
          aggregate: ticket,
          id: ticketId,
          name: 'ClaimTicket',
          body: { agent: { id: 'grace', name: 'grace' } },
          context: sent(),
        }),
      ),
    );
    for (const [index, ticketId] of tickets.entries()) {
      await eventually(async () => (await desk.owner(ticketId)) !== undefined, Boolean);
      expect(await types(ticketId)).toEqual(['TicketOpened', 'TicketAssigned']);
      const claim = claims[index] as object;
      if (isRefusal(claim)) expect(claim).toMatchObject({ refused: 'already-claimed', message: expect.stringContaining('ada') as unknown });
      expect(await desk.owner(ticketId)).toBe(isRefusal(claim) ? 'ada' : 'grace');
    }
  });
});

describe('a view that is behind', () => {
  it('assigns nothing to someone who has left: the log is checked', async () => {
    const desk = await Desk.open();
    await desk.staff('desk', ['ada', 'grace']);
    await desk.agent('ada', 'OffboardAgent', {});
    const agentsView = stores.mongo.db.collection('agents');
    await eventually(async () => (await agentsView.countDocuments({ agent: desk.id('ada'), active: false })) === 1, Boolean);
    // As it was before.
    await agentsView.updateOne({ agent: desk.id('ada') }, { $set: { active: true } });
    const tickets = [await desk.ticket(), await desk.ticket()];
    for (const id of tickets) await eventually(async () => (await desk.owner(id)) === 'grace', Boolean);
    expect(await types(tickets[0] as string)).toEqual(['TicketOpened', 'TicketAssigned']);
  });
});

describe('the tickets of somebody who goes away', () => {
  it('go to someone else when the agent leaves, with the reason', async () => {
    const desk = await Desk.open();
    await desk.staff('desk', ['ada']);
    const [open, resolved] = [await desk.ticket(), await desk.ticket()];
    for (const id of [open, resolved]) await eventually(async () => (await desk.owner(id)) === 'ada', Boolean);
    await tell(open, 'StartWork', { agent: { id: desk.id('ada') } });
    await tell(resolved, 'ResolveTicket', { category: 'c', article: 'a' });
    await desk.staff('relief', ['grace']);
    await desk.agent('ada', 'OffboardAgent', {});
    await eventually(async () => (await desk.owner(open)) === 'grace', Boolean);
    // Resolved, it stayed with who is gone now; it does not when it comes back.
    await tell(resolved, 'ReopenTicket', { reason: 'Again' });
    await eventually(async () => (await desk.owner(resolved)) === 'grace', Boolean);
    const [, , , unassigned, assigned] = await eventsOf(open);
    expect(unassigned).toMatchObject({
      type: 'TicketUnassigned',
      data: { tier: 'L1', assignee: { id: desk.id('ada') }, because: 'left', reason: 'Has left the desk' },
      metadata: { actor: { id: 'policy:tickets-of-the-away' } },
    });
    expect(assigned).toMatchObject({ data: { team: desk.id('relief'), automatic: { rule: 'only-candidate' } } });
    expect((await types(resolved)).slice(2)).toEqual(['TicketResolved', 'TicketReopened', 'TicketUnassigned', 'TicketAssigned']);
  });

  it('are also taken from someone who has left, if a late fact assigned them', async () => {
    const desk = await Desk.open();
    await desk.staff('desk', ['ada']);
    await desk.agent('ada', 'PlanAbsence', { reason: 'Lunch' });
    const ticketId = await desk.ticket();
    const effectiveAt = instantFrom(Date.now());
    await desk.staff('relief', ['grace'], { tiers: ['L2'] });
    await desk.agent('ada', 'OffboardAgent', {});
    await tell(ticketId, 'ClaimTicket', { agent: { id: desk.id('ada') }, effectiveAt });
    await eventually(async () => (await types(ticketId)).includes('TicketUnassigned'), Boolean);
    expect(await desk.owner(ticketId)).toBeUndefined();
  });

  it('go to someone else when an absence that requests it begins; other absences change nothing', async () => {
    const desk = await Desk.open();
    await desk.staff('desk', ['ada']);
    const ticket = await desk.ticket();
    await eventually(async () => (await desk.owner(ticket)) === 'ada', Boolean);
    await desk.agent('ada', 'PlanAbsence', { reason: 'Lunch' });
    await desk.agent('ada', 'EndAbsence', {});
    await desk.agent('ada', 'PlanAbsence', { from: instantFrom(Date.now() + 100), reason: 'Ill', handBack: true });
    await eventually(async () => (await types(ticket)).includes('AssignmentFoundNobody'), Boolean);
    await desk.agent('ada', 'EndAbsence', {});
    await eventually(async () => (await desk.owner(ticket)) === 'ada', Boolean);
    expect((await eventsOf(ticket)).slice(2)).toMatchObject([
      { type: 'TicketUnassigned', data: { because: 'absent', reason: 'Is absent' } },
      { type: 'AssignmentFoundNobody', data: { because: 'all-absent' } },
      { type: 'TicketAssigned' },
    ]);
  });

  it('of a team are taken from an agent who leaves the team; those of other teams stay', async () => {
    const desk = await Desk.open();
    await desk.staff('one', ['ada']);
    const ofOne = await desk.ticket();
    await eventually(async () => (await desk.owner(ofOne)) === 'ada', Boolean);
    await desk.staff('two', ['ada'], { tiers: ['L2'] });
    const ofTwo = await desk.ticket({ tier: 'L2', entryReason: 'Known to L2' });
    await eventually(async () => (await desk.owner(ofTwo)) === 'ada', Boolean);
    await desk.team('one', 'RemoveTeamMember', { agent: desk.id('ada') });
    await eventually(async () => (await types(ofOne)).includes('AssignmentFoundNobody'), Boolean);
    expect((await eventsOf(ofOne)).slice(2)).toMatchObject([
      { type: 'TicketUnassigned', data: { because: 'removed-from-team' } },
      { type: 'AssignmentFoundNobody', data: { because: 'no-members' } },
    ]);
    expect(await types(ofTwo)).toEqual(['TicketOpened', 'TicketAssigned']);
  });
});

describe('a ticket that found nobody', () => {
  it('records this once, and is assigned to the next person on shift', async () => {
    const desk = await Desk.open();
    // Half a day from now, by the wall clock of UTC: nobody is there until the shifts change.
    const noon = new Date(Date.now() + 12 * 3_600_000);
    const hour = String(noon.getUTCHours()).padStart(2, '0');
    const day = noon.toLocaleDateString('en', { weekday: 'long', timeZone: 'UTC' }).toLowerCase();
    const away: readonly Shift[] = [{ name: 'later', zone: 'UTC', week: { [day]: [{ from: `${hour}:00`, to: `${hour}:59` }] } }];
    await desk.staff('desk', ['ada'], { shifts: away });
    const ticket = await desk.ticket();
    await eventually(async () => (await types(ticket)).includes('AssignmentFoundNobody'), Boolean);
    expect((await eventsOf(ticket)).at(-1)?.data).toMatchObject({
      because: 'nobody-on-shift',
      retryAt: expect.stringContaining(`T${hour}:00`) as unknown,
    });
    await desk.team('desk', 'DefineTeam', { name: 'Renamed', tiers: ['L1'], clients: [desk.client] });
    await desk.agent('ada', 'PlanAbsence', { reason: 'Lunch' });
    await desk.agent('ada', 'EndAbsence', {});
    await desk.team('desk', 'SetShifts', { shifts: always });
    await eventually(async () => (await desk.owner(ticket)) === 'ada', Boolean);
    expect(await types(ticket)).toEqual(['TicketOpened', 'AssignmentFoundNobody', 'TicketAssigned']);
  });

  it('is given to whoever comes back when the absence is over', async () => {
    const desk = await Desk.open();
    await desk.staff('desk', ['ada']);
    // On a busy machine it may be over before it is planned, which is refused.
    const back = await eventually(async () => {
      const until = instantFrom(Date.now() + 1_000);
      await desk.agent('ada', 'PlanAbsence', { until, reason: 'Training' });
      return until;
    });
    const ticket = await desk.ticket();
    await eventually(async () => (await desk.owner(ticket)) === 'ada', Boolean);
    const { recordedAt } = (await eventsOf(ticket)).at(-1)?.metadata ?? { recordedAt: '' };
    expect(recordedAt >= back).toBe(true);
  });
});
