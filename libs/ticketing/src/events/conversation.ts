import type { Person } from '../vocabulary.js';
import { move, note, unchanged } from './definition.js';

export const conversationEvents = {
  PublicReplySent: {
    ...note<{ readonly author: Person; readonly text: string }>({
      says: 'what the requester is told; the first time is a first response',
      evolve: unchanged,
    }),
    firstResponse: true,
    clocks: () => ({ stops: [{ clock: 'response' }] }),
  },

  RequesterReplied: move<{ readonly author: Person; readonly text: string }>({
    says: 'what the requester says',
    evolve: unchanged,
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
  }),

  InternalNoteAdded: note<{ readonly author: Person; readonly text: string }>({
    says: 'a note that only the desk reads',
    evolve: unchanged,
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
