import type { TicketEventType } from '#ticketing';
import type { Session } from './session.js';

/** The persistent subscription to `$all` shared by consumers of escalations. */
export const ESCALATIONS = 'escalations';

/** The types of its events. */
export const escalationTypes = [
  'TicketEscalated',
  'EscalationAccepted',
  'EscalationReturned',
  'TicketDeescalated',
  'HierarchicalEscalationRaised',
  'EscalationStepDispatched',
  'EscalationStepSkipped',
  'EscalationAcknowledged',
  'EscalationAcknowledgementLapsed',
] as const satisfies readonly TicketEventType[];

/** Creates what other services need to consume events with an event store client; returns a description. @throws StoreUnavailable */
export async function setUp(store: Session['store'], print: (text: string) => void): Promise<void> {
  const isNew = await store.createGroup(ESCALATIONS, escalationTypes);
  print(`The persistent subscription ${ESCALATIONS} to $all ${isNew ? 'was made' : 'is there already'}: ${escalationTypes.join(', ')}.\n`);
}
