import { JSONSchema } from 'class-validator-jsonschema';
import { Anything, Fields, OneOf, PartList, WholeNumber } from '../command-fields.js';
import { isPublic, type PublicCommandName, ticket } from './ticket.js';

/** A command of a batch. Its body is validated by the command's own rules when its turn comes. */
export class BatchItem {
  @OneOf(Object.keys(ticket.commands).filter(isPublic), { description: 'Name of the command', example: 'AssignTicket' })
  command!: PublicCommandName;

  /** Validated when its turn comes, like the body: an invalid id spoils only its own command. */
  @Anything({ description: 'Id of the ticket; omitted only for OpenTicket', optional: true }, { type: 'string', format: 'uuid' })
  ticketId?: unknown;

  @Fields({ description: 'Body of the command; default: `{}`', optional: true })
  body?: object;

  @WholeNumber({ description: 'Revision the ticket must be at', min: 0, max: Number.MAX_SAFE_INTEGER, optional: true })
  ifRevision?: number;
}

@JSONSchema({
  description:
    'Runs up to 100 commands and returns the outcome of each. Commands for the same ticket run in order, those for different tickets in parallel; ' +
    'a refused command does not hold up the others.',
  examples: [
    {
      items: [
        {
          command: 'AddInternalNote',
          ticketId: '00000000-0000-4000-8000-000000000001',
          body: { text: 'Printer FIN-2 is being replaced.' },
        },
        {
          command: 'OpenTicket',
          body: {
            client: 'northwind',
            kind: 'service-request',
            summary: 'Replace printer FIN-2',
            reporter: { id: 'ada' },
            channel: 'portal',
            impact: 'low',
            urgency: 'low',
          },
        },
      ],
    },
  ],
})
export class CommandBatch {
  @PartList(() => BatchItem, { description: 'The commands: 1 to 100', atLeastOne: true })
  items!: BatchItem[];
}
