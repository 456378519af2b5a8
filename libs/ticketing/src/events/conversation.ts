import { without } from '../plain-json.js';
import type { Person } from '../vocabulary.js';
import { move, note, unchanged } from './definition.js';
import { resolvedAt } from './ticket.js';

interface InternalNote {
  readonly author: Person;
  readonly text: string;
}

/** The text is for the desk only. */
const withoutText = ({ author }: InternalNote) => ({ author });

export const conversationEvents = {
  PublicReplySent: {
    ...note<{ readonly author: Person; readonly text: string }>({
      says: 'a reply to the requester; the first one is a first response',
      publicData: 'all',
      evolve: (ticket, _data, { effectiveAt }) =>
        ticket.repliedAt !== undefined && effectiveAt < ticket.repliedAt ? ticket : without(ticket, 'repliedAt'),
      personal: { fields: ['text'] },
    }),
    firstResponse: true,
    clocks: () => ({ stops: [{ clock: 'response' }] }),
  },

  RequesterReplied: move<{ readonly author: Person; readonly text: string; readonly followUp?: string }>({
    says: 'a message from the requester; `followUp` names the follow-up ticket if this one can no longer be reopened',
    publicData: 'all',
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

  InternalNoteAdded: note<InternalNote, typeof withoutText>({
    says: 'an internal note, visible to the desk only',
    publicData: withoutText,
    evolve: unchanged,
    personal: { fields: ['text'] },
  }),

  VendorReplied: note<{ readonly vendor: string; readonly caseReference: string; readonly text: string }>({
    says: 'a message from the vendor about its case',
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),

  ImportedNoteRecorded: note<{ readonly text: string }, 'none'>({
    says: 'a row of an imported record that changed nothing known here; kept for completeness',
    publicData: 'none',
    evolve: unchanged,
    personal: null,
  }),
};
