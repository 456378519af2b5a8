import { type Actor, type Decider, type Instant, refuse, type Upcasters } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Text } from '../command-fields.js';
import { present, same } from '../plain-json.js';

/** What the list of tickets is asked for: its parameters, as text. */
export type TicketListText = Readonly<Record<string, string>>;

/** Filters of the ticket list that were given a name. One stream a filter: `filter-<name>`. */
export interface TicketFilterEvents {
  TicketFilterSaved: { readonly name: string; readonly query: TicketListText; readonly description?: string };
  TicketFilterDeleted: { readonly name: string };
}

/** A saved filter. The whole desk shares it: until there is identity, whom it belongs to is told, and keeps nobody from changing it. */
export interface TicketFilter {
  readonly name: string;
  readonly query: TicketListText;
  readonly description?: string;
  /** Who made it. */
  readonly owner: Actor;
  /** Who last changed it, and when. */
  readonly savedBy: Actor;
  readonly savedAt: Instant;
}

/** Never saved, saved, or deleted. */
export type TicketFilterState = TicketFilter | 'deleted' | null;

@JSONSchema({
  description: 'Saves a filter of the ticket list under a name. What was saved under it before is replaced. All of the desk share it.',
  examples: [{ query: { status: 'open,in-progress', tier: 'L1', assigned: 'false', sort: 'priority' }, description: 'What L1 can take' }],
})
export class SaveTicketFilter {
  @Fields({ description: 'Parameters of `GET /v1/tickets`, as text: those that filter, and `sort`' })
  query!: TicketListText;

  @Text({ description: 'What it is for', max: 500, optional: true })
  description?: string;
}

interface Named {
  readonly name: string;
}

export interface TicketFilterCommands {
  SaveTicketFilter: Named & SaveTicketFilter;
  DeleteTicketFilter: Named;
}

/** No event of filters has changed its shape yet. */
export const ticketFilterUpcasters: Upcasters = {};

/** A saved filter, as an aggregate: it is the desk's own, no client's. Its query is checked by whoever knows the list. */
export const ticketFilter: Decider<TicketFilterCommands, TicketFilterEvents, TicketFilterState> = {
  category: 'filter',
  initial: null,
  client: () => '',
  evolve: {
    TicketFilterSaved: (state, filter, { actor, effectiveAt }) => ({
      ...filter,
      owner: isSaved(state) ? state.owner : actor,
      savedBy: actor,
      savedAt: effectiveAt,
    }),
    TicketFilterDeleted: () => 'deleted',
  },
  decide: {
    SaveTicketFilter({ name, query, description }, state) {
      const known = isSaved(state) && same(state.query, query) && state.description === description;
      return known ? [] : [{ type: 'TicketFilterSaved', data: present({ name, query, description }) }];
    },
    DeleteTicketFilter({ name }, state) {
      if (state === null) return refuse('filter-not-found', 'There is no such filter');
      return isSaved(state) ? [{ type: 'TicketFilterDeleted', data: { name } }] : [];
    },
  },
};

export function isSaved(state: TicketFilterState): state is TicketFilter {
  return state !== null && state !== 'deleted';
}
