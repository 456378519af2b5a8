import type { GenericSchema } from 'valibot';
import { calendarSchema, hoursSchema } from '../contract/business-calendar.js';
import { clientTargetsSchema, contractSchema, priorityByUrgencySchema, targetSchema, tierTargetsSchema } from '../contract/contract.js';
import { escalationPolicySchema } from '../contract/escalation-policy.js';
import { agentSchema } from '../desk/agent.js';
import { onCallRotationSchema, onCallScheduleSchema } from '../desk/on-call.js';
import { shiftSchema, teamSchema } from '../desk/team.js';

import { ticketFilterSchema } from '../ticket/ticket-filter.js';
import { actorSchema, personSchema, prioritySchema, tierSchema } from '../vocabulary.js';

/** Schemas by the names under which they are published. */
export const publishedSchemas = {
  Contract: contractSchema,
  BusinessCalendar: calendarSchema,
  OpenHours: hoursSchema,
  Target: targetSchema,
  ClientTargets: clientTargetsSchema,
  TierTargets: tierTargetsSchema,
  PriorityByUrgency: priorityByUrgencySchema,
  EscalationPolicy: escalationPolicySchema,
  OnCallRotation: onCallRotationSchema,
  OnCallSchedule: onCallScheduleSchema,
  Shift: shiftSchema,
  Team: teamSchema,
  Agent: agentSchema,
  TicketFilter: ticketFilterSchema,
  Actor: actorSchema,
  Person: personSchema,
  Priority: prioritySchema,
  Tier: tierSchema,
} as const satisfies Readonly<Record<string, GenericSchema>>;
