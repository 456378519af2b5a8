import type { Aggregate } from '#eventsourcing';
import { aggregates } from '../desk/aggregates.js';
import { agent } from '../desk/agent.js';
import { team } from '../desk/team.js';
import { contract } from '../contract/contract-agreement.js';
import { credential } from '../identity/credential.js';
import { actorOf, OPERATOR, type Principal, type Role } from '../identity/principal.js';
import { ticketFilter } from '../ticket/ticket-filter.js';
import { ticket } from '../ticket/ticket.js';
import { commandAccess, commandGrant } from './command-access.js';
import { queryAccess, type QueryName, queryScope } from './query-access.js';

const who = (role: Role, more: Partial<Principal> = {}): Principal => ({
  kind: 'person',
  id: 'ada',
  roles: [role],
  clients: ['northwind'],
  tiers: ['L1'],
  teams: [],
  ...more,
});
const mine = { client: 'northwind', reporter: { id: 'ada' }, tier: 'L2', work: { status: 'open' }, consultations: [] };
const others = { ...mine, reporter: { id: 'bob' } };
const sent = (principal: Principal, name: string, body: object = {}, aggregate: Aggregate = ticket, id = 't') =>
  commandGrant({ aggregate, name, principal, actor: actorOf(principal), id, body });

/** What becomes of a command to an aggregate in a state. */
function outcome(grant: ReturnType<typeof commandGrant>, state: unknown): 'done' | 'forbidden' | 'not there' {
  if ('refused' in grant) return 'forbidden';
  if (!grant.sees(state)) return 'not there';
  return grant.refuses(state) === undefined ? 'done' : 'forbidden';
}

describe('the table of commands', () => {
  it('has a row for each command of each aggregate, and no other', () => {
    for (const { category, commands } of aggregates as readonly Aggregate[])
      expect([category, Object.keys(commandAccess[category] ?? {}).sort()]).toEqual([category, Object.keys(commands).sort()]);
    expect(Object.keys(commandAccess).sort()).toEqual((aggregates as readonly Aggregate[]).map(({ category }) => category).sort());
  });

  it('opens every route to administrators, none to auditors, and what has no route to nobody', () => {
    for (const { category, commands } of aggregates as readonly Aggregate[]) {
      for (const [name, { route }] of Object.entries(commands)) {
        const roles = Object.keys(commandAccess[category]?.[name] ?? {});
        // The API makes the secrets of keys and links, and what is suggested for a question, and sends the commands itself.
        if (route !== undefined || ['IssueCredential', 'IssueAccountLink', 'RecordQuestion'].includes(name))
          expect([name, roles]).toEqual([name, expect.arrayContaining(['administrator'])]);
        else expect([name, roles]).toEqual([name, []]);
        // Auditors change nothing but that they are logged in.
        if (name !== 'EndSession') expect(roles).not.toContain('auditor');
      }
    }
  });

  it('says which roles would do, whether or not the thing is there', () => {
    expect(sent(who('auditor'), 'StandDownMajorIncident')).toMatchObject({
      refused: 'forbidden',
      message: 'This requires the role lead, or administrator',
    });
    expect(sent(who('requester'), 'ResolveTicket')).toMatchObject({
      message: 'This requires the role agent (for tickets of their tiers), or lead, or administrator',
    });
    expect(sent(who('administrator'), 'AbsorbTicket')).toMatchObject({ message: 'Only the system itself may do this' });
  });

  it.each<[string, Principal, string, unknown, ReturnType<typeof outcome>]>([
    ['a requester answers for their own ticket', who('requester'), 'RecordRequesterReply', mine, 'done'],
    ['a requester does not learn of others', who('requester'), 'RecordRequesterReply', others, 'not there'],
    ['an agent works at their tier', who('agent', { tiers: ['L2'] }), 'ResolveTicket', others, 'done'],
    ['an agent does not work at another tier', who('agent'), 'ResolveTicket', others, 'forbidden'],
    ['who has a ticket works on it', who('agent'), 'ResolveTicket', { ...others, assignee: { id: 'ada' } }, 'done'],
    [
      'a tier takes back what it handed over',
      who('agent'),
      'AcceptEscalation',
      { ...others, work: { status: 'escalated', handedOver: { from: 'L1' } } },
      'done',
    ],
    ['a tier answers what it is asked', who('agent'), 'AnswerConsultation', { ...others, consultations: [{ tier: 'L1' }] }, 'done'],
    ['a lead works at every tier', who('lead'), 'ResolveTicket', others, 'done'],
    ['a lead does not learn of other clients', who('lead', { clients: ['contoso'] }), 'ResolveTicket', mine, 'not there'],
    ['an administrator of one client is that', who('administrator', { clients: ['contoso'] }), 'ResolveTicket', mine, 'not there'],
    ['an assistant takes notes', who('assistant'), 'AddInternalNote', others, 'done'],
    ['an assistant tells the requester nothing', who('assistant'), 'SendPublicReply', others, 'forbidden'],
    ['roles add up', who('assistant', { roles: ['assistant', 'lead'] }), 'SendPublicReply', others, 'done'],
    ['the system does what nobody asks for', OPERATOR, 'AbsorbTicket', others, 'done'],
  ])('%s', (_case, principal, name, state, expected) => {
    expect(outcome(sent(principal, name), state)).toBe(expected);
  });

  it.each<[string, Role, string, boolean, boolean, ReturnType<typeof outcome>]>([
    ['a requester', 'requester', 'OpenTicket', true, false, 'forbidden'],
    ['a service', 'service', 'OpenTicket', true, false, 'forbidden'],
    ['an assistant', 'assistant', 'OpenTicket', true, false, 'forbidden'],
    ['an agent', 'agent', 'OpenTicket', true, false, 'done'],
    ['a requester', 'requester', 'OpenTicket', false, false, 'done'],
    ['a service', 'service', 'OpenTicket', false, false, 'done'],
    ['an assistant', 'assistant', 'TriageTicket', true, false, 'forbidden'],
    ['an assistant', 'assistant', 'TriageTicket', true, true, 'done'],
    ['an agent', 'agent', 'TriageTicket', true, false, 'done'],
    ['an agent', 'agent', 'TriageTicket', false, true, 'forbidden'],
    ['an agent', 'agent', 'TriageTicket', false, false, 'done'],
    ['a lead', 'lead', 'TriageTicket', false, true, 'done'],
  ])('major incidents are declared and stood down by who may: %s (%s), %s with majorIncident %s, of one that is: %s', (...row) => {
    const [, role, name, majorIncident, isMajor, expected] = row;
    const body = { client: 'northwind', reporter: { id: 'ada' }, majorIncident };
    const state = name === 'OpenTicket' ? null : { ...others, tier: 'L1', majorIncident: isMajor };
    expect(outcome(sent(who(role), name, body), state)).toBe(expected);
  });

  it('opens tickets for clients of one’s own alone, whether or not there is such a client', () => {
    const opening = (principal: Principal, client: string, reporter: string) =>
      outcome(sent(principal, 'OpenTicket', { client, reporter: { id: reporter } }), null);
    expect(opening(who('agent'), 'northwind', 'bob')).toBe('done');
    expect(opening(who('agent'), 'contoso', 'bob')).toBe('forbidden');
    expect(opening(who('requester'), 'northwind', 'ada')).toBe('done');
    expect(opening(who('requester'), 'northwind', 'bob')).toBe('forbidden');
    expect(outcome(sent(who('administrator'), 'AgreeContract', { terms: {} }, contract, 'contoso'), null)).toBe('forbidden');
  });

  it.each<[string, readonly string[] | 'all', object, object | null, ReturnType<typeof outcome>]>([
    ['a team of one’s client', ['northwind'], { clients: ['northwind'] }, null, 'done'],
    ['a team of another client', ['northwind'], { clients: ['contoso'] }, null, 'forbidden'],
    ['a team under the name of one of another client', ['northwind'], { clients: ['northwind'] }, { clients: ['contoso'] }, 'not there'],
    ['a team that another client shares', ['northwind'], { clients: ['northwind'] }, { clients: ['contoso', 'northwind'] }, 'forbidden'],
    ['a team of the whole desk', ['northwind'], {}, {}, 'done'],
    ['a team that the whole desk had, for one’s client alone', ['northwind'], { clients: ['northwind'] }, {}, 'forbidden'],
    ['any team with all clients', 'all', { clients: ['northwind'] }, {}, 'done'],
  ])('lets leads define %s: of %j', (_what, clients, body, state, expected) => {
    for (const role of ['lead', 'administrator'] as const)
      expect(outcome(sent(who(role, { clients }), 'DefineTeam', body, team, 'network'), state)).toBe(expected);
  });

  it('keeps shifts and members of another client’s team, and filters of another client', () => {
    for (const name of ['SetShifts', 'AddTeamMember', 'RemoveTeamMember']) {
      expect(outcome(sent(who('lead'), name, {}, team), { clients: ['contoso'] })).toBe('not there');
      expect(outcome(sent(who('lead'), name, {}, team), { clients: ['northwind'] })).toBe('done');
      expect(outcome(sent(who('lead'), name, {}, team), {})).toBe('done');
    }
    const filter = (client?: string) => ({ query: client === undefined ? {} : { client } });
    const save = (before: unknown, client?: string) =>
      outcome(sent(who('agent'), 'SaveTicketFilter', filter(client), ticketFilter), before);
    expect([save(null, 'northwind'), save('deleted', 'northwind'), save(filter('northwind'))]).toEqual(['done', 'done', 'done']);
    expect([save(filter('contoso'), 'northwind'), save(null, 'contoso'), save(filter(), 'northwind')]).toEqual([
      'not there',
      'forbidden',
      'forbidden',
    ]);
    expect(outcome(sent(who('agent'), 'DeleteTicketFilter', {}, ticketFilter), filter('contoso'))).toBe('not there');
  });

  it('keeps keys of who sees more clients', () => {
    const revoke = (clients: readonly string[] | 'all') =>
      outcome(sent(who('administrator'), 'RevokeCredential', {}, credential), { principal: { clients } });
    expect([revoke(['northwind']), revoke([]), revoke(['northwind', 'contoso']), revoke('all')]).toEqual([
      'done',
      'done',
      'not there',
      'not there',
    ]);
  });

  it('lets agents plan their own absences', () => {
    expect(outcome(sent(who('agent'), 'PlanAbsence', {}, agent, 'ada'), {})).toBe('done');
    expect(outcome(sent(who('agent'), 'PlanAbsence', {}, agent, 'bob'), {})).toBe('forbidden');
  });
});

describe('the table of queries', () => {
  it('shows requesters their own tickets, and nothing of the desk', () => {
    expect(queryScope(who('requester'), 'tickets')).toEqual({ clients: ['northwind'], reporter: 'ada' });
    expect(queryScope(who('requester'), 'tickets', 'bob')).toMatchObject({ reporter: 'bob' });
    expect(queryScope(who('requester', { roles: ['requester', 'agent'] }), 'tickets')).toEqual({ clients: ['northwind'] });
    for (const name of ['ticket', 'history', 'queue', 'slaBoard', 'events', 'reactions'] as const)
      expect(queryScope(who('requester'), name)).toMatchObject({ refused: 'forbidden' });
  });

  it('shows auditors and administrators everything of their clients', () => {
    // Whoever has the secret of a webhook can pass for us; mail and alerts are for those who bring them.
    const apart: readonly QueryName[] = ['webhookSecret', 'takeMail', 'takeAlerts', 'nextAutomationTask', 'mailAside'];
    for (const name of (Object.keys(queryAccess) as QueryName[]).filter((one) => !apart.includes(one)))
      for (const role of ['auditor', 'administrator'] as const) expect(queryScope(who(role), name)).toEqual({ clients: ['northwind'] });
  });
});
