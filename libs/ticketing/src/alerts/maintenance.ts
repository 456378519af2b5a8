import { type Aggregate, commandsOn, epochMillis, event, type EventsOf, type Instant, parseInstant, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateTime, Name, Text, TextList } from '../command-fields.js';
import { omitUndefined } from '../plain-json.js';
import { about, instant, listOf, open, optional, refer, type Static, text } from '../schema.js';
import { actorSchema } from '../vocabulary.js';

const windowSchema = open({
  window: about(text, 'Id of the window'),
  title: about(text, 'Description of the work, as the client reads it'),
  services: optional(about(listOf(text), 'Services concerned; default: all of the client')),
  from: about(instant, 'Start'),
  until: about(instant, 'End'),
  plannedBy: about(refer(actorSchema), 'Who planned it'),
});

/** A period of work on services: alerts about them open no tickets. */
export type MaintenanceWindow = Static<typeof windowSchema>;

export const maintenanceSchema = about(
  open({ client: about(text, 'The client (tenant)'), windows: about(listOf(windowSchema), 'The latest windows, sorted by start') }),
  "Maintenance windows of a client's services",
);

export type Maintenance = Static<typeof maintenanceSchema>;
export type MaintenanceState = Maintenance | null;

@JSONSchema({
  description: 'Plans a maintenance window, during which alerts about its services open no tickets. The id of the window is in the event.',
  examples: [
    {
      client: 'northwind',
      title: 'Print servers move to the new cluster',
      services: ['printing'],
      from: '2098-12-31T22:00:00Z',
      until: '2099-01-01T02:00:00Z',
    },
  ],
})
export class PlanMaintenance {
  @Name({ description: 'Client (tenant) whose services are maintained', example: 'northwind', max: 100 })
  client!: string;

  @Text({ description: 'Description of the work, as the client reads it', example: 'Print servers move to the new cluster', max: 200 })
  title!: string;

  @TextList({ description: 'Services concerned; default: all of the client', max: 200, atLeastOne: true, optional: true })
  services?: readonly string[];

  @DateTime({ description: 'Start; default: now', optional: true })
  from?: string;

  @DateTime({ description: 'End' })
  until!: string;
}

@JSONSchema({
  description: 'Ends a maintenance window now; cancels one that has not begun.',
  examples: [{ window: '00000000-0000-4000-8000-000000000001', reason: 'Done early' }],
})
export class EndMaintenance {
  @Name({ description: 'Id of the window' })
  window!: string;

  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;
}

/** Number of windows kept. */
const MOST_WINDOWS = 200;

const events = {
  MaintenancePlanned: event<MaintenanceState, Omit<MaintenanceWindow, 'plannedBy'> & { readonly client: string }>({
    personal: null,
    evolve: (state, { client, ...planned }, { actor }) => ({
      client,
      windows: [...(state?.windows ?? []), { ...planned, plannedBy: actor }]
        .sort((one, other) => (one.from < other.from ? -1 : 1))
        .slice(-MOST_WINDOWS),
    }),
  }),
  MaintenanceEnded: event<MaintenanceState, { readonly window: string; readonly reason?: string }>({
    personal: null,
    evolve: (state, { window }, { effectiveAt }) =>
      state && {
        ...state,
        windows: state.windows.flatMap((one) =>
          one.window !== window ? [one] : one.from >= effectiveAt ? [] : [{ ...one, until: effectiveAt }],
        ),
      },
  }),
};

const command = commandsOn<MaintenanceState, EventsOf<{ readonly events: typeof events }>>();

/** The maintenance windows of a client. One stream per client: `maintenance-<client>`. */
export const maintenance = {
  category: 'maintenance',
  noun: 'maintenance',
  idName: 'client',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    PlanMaintenance: command({
      body: PlanMaintenance,
      route: 'POST /v1/maintenance',
      refuses: ['maintenance-invalid'],
      decide({ client, title, services, from: begin, until: end }, _state, { commandId, effectiveAt }) {
        const from = (begin === undefined ? undefined : parseInstant(begin)) ?? effectiveAt;
        const until = parseInstant(end) ?? effectiveAt;
        if (until <= from || until <= effectiveAt) {
          const message = 'must be in the future and after the start';
          return refuse('maintenance-invalid', 'A window must end after it starts', [{ field: 'until', message }]);
        }
        return [{ type: 'MaintenancePlanned', data: omitUndefined({ client, window: commandId, title, services, from, until }) }];
      },
    }),
    EndMaintenance: command({
      body: EndMaintenance,
      route: 'POST /v1/maintenance/{client}/end',
      refuses: ['maintenance-not-found'],
      decide({ window, reason }, state, { effectiveAt }) {
        const planned = state?.windows.find((one) => one.window === window);
        if (planned === undefined) return refuse('maintenance-not-found', 'There is no such maintenance window');
        return planned.until <= effectiveAt ? [] : [{ type: 'MaintenanceEnded', data: omitUndefined({ window, reason }) }];
      },
    }),
  },
} satisfies Aggregate<MaintenanceState>;

/** The maintenance window that covers a service at an instant. */
export function maintenanceAt(state: MaintenanceState, service: string | undefined, at: Instant): MaintenanceWindow | undefined {
  const now = epochMillis(at);
  return state?.windows.find(
    ({ services, from, until }) =>
      epochMillis(from) <= now &&
      now < epochMillis(until) &&
      (services === undefined || (service !== undefined && services.includes(service))),
  );
}
