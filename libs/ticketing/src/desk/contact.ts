import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Pattern } from '../command-fields.js';
import { omitUndefined } from '../plain-json.js';
import { about, open, optional, type Static, text } from '../schema.js';

/** One mailbox, without a display name, quotes or comments: nothing that could be read as a second address or a header. */
const ADDRESS = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-zA-Z0-9-]{1,63}(?:\.[a-zA-Z0-9-]{1,63})+$/;

export const contactSchema = open({
  email: optional(about(text, 'E-mail address')),
  channel: optional(about(text, 'Name of a configured chat channel')),
});

/** Where messages about escalations go: to every address named here. */
export type Contact = Static<typeof contactSchema>;

@JSONSchema({
  description: 'Sets where escalation messages go, replacing earlier settings. Without an address, none are sent.',
  examples: [{ email: 'desk@example.com', channel: 'noc' }],
})
export class SetTeamContact {
  @Pattern(ADDRESS, 'must be an e-mail address such as ada@example.com', { description: 'E-mail address', optional: true })
  email?: string;

  @Name({ description: 'Name of a configured chat channel', max: 100, example: 'noc', optional: true })
  channel?: string;
}

/** The contact in a command; undefined if there is none. */
export function contactOf({ email, channel }: SetTeamContact): Contact | undefined {
  return email === undefined && channel === undefined ? undefined : omitUndefined({ email, channel });
}
