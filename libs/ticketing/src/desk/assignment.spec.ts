import type { Instant } from '#eventsourcing';
import type { Agent } from './agent.js';
import { ASSIGNMENT_RULES } from '../vocabulary.js';
import type { AssignmentChoice } from '../events/assignment.js';
import { type AssignmentRequest, assignmentRequest } from '../ticket/assignment-request.js';
import { candidatesFor, chooseAgent, nextRosterMoment, type Workload } from './assignment.js';
import { automaticAssignment, ticketsOfTheAway } from './assignment-policies.js';
import { whyAssigned } from './assignment-why.js';
import { contractSchema, defaultContract, termsOf } from '../contract/contract.js';
import { faultsOf } from '../schema.js';
import type { Shift, Team } from './team.js';
import { at, Life, pin } from '../testing/ticket-life.js';
import type { Ticket } from '../events/ticket.js';

/** Monday, 23 November 2026 in UTC. */
const monday = (time: string): Instant => `2026-11-23T${time}:00.000Z` as Instant;
const agentOf = (id: string, ...skills: string[]): Agent => ({ agent: id, name: id.toUpperCase(), skills, active: true, absences: [] });
const officeIn = (zone: string): Shift => ({ name: `office ${zone}`, zone, week: { monday: [{ from: '09:00', to: '17:00' }] } });
const teamOf = (id: string, members: readonly string[], more: Partial<Team> = {}): Team => ({
  team: id,
  name: id,
  tiers: ['L1'],
  members,
  shifts: [{ name: 'always', zone: 'UTC', week: '24x7' }],
  ...more,
});
const request = (more: Partial<AssignmentRequest> = {}): AssignmentRequest => ({ client: 'northwind', tier: 'L1', skills: [], ...more });
const ids = (found: ReturnType<typeof candidatesFor>) =>
  'because' in found ? found : found.map(({ agent, team }) => `${agent.id} ${team}`);

describe('who could be given a ticket', () => {
  const agents = ['ada', 'grace', 'henrik', 'yuki'].map((id) => agentOf(id));

  it('is of a team that serves the tier and the client; an agent of two counts once', () => {
    const teams = [
      teamOf('b', ['grace', 'ada']),
      teamOf('a', ['grace'], { clients: ['northwind'] }),
      teamOf('c', ['henrik'], { clients: ['contoso'] }),
      teamOf('d', ['yuki'], { tiers: ['L2', 'L3'] }),
    ];
    expect(ids(candidatesFor(request(), { teams, agents }, monday('12:00')))).toEqual(['ada b', 'grace a']);
    expect(ids(candidatesFor(request({ tier: 'L3' }), { teams, agents }, monday('12:00')))).toEqual(['yuki d']);
    expect(ids(candidatesFor(request({ tier: 'L4' }), { teams, agents }, monday('12:00')))).toEqual({ because: 'no-team', teams: [] });
  });

  it('is of the team that somebody gave it to, and of no other', () => {
    const teams = [teamOf('a', ['ada']), teamOf('b', ['grace'], { tiers: ['L3'] })];
    expect(ids(candidatesFor(request({ team: 'b' }), { teams, agents }, monday('12:00')))).toEqual(['grace b']);
    expect(ids(candidatesFor(request({ team: 'unheard of' }), { teams, agents }, monday('12:00')))).toEqual({
      because: 'no-team',
      teams: [],
    });
  });

  it('follows the sun: whose shift it is now', () => {
    const teams = [
      teamOf('tokyo', ['yuki'], { shifts: [officeIn('Asia/Tokyo')] }),
      teamOf('rome', ['ada'], { shifts: [officeIn('Europe/Rome')] }),
      teamOf('new-york', ['grace'], { shifts: [officeIn('America/New_York')] }),
    ];
    const who = (time: string) => ids(candidatesFor(request(), { teams, agents }, monday(time)));
    expect(who('00:00')).toEqual(['yuki tokyo']);
    expect(who('08:00')).toEqual(['ada rome']);
    expect(who('15:00')).toEqual(['ada rome', 'grace new-york']);
    expect(who('21:59')).toEqual(['grace new-york']);
    expect(who('22:00')).toEqual({ because: 'nobody-on-shift', teams: ['new-york', 'rome', 'tokyo'], retryAt: '2026-11-30T00:00:00.000Z' });
  });

  it('has every skill that is asked for', () => {
    const skilled = [agentOf('ada', 'printing'), agentOf('grace', 'italian', 'printing')];
    const roster = { teams: [teamOf('a', ['ada', 'grace'])], agents: skilled };
    expect(ids(candidatesFor(request({ skills: ['printing', 'italian'] }), roster, monday('12:00')))).toEqual(['grace a']);
    expect(ids(candidatesFor(request({ skills: ['network'] }), roster, monday('12:00')))).toMatchObject({ because: 'nobody-skilled' });
  });

  it('is registered, has not left, is not absent, and has not had it taken on request', () => {
    const away = (from: string, until?: string) => ({
      id: 'x',
      reason: 'Leave',
      handBack: false,
      begun: false,
      from: monday(from),
      ...(until ? { until: monday(until) } : {}),
    });
    const roster = {
      teams: [teamOf('a', ['ada', 'grace', 'unknown'])],
      agents: [
        { ...agentOf('ada'), absences: [away('10:00', '12:00')] },
        { ...agentOf('grace'), active: false },
      ],
    };
    expect(ids(candidatesFor(request(), roster, monday('09:59')))).toEqual(['ada a']);
    expect(ids(candidatesFor(request(), roster, monday('10:00')))).toEqual({
      because: 'all-absent',
      teams: ['a'],
      retryAt: monday('12:00'),
    });
    expect(ids(candidatesFor(request(), roster, monday('12:00')))).toEqual(['ada a']);
    expect(ids(candidatesFor(request({ declinedBy: ['ada'] }), roster, monday('12:00')))).toMatchObject({ because: 'no-members' });
  });
});

describe('when somebody comes next', () => {
  const office = teamOf('a', ['ada'], {
    shifts: [{ name: 'day', zone: 'UTC', week: { monday: [{ from: '09:00', to: '17:00' }], tuesday: [{ from: '09:00', to: '17:00' }] } }],
  });
  const away = (from: string, until?: string): Agent => ({
    ...agentOf('ada'),
    absences: [
      {
        id: 'x',
        reason: 'Leave',
        handBack: false,
        begun: true,
        from: from as Instant,
        ...(until === undefined ? {} : { until: until as Instant }),
      },
    ],
  });
  const next = (agent: Agent, time: string) => {
    const found = candidatesFor(request(), { teams: [office], agents: [agent] }, monday(time));
    return 'because' in found ? [found.because, found.retryAt] : [];
  };

  it('is when both the shift has begun and the absence is over', () => {
    expect(next(agentOf('ada'), '08:00')).toEqual(['nobody-on-shift', monday('09:00')]);
    expect(next(away(monday('08:00'), monday('10:00')), '08:30')).toEqual(['nobody-on-shift', monday('10:00')]);
    expect(next(away(monday('08:00'), monday('18:00')), '09:30')).toEqual(['all-absent', '2026-11-24T09:00:00.000Z']);
    expect(next(away(monday('08:00'), '2026-11-25T00:00:00.000Z'), '09:30')).toEqual(['all-absent', '2026-11-30T09:00:00.000Z']);
    expect(next(away(monday('08:00')), '09:30')).toEqual(['all-absent', undefined]);
  });
});

describe('who of several is given it', () => {
  const candidates = ['henrik', 'ada', 'grace'].map((id) => ({ agent: { id }, team: 'a', shift: 's' }));
  const choice = (workloads: Readonly<Record<string, Workload>>, of = candidates) => {
    const chosen = chooseAgent(of, new Map(Object.entries(workloads)));
    return chosen && [chosen.agent.id, chosen.rule, chosen.openTickets, chosen.candidates];
  };
  const had = (openTickets: number, time?: string): Workload =>
    time === undefined ? { openTickets } : { openTickets, lastAssignedAt: monday(time) };

  it('is the least loaded, then the one whose last ticket is longest ago, then the first by id', () => {
    expect(choice({ ada: had(2), grace: had(1), henrik: had(3) })).toEqual(['grace', 'least-loaded', 1, 3]);
    expect(choice({ ada: had(1, '10:00'), grace: had(1, '09:00'), henrik: had(3, '08:00') })).toEqual([
      'grace',
      'longest-since-assigned',
      1,
      3,
    ]);
    expect(choice({ ada: had(0, '10:00'), grace: had(0, '09:00') })).toEqual(['henrik', 'longest-since-assigned', 0, 3]);
    expect(choice({})).toEqual(['ada', 'first-by-id', 0, 3]);
    expect(choice({ henrik: had(7) }, candidates.slice(0, 1))).toEqual(['henrik', 'only-candidate', 7, 1]);
    expect(choice({}, [])).toBeUndefined();
  });
});

describe('the roster', () => {
  it('changes next when a shift begins or an absence ends', () => {
    const teams = [teamOf('rome', ['ada'], { shifts: [officeIn('Europe/Rome')] })];
    const back = { id: 'x', reason: 'Leave', handBack: false, begun: true, from: monday('00:00'), until: monday('07:30') };
    expect(nextRosterMoment({ teams, agents: [agentOf('ada')] }, monday('07:00'))).toBe(monday('08:00'));
    expect(nextRosterMoment({ teams, agents: [{ ...agentOf('ada'), absences: [back] }] }, monday('07:00'))).toBe(monday('07:30'));
    expect(nextRosterMoment({ teams: [], agents: [] }, monday('07:00'))).toBeUndefined();
  });
});

const automatic = pin(1, { assignment: 'automatic', categorySkills: { hardware: ['Repair'], 'hardware/printer': ['printing'] } });
const asked = (life: Life) => assignmentRequest(life.state as Ticket, termsOf(life.state as Ticket));
const chosen: AssignmentChoice = {
  agent: { id: 'ada', name: 'Ada' },
  team: 'a',
  shift: 'day',
  rule: 'least-loaded',
  candidates: 3,
  openTickets: 1,
};
const give = (life: Life, minutes: number, found: AssignmentChoice = chosen) =>
  life.do(minutes, 'AssignAutomatically', { request: asked(life) as AssignmentRequest, found });

describe('a ticket', () => {
  it('asks for an agent only where the contract assigns automatically, and only while it goes on and nobody has it', () => {
    expect(asked(new Life().open())).toBeUndefined();
    const life = new Life(automatic).open();
    expect(asked(life)).toEqual({ client: 'northwind', tier: 'L1', skills: [] });
    life.do(1, 'PutOnHold', { reason: 'customer', note: 'n' });
    expect(asked(life)).toMatchObject({ client: 'northwind', tier: 'L1' });
    life.do(2, 'ClaimTicket', {});
    expect(asked(life)).toBeUndefined();
    life.do(3, 'UnassignTicket', { reason: 'r', from: 'ada', because: 'left' });
    expect(asked(life)).toMatchObject({ client: 'northwind', tier: 'L1' });
    life.do(4, 'CancelTicket', { reason: 'r' });
    expect(asked(life)).toBeUndefined();
  });

  it('requires the skills of its category and of those above, or those given at triage', () => {
    const life = new Life(automatic).open();
    life.do(1, 'TriageTicket', { category: 'hardware/printer/fuser' });
    expect(asked(life)?.skills).toEqual(['printing', 'repair']);
    life.do(2, 'TriageTicket', { category: 'hardware/printer', skills: ['Italian'] });
    expect(asked(life)?.skills).toEqual(['italian']);
    expect(life.do(3, 'TriageTicket', { category: 'hardware/printer', skills: ['italian'] })).toEqual([]);
    life.do(4, 'TriageTicket', { category: 'hardware/printer', skills: [] });
    expect(asked(life)?.skills).toEqual([]);
  });

  it('is given to whom was chosen, with the reasons; a choice that somebody forestalled changes nothing', () => {
    const life = new Life(automatic).open();
    const before = asked(life) as AssignmentRequest;
    expect(give(life, 1)).toEqual([
      {
        type: 'TicketAssigned',
        data: {
          tier: 'L1',
          team: 'a',
          assignee: { id: 'ada', name: 'Ada' },
          automatic: { rule: 'least-loaded', candidates: 3, openTickets: 1, shift: 'day', skills: [] },
        },
      },
    ]);
    expect(life.do(2, 'AssignAutomatically', { request: before, found: chosen })).toEqual([]);
    const claimed = new Life(automatic).open();
    claimed.do(1, 'ClaimTicket', { agent: { id: 'grace' } });
    expect(claimed.do(1, 'AssignAutomatically', { request: before, found: chosen })).toEqual([]);
    const moved = new Life(automatic).open();
    moved.do(1, 'TriageTicket', { category: 'hardware' });
    expect(moved.do(1, 'AssignAutomatically', { request: before, found: chosen })).toEqual([]);
  });

  it('says once that nobody was found, and again for another reason or at another tier', () => {
    const life = new Life(automatic).open();
    const find = (minutes: number, because: 'nobody-on-shift' | 'all-absent') =>
      life.do(minutes, 'AssignAutomatically', {
        request: asked(life) as AssignmentRequest,
        found: { because, teams: ['a'], retryAt: at(60) },
      });
    expect(find(1, 'nobody-on-shift')).toEqual([
      { type: 'AssignmentFoundNobody', data: { tier: 'L1', because: 'nobody-on-shift', teams: ['a'], skills: [], retryAt: at(60) } },
    ]);
    expect(find(2, 'nobody-on-shift')).toEqual([]);
    expect(find(3, 'all-absent')).toHaveLength(1);
    give(life, 4);
    expect(life.state?.nobodyFound).toBeUndefined();
  });

  it('stays with a team assigned by a person, but not with one chosen automatically', () => {
    const named = new Life(automatic).open();
    named.do(1, 'AssignTicket', { team: 'print' });
    expect(asked(named)?.team).toBe('print');
    give(named, 2, { ...chosen, team: 'print' });
    expect(named.do(3, 'UnassignTicket', { reason: 'r', because: 'left' })).toMatchObject([{ data: { team: 'print' } }]);
    expect(asked(named)?.team).toBe('print');
    const free = new Life(automatic).open();
    give(free, 1);
    free.do(2, 'StartWork', { agent: { id: 'ada' } });
    expect(free.state).toMatchObject({ team: 'a', teamChosen: true });
    const [unassigned] = free.do(3, 'UnassignTicket', { reason: 'r', because: 'absent' });
    expect(unassigned?.data).toEqual({ tier: 'L1', assignee: { id: 'ada' }, because: 'absent', reason: 'r' });
    expect(asked(free)?.team).toBeUndefined();
  });

  it('is not given again to whom it was taken from on request, at that tier', () => {
    const life = new Life(automatic).open();
    give(life, 1);
    life.do(2, 'UnassignTicket', { reason: 'Not mine' });
    expect(asked(life)?.declinedBy).toEqual(['ada']);
    life.do(3, 'AssignTicket', { team: 'print' });
    expect(asked(life)?.declinedBy).toEqual(['ada']);
    const solution = { kind: 'procedure', text: 't' } as const;
    life.do(4, 'DeescalateToTier', { tier: 'L0', reason: 'r', solution });
    expect(asked(life)?.declinedBy).toBeUndefined();
  });
});

describe('UnassignTicket', () => {
  it('takes the work and its measured time from who has it, and says why', () => {
    const life = new Life().open();
    life.do(1, 'StartWork', { agent: { id: 'grace' } });
    life.do(1, 'StartTouchTime', { agent: { id: 'grace' } });
    life.do(1, 'StartTouchTime', { agent: { id: 'henrik' } });
    const events = life.do(3, 'UnassignTicket', { reason: 'Needs Italian' });
    expect(events.map(({ type }) => type)).toEqual(['TouchTimeStopped', 'TicketUnassigned']);
    expect(events[1]?.data).toEqual({ tier: 'L1', assignee: { id: 'grace' }, because: 'requested', reason: 'Needs Italian' });
    expect(life.state).toMatchObject({ work: { status: 'open' }, touching: [{ agent: { id: 'henrik' } }] });
    expect(life.state?.assignee).toBeUndefined();
  });

  it('leaves a hand-off waiting and a hold on hold', () => {
    const life = new Life().open();
    life.do(1, 'StartWork', { agent: { id: 'grace' } });
    life.do(2, 'PutOnHold', { reason: 'customer', note: 'n' });
    life.do(3, 'UnassignTicket', { reason: 'r' });
    expect(life.state?.work).toMatchObject({ status: 'on-hold', paused: { status: 'open' } });
  });

  it('is refused on a resolved ticket, but quiet there when it follows from something else', () => {
    const life = new Life().open();
    life.do(1, 'ClaimTicket', {});
    life.do(2, 'ResolveTicket', { category: 'c', article: 'a' });
    expect(() => life.do(3, 'UnassignTicket', { reason: 'r' })).toThrow('already-resolved');
    expect(life.do(3, 'UnassignTicket', { reason: 'r', because: 'left', from: 'ada' })).toEqual([]);
  });

  it('stays quiet when nobody has it, or somebody else than was meant', () => {
    const life = new Life().open();
    expect(life.do(1, 'UnassignTicket', { reason: 'r' })).toEqual([]);
    life.do(2, 'ClaimTicket', { agent: { id: 'grace' } });
    expect(life.do(3, 'UnassignTicket', { reason: 'r', because: 'left', from: 'ada' })).toEqual([]);
  });
});

describe('why a ticket is with whom it is', () => {
  it('is explained by its events, each in a sentence', () => {
    const life = new Life(automatic).open();
    life.do(1, 'TriageTicket', { category: 'hardware/printer' });
    const request = asked(life) as AssignmentRequest;
    life.do(2, 'AssignAutomatically', { request, found: { because: 'nobody-on-shift', teams: ['a', 'b'], retryAt: at(60) } });
    for (const rule of ASSIGNMENT_RULES) {
      give(life, 3, { ...chosen, rule });
      life.do(4, 'UnassignTicket', { reason: 'Has left the desk', because: 'left' });
    }
    life.do(5, 'AssignTicket', { team: 'print' });
    life.do(6, 'AssignTicket', { team: 'print', assignee: { id: 'grace' } });
    life.do(7, 'StartWork', { agent: { id: 'grace', name: 'Grace' } });
    const metadata = (when: Instant) => ({ effectiveAt: when, actor: { id: 'lead', kind: 'agent', name: 'Lea' } });
    const told = life.events.map(({ type, data, at: when }, revision) =>
      whyAssigned({ type, data, revision, metadata: metadata(when) } as never),
    );
    expect(told.slice(0, 2)).toEqual([undefined, undefined]);
    expect(told[2]).toEqual({
      revision: 2,
      at: at(2),
      answer: `Nobody at L1 with printing, repair could be assigned: nobody in a, b is on shift; the next one starts at ${at(60)}`,
    });
    expect(told.slice(3).map((one) => one?.answer)).toEqual([
      'It was assigned to Ada of the team a, on shift day with printing, repair: nobody else was available; 1 open ticket',
      'It was unassigned from Ada (left): Has left the desk',
      'It was assigned to Ada of the team a, on shift day with printing, repair: the fewest open tickets of 3 candidates: 1',
      'It was unassigned from Ada (left): Has left the desk',
      'It was assigned to Ada of the team a, on shift day with printing, repair: the longest without a new ticket among those of 3 candidates with 1 open ticket',
      'It was unassigned from Ada (left): Has left the desk',
      'It was assigned to Ada of the team a, on shift day with printing, repair: the first by id among those of 3 candidates with 1 open ticket who have waited as long',
      'It was unassigned from Ada (left): Has left the desk',
      'Lea assigned it to the team print',
      'Lea assigned it to grace of the team print',
      'Grace took it',
    ]);
  });
});

describe('the policy', () => {
  const event = (type: string, data: object) => ({ type, data, stream: 'ticket-1', position: { commit: 7n, prepare: 7n } }) as never;

  it('looks for an agent where the contract assigns automatically and nobody has the ticket', () => {
    const { react, concerns } = automaticAssignment;
    const life = new Life(automatic).open();
    expect(react.TicketOpened?.(event('TicketOpened', {}), life.state)).toEqual([
      { category: 'ticket', id: '1', name: 'FindAgent', body: {} },
    ]);
    give(life, 1);
    expect(react.TicketAssigned?.(event('TicketAssigned', {}), life.state)).toEqual([]);
    expect(react.TicketOpened?.(event('TicketOpened', {}), new Life().open().state)).toEqual([]);
    // So that the many openings of other clients cost nothing.
    expect([pin(1, {}), automatic, undefined].map((contract) => concerns?.(event('TicketOpened', { contract })))).toEqual([
      false,
      true,
      false,
    ]);
    expect(concerns?.(event('TicketReopened', {}))).toBe(true);
  });

  it('takes the tickets of whoever leaves, or is absent and wants it so, without telling why an agent is absent', () => {
    const absence = (handBack: boolean) =>
      event('AgentAbsenceBegun', { agent: 'ada', absence: { id: 'x', from: at(0), until: at(1), reason: 'Ill', handBack } });
    const begun = (handBack: boolean) => ticketsOfTheAway.react.AgentAbsenceBegun?.(absence(handBack), null) ?? [];
    expect(begun(false)).toEqual([]);
    expect(begun(true)).toEqual([
      {
        category: 'agent',
        id: 'ada',
        name: 'ReleaseTickets',
        body: { because: 'absent', reason: `Is absent until ${at(1)}`, since: { commit: 7n, prepare: 7n } },
      },
    ]);
  });
});

describe('the terms of a contract', () => {
  it('name how tickets are assigned, and skills of categories', () => {
    expect(faultsOf(contractSchema, { ...defaultContract, assignment: 'automatic', categorySkills: { hardware: ['repair'] } })).toEqual([]);
    expect(
      faultsOf(contractSchema, { ...defaultContract, assignment: 'lottery', categorySkills: { hardware: [], network: 'x' } }).map(
        ({ field }) => field,
      ),
    ).toEqual(['assignment', 'categorySkills.hardware', 'categorySkills.network']);
    expect(faultsOf(contractSchema, { ...defaultContract, categorySkills: [] }).map(({ field }) => field)).toEqual(['categorySkills']);
  });
});
