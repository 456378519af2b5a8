import { type Aggregate, commandsOn, event, type EventsOf, type Fault, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Text } from '../command-fields.js';
import { omitUndefined, same } from '../plain-json.js';
import { about, instant, open, optional, recordOf, refer, type Static, text } from '../schema.js';
import { actorSchema } from '../vocabulary.js';

const querySchema = recordOf(text);

/** The parameters of the ticket list, as text. */
export type TicketListText = Static<typeof querySchema>;

export const ticketFilterSchema = about(
  open({
    name: about(text, 'Name of the filter'),
    query: about(querySchema, 'Parameters of `GET /v1/tickets`, as text'),
    description: optional(about(text, 'What it is for')),
    owner: about(refer(actorSchema), 'Who created it. The whole desk shares it, and anybody may change it'),
    savedBy: about(refer(actorSchema), 'Who last changed it'),
    savedAt: about(instant, 'When it was last changed'),
  }),
  'A saved filter of the ticket list',
);

/** A saved filter, shared by the desk. Its owner is shown, but anyone may change it. */
export type TicketFilter = Static<typeof ticketFilterSchema>;

/** Never saved, saved, or deleted. */
export type TicketFilterState = TicketFilter | 'deleted' | null;

@JSONSchema({
  description: 'Saves a filter of the ticket list under a name, replacing any earlier one. The whole desk shares it.',
  examples: [{ query: { status: 'open,in-progress', tier: 'L1', assigned: 'false', sort: 'priority' }, description: 'What L1 can take' }],
})
export class SaveTicketFilter {
  @Fields({ description: 'Parameters of `GET /v1/tickets`, as text: those that filter, and `sort`' })
  query!: TicketListText;

  @Text({ description: 'What it is for', max: 500, optional: true })
  description?: string;
}

interface Saved {
  readonly name: string;
  readonly query: TicketListText;
  readonly description?: string;
}

const events = {
  TicketFilterSaved: event<TicketFilterState, Saved>({
    personal: null,
    evolve: (state, filter, { actor, effectiveAt }) => ({
      ...filter,
      owner: isSaved(state) ? state.owner : actor,
      savedBy: actor,
      savedAt: effectiveAt,
    }),
  }),
  TicketFilterDeleted: event<TicketFilterState, { readonly name: string }>({ personal: null, evolve: () => 'deleted' }),
};

const command = commandsOn<TicketFilterState, EventsOf<{ readonly events: typeof events }>>();

/** A named filter of the ticket list; belongs to no client. One stream per filter: `filter-<name>`. */
export const ticketFilter = {
  category: 'filter',
  noun: 'filter',
  idName: 'name',
  initial: null,
  client: () => '',
  events,
  commands: {
    SaveTicketFilter: command({
      body: SaveTicketFilter,
      route: 'PUT /v1/filters/{name}',
      refuses: ['filter-invalid'],
      // The faults of the query, which only the list can tell.
      needs: 'faults-of-list-query',
      decide({ query, description }, state, { id: name = '' }, faults: readonly Fault[] = []) {
        if (faults.length > 0) return refuse('filter-invalid', 'Invalid filter of the ticket list', faults);
        const known = isSaved(state) && same(state.query, query) && state.description === description;
        return known ? [] : [{ type: 'TicketFilterSaved', data: omitUndefined({ name, query, description }) }];
      },
    }),
    DeleteTicketFilter: command({
      route: 'DELETE /v1/filters/{name}',
      refuses: ['filter-not-found'],
      decide(_command: Readonly<Record<never, never>>, state, { id: name = '' }) {
        if (state === null) return refuse('filter-not-found', 'There is no such filter');
        return isSaved(state) ? [{ type: 'TicketFilterDeleted', data: { name } }] : [];
      },
    }),
  },
} satisfies Aggregate<TicketFilterState>;

export function isSaved(state: TicketFilterState): state is TicketFilter {
  return state !== null && state !== 'deleted';
}
