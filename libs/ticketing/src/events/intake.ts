import { without } from '../plain-json.js';
import type { Impact, Priority, Urgency } from '../vocabulary.js';
import { move, unchanged } from './definition.js';
import type { Opening, OpeningFlags } from './ticket.js';

type Opened = Opening & OpeningFlags;

/** The full contract is private to the client; its version identifies it. */
const withContractVersion = ({ contract, ...opened }: Opened) => ({ ...opened, contractVersion: contract?.version ?? 0 });

export const intakeEvents = {
  TicketOpened: move<Opened, typeof withContractVersion>({
    says: 'a ticket was opened: what is wrong, for whom, through which channel, at which tier and priority, under which contract version',
    publicData: withContractVersion,
    // Effect on a ticket that is already open: a second opening is stored but changes nothing. See `openedTicket`.
    evolve: unchanged,
    personal: { of: 'reporter', fields: ['reporter.name', 'summary', 'description'] },
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: ({ priority, tier }) => ({
      priority,
      starts: [{ clock: 'response' }, { clock: 'resolution', cycle: 1 }, { clock: 'tier-accept', tier }],
    }),
  }),

  TicketTriaged: move<{
    readonly category: string;
    readonly impact: Impact;
    readonly urgency: Urgency;
    readonly priority: Priority;
    readonly service?: string;
    readonly component?: string;
    readonly majorIncident: boolean;
    readonly securityIncident: boolean;
    /** Skills that its agent needs, in place of those that the contract requires for the category. */
    readonly skills?: readonly string[];
    /** The previous values, if they were different. */
    readonly before?: Pick<Opening, 'category' | 'service' | 'component'>;
  }>({
    says: 'it was classified: category, impact, urgency, priority, what is affected, the flags that allow it to skip tiers',
    publicData: 'all',
    // Complete: a component that is not named is no longer affected.
    evolve: (ticket, { before: _, ...data }) => ({ ...(data.component === undefined ? without(ticket, 'component') : ticket), ...data }),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: ({ priority }) => ({ priority }),
    personal: null,
  }),

  MajorIncidentDeclared: move<{ readonly reason: string }>({
    says: 'it is a major incident: it leads every queue and may skip to L3',
    publicData: 'all',
    evolve: (ticket) => ({ ...ticket, majorIncident: true }),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
    personal: null,
  }),

  MajorIncidentStoodDown: move<{ readonly reason: string }>({
    says: 'it is no longer a major incident',
    publicData: 'all',
    evolve: (ticket) => ({ ...ticket, majorIncident: false }),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
    personal: null,
  }),
};
