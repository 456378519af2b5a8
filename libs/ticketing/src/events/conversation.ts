import { without } from '../plain-json.js';
import type { Person } from '../vocabulary.js';
import { move, note, unchanged } from './definition.js';
import { resolvedAt } from './ticket.js';

export const conversationEvents = {
  PublicReplySent: {
    ...note<{ readonly author: Person; readonly text: string }>({
      says: 'what the requester is told; the first time is a first response',
      evolve: (ticket) => without(ticket, 'repliedAt'),
      personal: { fields: ['text'] },
    }),
    firstResponse: true,
    clocks: () => ({ stops: [{ clock: 'response' }] }),
  },

  RequesterReplied: move<{ readonly author: Person; readonly text: string; readonly followUp?: string }>({
    says: 'what the requester says; `followUp` names the ticket that it goes to, since this one can no longer be reopened',
    evolve: (ticket, { followUp }, { effectiveAt }) => {
      if (followUp !== undefined) return { ...ticket, followUp };
      return resolvedAt(ticket.work) === undefined ? ticket : { ...ticket, repliedAt: effectiveAt };
    },
    personal: { of: 'author', fields: ['author.name', 'text'] },
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
  }),

  InternalNoteAdded: note<{ readonly author: Person; readonly text: string }>({
    says: 'a note that only the desk reads',
    evolve: unchanged,
    personal: { fields: ['text'] },
  }),

  VendorReplied: note<{ readonly vendor: string; readonly caseReference: string; readonly text: string }>({
    says: 'what a vendor says about its case',
    evolve: unchanged,
  }),

  ImportedNoteRecorded: note<{ readonly text: string }>({
    says: 'a row of an imported record that changed nothing we know of: kept, because it was said',
    evolve: unchanged,
  }),
};
