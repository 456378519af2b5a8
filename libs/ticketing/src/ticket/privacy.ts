import type { ErasedBecause } from '../events/privacy.js';
import { omitUndefined } from '../plain-json.js';
import { internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { event } from './decisions.js';

/** Records that keys of personal data in the ticket were destroyed. Sent by whoever destroyed them. */
export class TellErased extends TicketCommand {
  because!: ErasedBecause;
  /** Whose data; default: everyone's. */
  person?: string;
}

export const privacyCommands = {
  TellErased: internal({
    refuses: [],
    late: true,
    decide({ because, person }: TellErased) {
      return [event('PersonalDataErased', omitUndefined({ because, person }))];
    },
  }),
} satisfies TicketCommandDefinitions;
