import { omitUndefined, without } from '../plain-json.js';
import type { Static } from '../schema.js';
import { note } from './definition.js';
import type { earlierFixSchema, ProblemOfTicket } from './ticket.js';

export const recurrenceEvents = {
  TicketRecurred: note<Static<typeof earlierFixSchema>>({
    says: 'it resembles a ticket that L2 or L3 has fixed before: it may skip to L3',
    publicData: 'all',
    evolve: (ticket, recursFrom) => ({ ...ticket, recursFrom }),
    personal: null,
  }),

  TicketToldOfProblem: note<Omit<ProblemOfTicket, 'status'> & { readonly status: ProblemOfTicket['status'] | 'unlinked' }>({
    says: 'it was linked to or unlinked from a problem, or the problem moved on: known error with its workaround, fixed, closed',
    publicData: 'all',
    evolve: (ticket, { problemId, title, status, workaround, fixedAt }) => {
      const others = ticket.problems?.filter((one) => one.problemId !== problemId) ?? [];
      if (status !== 'unlinked')
        return { ...ticket, problems: [...others, omitUndefined({ problemId, title, status, workaround, fixedAt })] };
      return others.length === 0 ? without(ticket, 'problems') : { ...ticket, problems: others };
    },
    personal: null,
  }),
};
