import { setTimeout as pause } from 'node:timers/promises';
import { deterministicId } from '#eventsourcing';
import { type AgentCommands, type OpenTicket, type Shift, type TeamCommands, WEEKDAYS } from '#ticketing';
import { type Api, request as ask } from '../api-client.js';
import { Complaint } from '../complaint.js';

/** A request to the API, with the key that makes it safe to repeat. */
export interface Request {
  readonly path: string;
  readonly body: object;
  readonly idempotencyKey: string;
}

/** Each of three teams works during its local day, so that one of them is there at any hour. */
const desks = [
  {
    team: 'desk-tokyo',
    name: 'Service desk Tokyo',
    zone: 'Asia/Tokyo',
    from: '08:00',
    to: '17:00',
    agents: [
      ['yuki.sato', 'Yuki Sato'],
      ['ren.mori', 'Ren Mori'],
    ],
  },
  {
    team: 'desk-rome',
    name: 'Service desk Rome',
    zone: 'Europe/Rome',
    from: '08:00',
    to: '18:00',
    agents: [
      ['luca.ferri', 'Luca Ferri'],
      ['giulia.conti', 'Giulia Conti'],
    ],
  },
  {
    team: 'desk-denver',
    name: 'Service desk Denver',
    zone: 'America/Denver',
    from: '09:00',
    to: '18:00',
    agents: [
      ['maya.reed', 'Maya Reed'],
      ['noah.diaz', 'Noah Diaz'],
    ],
  },
] as const;

export const FOLLOWED_CLIENT = 'lighthouse-shipping';

/** The roster of a follow-the-sun desk, for one client whose tickets are assigned automatically. */
export function sunRoster(): readonly Request[] {
  const request = (path: string, body: object): Request => ({
    path,
    body,
    idempotencyKey: deterministicId('demo', 'roster', path, JSON.stringify(body)),
  });
  return [
    ...desks.flatMap(({ team, name, zone, from, to, agents }) => {
      const shift: Shift = { name: 'day', zone, week: Object.fromEntries(WEEKDAYS.map((day) => [day, [{ from, to }]])) };
      const define: TeamCommands['DefineTeam'] = { name, tiers: ['L1'], clients: [FOLLOWED_CLIENT] };
      const shifts: TeamCommands['SetShifts'] = { shifts: [shift] };
      return [
        request(`/v1/teams/${team}`, define),
        request(`/v1/teams/${team}/shifts`, shifts),
        ...agents.flatMap(([agent, name]) => {
          const register: AgentCommands['RegisterAgent'] = { name, skills: ['vpn'] };
          return [
            request(`/v1/agents/${agent}`, register),
            request(`/v1/teams/${team}/members`, { agent } satisfies TeamCommands['AddTeamMember']),
          ];
        }),
      ];
    }),
    request('/v1/contracts', { client: FOLLOWED_CLIENT, terms: { assignment: 'automatic', categorySkills: { 'network/vpn': ['vpn'] } } }),
  ];
}

/** Tickets of that client, opened now: the desk on its day shift gets them. @param day distinguishes the runs of two days */
export function sunTickets(day: string): readonly Request[] {
  const summaries = ['VPN asks for a token that has expired', 'VPN drops every hour', 'VPN client will not start after the update'];
  return summaries.map((summary) => {
    const body: Omit<OpenTicket, 'effectiveAt'> = {
      client: FOLLOWED_CLIENT,
      kind: 'incident',
      summary,
      reporter: { id: 'bridge.officer', name: 'Bridge Officer' },
      channel: 'portal',
      impact: 'low',
      urgency: 'high',
      category: 'network/vpn',
    };
    return { path: '/v1/tickets', body, idempotencyKey: deterministicId('demo', day, summary) };
  });
}

/** Who was given a ticket, and why. */
export interface Given {
  readonly ticketId: string;
  readonly summary: string;
  /** In a sentence; undefined if nothing happened in time. */
  readonly why?: string;
}

/**
 * Sets the roster, opens the tickets, and waits until each is assigned, or nobody is found.
 * @throws Complaint if the API refuses
 */
export async function followTheSun(api: Api, day: string, signal: AbortSignal): Promise<readonly Given[]> {
  for (const request of sunRoster()) await post(api, request, signal);
  const given: Given[] = [];
  for (const request of sunTickets(day)) {
    const { ticketId } = await post(api, request, signal);
    const why = await assignmentOf(api, ticketId, signal);
    given.push({ ticketId, summary: (request.body as { summary: string }).summary, ...(why === undefined ? {} : { why }) });
  }
  return given;
}

async function post(api: Api, { path, body, idempotencyKey }: Request, signal: AbortSignal): Promise<{ readonly ticketId: string }> {
  const answer = await ask(api, path, {
    method: 'POST',
    signal,
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': idempotencyKey, 'X-Actor-Id': 'lead', 'X-Actor-Name': 'Shift Lead' },
    body: JSON.stringify(body),
  });
  const said = (await answer.json()) as { readonly ticketId: string; readonly code?: string; readonly detail?: string };
  if (!answer.ok)
    throw new Complaint(`The API refused it (${answer.status} ${said.code ?? ''}): ${said.detail ?? ''}`, `POST ${api.url}${path}`);
  return said;
}

const PATIENCE_MS = 10_000;

async function assignmentOf(api: Api, ticketId: string, signal: AbortSignal): Promise<string | undefined> {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await pause(100, undefined, { signal })) {
    const answer = await ask(api, `/v1/tickets/${ticketId}/why`, { signal });
    if (!answer.ok)
      throw new Complaint(`The API did not say who has the ticket: ${answer.status}`, `GET ${api.url}/v1/tickets/${ticketId}/why`);
    const { assignments } = (await answer.json()) as { readonly assignments: readonly { readonly answer: string }[] };
    const last = assignments.at(-1);
    if (last !== undefined) return last.answer;
  }
  return undefined;
}
