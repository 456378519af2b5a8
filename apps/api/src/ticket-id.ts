import type { PipeTransform } from '@nestjs/common';
import { UUID } from '#eventsourcing';
import { Problem } from '#http';
import { type Parameter } from '#platform';
import { ticketProblems } from './ticket-problems.js';

/** The id of a ticket: a UUID in any case. Undefined if it is not one. */
export function ticketIdOf(given: string): string | undefined {
  const id = given.toLowerCase();
  return UUID.test(id) ? id : undefined;
}

/** The id of a ticket in a path. Anything else is not found. */
export class TicketId implements PipeTransform<string, string> {
  transform(given: string): string {
    const id = ticketIdOf(given);
    if (id !== undefined) return id;
    throw new Problem('ticket-not-found', ticketProblems['ticket-not-found'], 'There is no such ticket: ticket ids are UUIDs');
  }
}

/** The id of a ticket in a query. */
export function aTicketId(description: string): Parameter<string> {
  return { parse: ticketIdOf, rule: 'must be the id of a ticket', description, schema: { type: 'string', format: 'uuid' } };
}
