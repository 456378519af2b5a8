import type { PipeTransform } from '@nestjs/common';
import { isName } from '#eventsourcing';
import { Problem } from '#http';
import { ticketProblems } from './ticket-problems.js';

/** A name in a path: of a client, a schedule, a filter. An impossible name is answered as not found. */
export class PathName implements PipeTransform<string, string> {
  constructor(
    private readonly code: keyof typeof ticketProblems,
    private readonly detail: string,
  ) {}

  transform(given: string): string {
    if (isName(given, 100)) return given;
    throw new Problem(this.code, ticketProblems[this.code], this.detail);
  }
}
