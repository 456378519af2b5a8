import type { TicketEventType } from '#ticketing';
import type { Session } from './session.js';

/** The persistent subscription to `$all` that consumers of escalations share. */
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

/** Makes what other services consume with a client of the event store; says what it made. @throws StoreUnavailable */
export async function setUp(store: Session['store'], print: (text: string) => void): Promise<void> {
  const isNew = await store.createGroup(ESCALATIONS, escalationTypes);
  print(`The persistent subscription ${ESCALATIONS} to $all ${isNew ? 'was made' : 'is there already'}: ${escalationTypes.join(', ')}.\n`);
}
