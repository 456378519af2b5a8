import type { PipeTransform } from '@nestjs/common';
import { Problem } from '#platform';
import { ticketProblems } from './ticket-problems.js';

/** The id of a ticket in a path: a UUID, in whatever case. Anything else is no ticket. */
export class TicketId implements PipeTransform<string, string> {
  transform(given: string): string {
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given)) return given.toLowerCase();
    throw new Problem('ticket-not-found', ticketProblems['ticket-not-found'], 'There is no such ticket: ids of tickets are UUIDs');
  }
}
