import { randomUUID } from 'node:crypto';
import {
  type Decision,
  type EventMetadata,
  evolve,
  instantFrom,
  isRefusal,
  type NewEvent,
  schemaVersion,
  streamName,
} from '#eventsourcing';
import { ticket, type TicketEvents } from '#ticketing';

export const opening = {
  client: 'northwind',
  kind: 'incident',
  summary: 'Cannot print invoices',
  reporter: { id: 'j.doe', name: 'Jane Doe' },
  channel: 'phone',
  impact: 'medium',
  urgency: 'high',
} as const;

/** A ticket with a number of events, as from commands: opened, followed by a diagnostic step every second. */
export function seededTicket(events: number): { readonly id: string; readonly stream: string; readonly written: readonly NewEvent[] } {
  const id = randomUUID();
  const actor = { id: 'bench', kind: 'agent' as const };
  const written: NewEvent[] = [];
  let state: Parameters<typeof ticket.client>[0] = null;
  for (let index = 0; index < events; index++) {
    const at = instantFrom(Date.now() - (events - index) * 1_000);
    const context = { commandId: randomUUID(), id, actor, effectiveAt: at, recordedAt: at };
    const step = { action: `Step ${index}`, outcome: 'No change' };
    const decision: Decision<TicketEvents> =
      index === 0
        ? ticket.commands.OpenTicket.decide(opening, state, context)
        : ticket.commands.RecordDiagnosticStep.decide(step, state, context);
    if (isRefusal(decision)) throw new Error(decision.message);
    for (const { type, data } of decision) {
      state = evolve(ticket, state, { type, data }, context);
      const metadata: EventMetadata = {
        commandId: context.commandId,
        commandType: index === 0 ? 'OpenTicket' : 'RecordDiagnosticStep',
        correlationId: context.commandId,
        causationId: context.commandId,
        actor,
        client: opening.client,
        effectiveAt: at,
        recordedAt: at,
        schemaVersion: schemaVersion(ticket, type),
      };
      written.push({ id: randomUUID(), type, data, metadata });
    }
  }
  return { id, stream: streamName(ticket, id), written };
}
