import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  deterministicId,
  type EventsOf,
  type Instant,
  parseInstant,
  refuse,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateTime, Flag, Name, Text, TextList, Uuid } from '../command-fields.js';
import { omitUndefined, same, without } from '../plain-json.js';
import { about, flag, instant, listOf, open, optional, type Static, text, uuid } from '../schema.js';
import { CLIENTS_NOT_NAMED, clientsNamed, orAll } from '../identity/principal.js';
import { publishedEvent } from '../published-event.js';
import { asSkills } from '../ticket/assignment-request.js';
import { contactOf, contactSchema, SetTeamContact } from './contact.js';

const absenceSchema = open({
  id: about(uuid, 'Id of the absence'),
  from: about(instant, 'Start'),
  until: optional(about(instant, 'End (exclusive); absent: until it is ended')),
  reason: about(text, 'Why'),
  deputy: optional(about(text, 'Id of the agent who is notified of escalations instead')),
  handBack: about(flag, "Whether the agent's open tickets are reassigned when it begins"),
});

/** A time in which an agent does not work, half-open. */
export type Absence = Static<typeof absenceSchema>;

const agentContactSchema = open({
  ...contactSchema.entries,
  clients: about(orAll(text), 'Clients whose tickets the messages may concern, or `all`'),
});

/** Where an agent gets messages about escalations, and for which clients' tickets. */
export type AgentContact = Static<typeof agentContactSchema>;

export const agentSchema = about(
  open({
    agent: about(text, 'Id of the agent'),
    name: about(text, 'Name of the agent'),
    skills: about(listOf(text), 'Skills in lower case, sorted'),
    active: about(flag, 'False once the agent has left'),
    leftAt: optional(about(instant, 'When the agent left, if they have')),
    absences: about(
      listOf(open({ ...absenceSchema.entries, begun: about(flag, 'Whether it has begun') })),
      'Current and future absences, in the order in which they were planned',
    ),
    contact: optional(about(agentContactSchema, "Address for the agent's escalation messages")),
    endedAbsence: optional(about(uuid, 'The last absence that was ended; ending it again changes nothing')),
  }),
  'A member of the service desk',
);

export type Agent = Static<typeof agentSchema>;

/** No agent yet, or one. */
export type AgentState = Agent | null;

@JSONSchema({
  description: "Sets an agent's name and skills, replacing earlier ones. Brings back an agent who has left.",
  examples: [{ name: 'Ada Lovelace', skills: ['printing', 'italian'] }],
})
export class RegisterAgent {
  @Name({ description: 'Name of the agent', example: 'Ada Lovelace' })
  name!: string;

  @TextList({ description: 'Skills: free words, case-insensitive; default: none', max: 100, optional: true })
  skills?: readonly string[];
}

@JSONSchema({
  description: "Plans an agent's absence, during which no tickets are assigned to them automatically. It may already have begun.",
  examples: [{ from: '2026-12-24T00:00:00+01:00', until: '2027-01-07T00:00:00+01:00', reason: 'Leave', handBack: true }],
})
export class PlanAbsence {
  @DateTime({ description: 'Start; default: now', optional: true })
  from?: string;

  @DateTime({ description: 'End; default: until it is ended', optional: true })
  until?: string;

  @Name({ description: 'Why', example: 'Leave' })
  reason!: string;

  @Name({ description: 'Id of the agent who is notified of escalations meanwhile', example: 'grace', optional: true })
  deputy?: string;

  @Flag({ description: "Whether the agent's open tickets are reassigned when it begins; default: no", optional: true })
  handBack?: boolean;
}

@JSONSchema({
  description: 'Sets where escalation messages go, and for which clients, replacing earlier settings. Without an address, none are sent.',
  examples: [{ email: 'ada@example.com', clients: ['northwind'] }],
})
export class SetAgentContact extends SetTeamContact {
  @TextList({ description: 'Clients whose tickets the agent may be notified of', max: 200, atLeastOne: true, optional: true })
  clients?: readonly string[];

  @Flag({ description: 'Instead of `clients`: the agent may be notified of tickets of all clients', optional: true })
  allClients?: boolean;
}

@JSONSchema({ description: 'Ends the current absence, or the named one, which may still be in the future.', examples: [{}] })
export class EndAbsence {
  @Uuid('an absence', { description: 'Id of the absence; default: the current one', optional: true })
  absenceId?: string;
}

@JSONSchema({
  description: 'The agent leaves the desk: open tickets are reassigned, and no new ones are assigned.',
  examples: [{ reason: 'Retires' }],
})
export class OffboardAgent {
  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;
}

const events = {
  AgentRegistered: publishedEvent<AgentState, { readonly agent: string; readonly name: string; readonly skills: readonly string[] }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { agent, name, skills }) => ({
      ...(state === null ? {} : without(state, 'leftAt')),
      agent,
      name,
      skills,
      active: true,
      absences: state?.absences ?? [],
    }),
  }),
  AgentAbsencePlanned: publishedEvent<AgentState, { readonly agent: string; readonly absence: Absence }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { absence }) => state && { ...state, absences: [...state.absences, { ...absence, begun: false }] },
  }),
  /** Its `effectiveAt` is when it began, `recordedAt` when that was noticed. */
  AgentAbsenceBegun: publishedEvent<AgentState, { readonly agent: string; readonly absence: Absence }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { absence: { id } }) =>
      state && { ...state, absences: state.absences.map((one) => (one.id === id ? { ...one, begun: true } : one)) },
  }),
  /** At its end or earlier; called off if it had not begun. */
  AgentAbsenceEnded: publishedEvent<AgentState, { readonly agent: string; readonly absenceId: string }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { absenceId }) =>
      state && { ...state, absences: state.absences.filter(({ id }) => id !== absenceId), endedAbsence: absenceId },
  }),
  AgentContactSet: publishedEvent<AgentState, { readonly agent: string; readonly contact?: AgentContact }, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (state, { contact }) => state && omitUndefined({ ...state, contact }),
  }),
  AgentLeft: publishedEvent<AgentState, { readonly agent: string; readonly reason?: string }>({
    publicData: 'all',
    personal: null,
    evolve: (state, _data, { effectiveAt }) => state && { ...state, active: false, leftAt: effectiveAt, absences: [] },
  }),
};

const command = commandsOn<AgentState, EventsOf<{ readonly events: typeof events }>>();

const MOST_ABSENCES = 100;
const noAgent = () => refuse('agent-not-found', 'There is no such agent');

/** A member of the service desk; belongs to no client. One stream per agent: `agent-<id>`. */
export const agent = {
  category: 'agent',
  noun: 'agent',
  idName: 'agent',
  initial: null,
  client: () => '',
  events,
  commands: {
    RegisterAgent: command({
      body: RegisterAgent,
      route: 'POST /v1/agents/{agent}',
      refuses: [],
      decide({ name, skills: given = [] }, state, { id = '' }) {
        const skills = asSkills(given);
        const known = state !== null && state.active && state.name === name && same(state.skills, skills);
        return known ? [] : [{ type: 'AgentRegistered', data: { agent: id, name, skills } }];
      },
    }),
    PlanAbsence: command({
      body: PlanAbsence,
      route: 'POST /v1/agents/{agent}/absences',
      refuses: ['agent-not-found', 'agent-left', 'absence-invalid'],
      decide({ reason, deputy, handBack = false, ...times }, state, { commandId, effectiveAt }) {
        if (state === null) return noAgent();
        if (!state.active) return refuse('agent-left', 'The agent has left the desk');
        const from = times.from === undefined ? effectiveAt : parseInstant(times.from);
        const until = times.until === undefined ? undefined : parseInstant(times.until);
        if (from === undefined || (times.until !== undefined && (until === undefined || until <= from || until <= effectiveAt))) {
          return refuse('absence-invalid', 'The absence ends before it begins, or is already over', [
            { field: 'until', message: 'must be after from, and after now' },
          ]);
        }
        if (deputy === state.agent)
          return refuse('absence-invalid', 'Agents cannot deputise for themselves', [
            { field: 'deputy', message: 'must be another agent' },
          ]);
        if (state.absences.length >= MOST_ABSENCES) {
          return refuse('absence-invalid', `An agent has at most ${MOST_ABSENCES} current and future absences`);
        }
        const planned = omitUndefined({ from, until, reason, deputy, handBack });
        const known = state.absences.some((one) =>
          same(
            omitUndefined({ from: one.from, until: one.until, reason: one.reason, deputy: one.deputy, handBack: one.handBack }),
            planned,
          ),
        );
        if (known) return [];
        const absence = { id: deterministicId('absence', commandId), ...planned };
        const data = { agent: state.agent, absence };
        return [
          { type: 'AgentAbsencePlanned', data },
          ...(from <= effectiveAt ? [{ type: 'AgentAbsenceBegun' as const, data, effectiveAt: from }] : []),
        ];
      },
    }),
    EndAbsence: command({
      body: EndAbsence,
      route: 'POST /v1/agents/{agent}/absences/end',
      refuses: ['agent-not-found', 'absence-not-found'],
      decide({ absenceId }, state) {
        if (state === null) return noAgent();
        const absence = state.absences.find(({ id, begun }) => (absenceId === undefined ? begun : id === absenceId));
        if (absence !== undefined) return [{ type: 'AgentAbsenceEnded', data: { agent: state.agent, absenceId: absence.id } }];
        return absenceId !== undefined && absenceId === state.endedAbsence
          ? []
          : refuse('absence-not-found', 'There is no such absence, or none is in progress');
      },
    }),
    SetAgentContact: command({
      body: SetAgentContact,
      route: 'POST /v1/agents/{agent}/contact',
      refuses: ['agent-not-found', 'contact-invalid'],
      decide({ clients: some, allClients, ...told }, state) {
        if (state === null) return noAgent();
        const addresses = contactOf(told);
        const clients = clientsNamed(some, allClients);
        if (addresses !== undefined && clients === undefined)
          return refuse('contact-invalid', 'Say whose tickets the messages may concern: clients or allClients', [CLIENTS_NOT_NAMED]);
        const contact = addresses && clients && { ...addresses, clients };
        return same({ contact: state.contact }, { contact })
          ? []
          : [{ type: 'AgentContactSet', data: omitUndefined({ agent: state.agent, contact }) }];
      },
    }),
    OffboardAgent: command({
      body: OffboardAgent,
      route: 'POST /v1/agents/{agent}/leave',
      refuses: ['agent-not-found'],
      decide({ reason }, state) {
        if (state === null) return noAgent();
        return state.active ? [{ type: 'AgentLeft', data: omitUndefined({ agent: state.agent, reason }) }] : [];
      },
    }),
    /** Records the absences that have begun or ended by now. Sent by the timekeeper. */
    RecordAbsenceMoments: command({
      refuses: [],
      decide(_command: Readonly<Record<never, never>>, state, { effectiveAt: now }) {
        return (state?.absences ?? []).flatMap(({ begun, ...absence }) => {
          const about = state?.agent ?? '';
          return [
            ...(!begun && absence.from <= now
              ? [{ type: 'AgentAbsenceBegun' as const, data: { agent: about, absence }, effectiveAt: absence.from }]
              : []),
            ...(absence.until !== undefined && absence.until <= now
              ? [{ type: 'AgentAbsenceEnded' as const, data: { agent: about, absenceId: absence.id }, effectiveAt: absence.until }]
              : []),
          ];
        });
      },
    }),
  },
} satisfies Aggregate<AgentState>;

export type AgentEvents = EventsOf<typeof agent>;
export type AgentCommands = CommandsOf<typeof agent>;

/** The absence that keeps an agent away at an instant, if any. */
export function absenceAt({ absences }: Agent, at: Instant): Absence | undefined {
  return absences.find(({ from, until }) => from <= at && (until === undefined || at < until));
}

/** When an absence next begins or ends, among those moments not yet recorded. The timekeeper waits for it. */
export function nextAbsenceMoment({ absences }: Agent): Instant | undefined {
  return absences.flatMap(({ begun, from, until }) => (begun ? (until ?? []) : from)).sort()[0];
}
