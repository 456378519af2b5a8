import { ERASED } from '#eventsourcing';
import { note } from './definition.js';
import type { Ticket } from './ticket.js';

/** Why personal data was erased. */
export type ErasedBecause = 'forgotten' | 'retention';

export const privacyEvents = {
  PersonalDataErased: note<{ readonly because: ErasedBecause; readonly person?: string }>({
    says: "a person's personal data in it can no longer be read, in any event or view: the keys were destroyed",
    publicData: 'all',
    evolve: (ticket, { person }) => (person === undefined || person === ticket.reporter.id ? erased(ticket) : ticket),
    personal: null,
  }),
};

/** Without the personal data that it took over from events, as if folded from the erased events. */
function erased(ticket: Ticket): Ticket {
  const { reporter, description, evidence } = ticket;
  return {
    ...ticket,
    summary: ERASED,
    ...(description === undefined ? {} : { description: ERASED }),
    reporter: reporter.name === undefined ? reporter : { ...reporter, name: ERASED },
    evidence: evidence.map((one) => ({ ...one, name: ERASED })),
  };
}
