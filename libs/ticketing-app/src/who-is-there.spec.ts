import { randomUUID } from 'node:crypto';
import { isRefusal } from '#eventsourcing';
import { type Aggregate, type CommandsOf } from '#eventsourcing';
import { agent, contract, defaultContract, type EscalationTarget, onCall, team, ticket } from '#ticketing';
import { type TestEvents, testEvents } from '../../../test/stores.js';
import { runSystemCommand } from './run-command.js';

let events: TestEvents;
beforeAll(async () => {
  events = await testEvents();
});
afterAll(() => events?.close());

async function run<Of extends Aggregate, Name extends keyof CommandsOf<Of>>(
  aggregate: Of,
  id: string | undefined,
  name: Name,
  body: CommandsOf<Of>[Name],
) {
  const commandId = randomUUID();
  const context = { commandId, actor: { id: 'lead', kind: 'agent' as const }, correlationId: commandId, causationId: commandId };
  const result = await runSystemCommand(events.store, { aggregate, id, name, body, context });
  if (isRefusal(result)) throw new Error(JSON.stringify(result));
  return result;
}

/** Names that no other spec uses. */
const [ada, grace, henrik, ida, full, left, away, others, unknown, night, alone, kim, lou] = Array.from({ length: 13 }, () =>
  randomUUID(),
) as [string, string, string, string, string, string, string, string, string, string, string, string, string];
const person = (id: string): EscalationTarget => ({ kind: 'person', person: { id } });
const ofTeam = (name: string): EscalationTarget => ({ kind: 'team', team: name });

describe('who is told by a step', () => {
  it('is someone present, according to the log', async () => {
    for (const id of [ada, grace, henrik, ida, kim, lou]) await run(agent, id, 'RegisterAgent', { name: id });
    await run(agent, grace, 'OffboardAgent', {});
    await run(agent, henrik, 'PlanAbsence', { reason: 'Leave', deputy: ida });
    await run(agent, ida, 'PlanAbsence', { reason: 'Leave', deputy: ada });
    await run(agent, kim, 'PlanAbsence', { reason: 'Leave', deputy: lou });
    for (const [name, members] of [
      [full, [grace, ada]],
      [left, [grace]],
      [away, [grace, henrik]],
    ] as const) {
      await run(team, name, 'DefineTeam', { name, tiers: ['L1'] });
      for (const member of members) await run(team, name, 'AddTeamMember', { agent: member });
    }
    await run(team, others, 'DefineTeam', { name: others, tiers: ['L1'], clients: [randomUUID()] });
    await run(team, others, 'AddTeamMember', { agent: ada });
    const turns = {
      people: [grace, henrik, unknown].map((id) => ({ id })),
      zone: 'UTC',
      startsOn: '2026-01-05',
      handOverAt: '00:00',
      days: 366,
    };
    await run(onCall, night, 'SetOnCallRotations', { schedule: night, rotations: [turns] });
    await run(onCall, alone, 'SetOnCallRotations', { schedule: alone, rotations: [{ ...turns, people: [{ id: kim }] }] });

    const targets: EscalationTarget[] = [
      ...[ada, grace, henrik, unknown].map(person),
      ...[full, left, away, others, unknown].map(ofTeam),
      { kind: 'on-call', schedule: night },
      { kind: 'on-call', schedule: alone },
      { kind: 'on-call', schedule: unknown },
    ];
    const client = randomUUID();
    const policy = { name: 'p', trigger: { on: 'opened' as const }, steps: [{ after: 0, targets }] };
    await run(contract, client, 'AgreeContract', { client, terms: { ...defaultContract, escalationPolicies: [policy] } });
    const { id } = await run(ticket, undefined, 'OpenTicket', {
      client,
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact: 'low',
      urgency: 'low',
    });

    const [step] = (await run(ticket, id, 'RunEscalations', {})).events;
    expect(step).toMatchObject({
      type: 'EscalationStepDispatched',
      data: {
        targets: [person(ada), person(unknown), ofTeam(full), ofTeam(unknown), person(lou)],
        passedOver: [
          { target: person(grace), because: 'left' },
          { target: person(henrik), because: 'absent' },
          { target: ofTeam(left), because: 'no-members' },
          { target: ofTeam(away), because: 'all-absent' },
          { target: { kind: 'on-call', schedule: unknown }, because: 'nobody-on-call' },
          { target: ofTeam(others), because: 'not-of-client' },
        ],
      },
    });
  });
});
