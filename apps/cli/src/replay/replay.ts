import { streamName, type EventStore } from '#eventsourcing';
import { type Colours, escapeNewlines } from '#platform';
import { ticket } from '#ticketing';
import { Complaint } from '../complaint.js';
import type { AskForKey } from '../key-press.js';
import { inWords } from './life-in-words.js';
import { ticketLife, type Extent, type LifeStep } from './ticket-life.js';

export interface ReplayOptions extends Extent {
  readonly store: EventStore;
  /** Id of the ticket, or the name of its stream. */
  readonly ticketId: string;
  /** As JSON, one event per line. */
  readonly json: boolean;
  /** Asks before each further event: 'all' asks no more, 'quit' stops. Absent: everything at once. */
  readonly askForNext?: AskForKey;
  readonly print: (text: string) => void;
  readonly colours: Colours;
}

/** Prints a ticket's life from the log itself, not from a read model. @throws Complaint if there is none */
export async function replay({ store, ticketId, json, askForNext, print, colours, ...extent }: ReplayOptions): Promise<void> {
  // Ids are in lower case; a typed or copied one may not be.
  const given = ticketId.toLowerCase();
  const id = given.startsWith(`${ticket.category}-`) ? given.slice(ticket.category.length + 1) : given;
  let shown = 0;
  let asking = askForNext !== undefined;
  let last: LifeStep | undefined;
  for await (const step of ticketLife(store.readStream(streamName(ticket, id)), extent)) {
    if (json) {
      print(`${JSON.stringify(step)}\n`);
    } else {
      if (shown === 0) print(`${headline(id, step, colours)}\n\n`);
      else if (asking) {
        const answer = await askForNext?.('any key: next event   a: all   q: quit');
        if (answer === 'quit') return;
        asking = answer !== 'all';
      }
      print(`${inWords(step, colours)}\n`);
    }
    shown++;
    last = step;
  }
  if (shown === 0) {
    const bounds = [extent.asOf && `had happened by ${extent.asOf}`, extent.knownAt && `was recorded by ${extent.knownAt}`]
      .filter(Boolean)
      .join(' and ');
    throw bounds === ''
      ? new Complaint(`There is no ticket ${id}`, 'GET /v1/tickets lists tickets with their ids')
      : new Complaint(`Nothing of a ticket ${id} ${bounds}`, 'Leave --as-of and --known-at out to see whether there is such a ticket');
  }
  if (!json) print(`${colours.dim(`${shown} ${shown === 1 ? 'event' : 'events'}; the last one took effect at ${last?.effectiveAt}`)}\n`);
}

function headline(id: string, { data }: LifeStep, pc: Colours): string {
  const { summary, client } = data as { summary?: string; client?: string };
  return `${pc.bold(`Ticket ${id}`)}${summary === undefined ? '' : `  ${escapeNewlines(summary)}`}${client === undefined ? '' : pc.dim(`  (${escapeNewlines(client)})`)}`;
}
