import type { GenericSchema } from 'valibot';
import { calendarSchema, hoursSchema } from '../contract/business-calendar.js';
import { contractNowSchema } from '../contract/contract-agreement.js';
import { clientTargetsSchema, contractSchema, priorityByUrgencySchema, targetSchema, tierTargetsSchema } from '../contract/contract.js';
import { escalationPolicySchema } from '../contract/escalation-policy.js';
import { ticketWhySchema } from '../desk/assignment-why.js';
import { keptOverrideSchema, onCallNowSchema, onCallOverridesSchema, onCallRotationSchema, onCallScheduleSchema } from '../desk/on-call.js';
import { shiftSchema, teamNowSchema, teamSchema } from '../desk/team.js';
import { escalationChainSchema } from '../escalation/escalation-chains.js';
import { clockVerdictSchema } from '../events/sla.js';
import { spentOnSchema, ticketAutopsySchema } from '../sla/breach-autopsy.js';
import { slaClockSchema } from '../sla/sla-clock.js';
import { simulationSchema } from '../what-if/what-if.js';
import { ticketFilterSchema } from '../ticket/ticket-filter.js';
import { alertSchema } from '../alerts/alert.js';
import { alertSettingsSchema, alertSourceSchema } from '../alerts/alert-source.js';
import { maintenanceSchema } from '../alerts/maintenance.js';
import { majorIncidentSchema } from '../major-incident/major-incident.js';
import { statusPageSchema } from '../major-incident/status-page.js';
import { automationTaskSchema } from '../automation/automation.js';
import { accountSchema } from '../identity/account.js';
import { privacySchema } from '../desk/privacy.js';
import { articleSchema } from '../knowledge/article.js';
import { preventiveActionSchema, problemSchema } from '../problem/problem-record.js';
import { actionOfProblemSchema } from './preventive-actions.js';
import { questionCountsSchema, questionSchema } from '../self-service/question.js';
import { requestFormSchema } from '../self-service/request-form.js';
import { keySchema } from '../identity/credential.js';
import { webhookSchema } from '../desk/webhook.js';
import { deliveryTargetSchema, reportRunSchema, reportSchema } from '../desk/report.js';
import { principalSchema } from '../identity/principal.js';
import { agentDocumentSchema } from './agents.js';
import { historyStepSchema, ticketStepSchema } from './history-step.js';
import { eventRefSchema } from './event-ref.js';
import { capacityReportSchema } from './capacity-report.js';
import { flowReportSchema } from './flow-report.js';
import { figureSchema, groupFigureSchema, kpiEvidenceLineSchema, kpiEvidenceSchema, kpiReportSchema, kpiSchema } from './kpi-report.js';
import { reportedEventSchema, rootCauseReportSchema } from './root-cause-report.js';
import { auditorReadSchema } from './auditor-reads.js';
import { policyReactionSchema } from './policy-reactions.js';
import { restatedTicketSchema } from './restated-ticket.js';
import { boardClockSchema, boardLineSchema } from './sla-board.js';
import { stored } from './stored.js';
import { ticketConversationSchema } from './ticket-conversation.js';
import { ticketDetailsSchema } from './ticket-details.js';
import { ticketListLineSchema } from './ticket-list.js';
import { ticketSlaNowSchema } from './ticket-sla.js';
import { queueEntrySchema } from './tier-queue.js';
import { actorSchema, personSchema, prioritySchema, tierSchema } from '../vocabulary.js';

/** Schemas by their published names. */
export const publishedSchemas = {
  TicketDetails: stored(ticketDetailsSchema, 'Id of the ticket'),
  TicketConversation: ticketConversationSchema,
  HistoryEntry: stored(ticketStepSchema, '`<ticket id>/<revision>`'),
  HistoryStep: stored(historyStepSchema, '`<id>/<revision>`'),
  TicketSla: ticketSlaNowSchema,
  QueueEntry: stored(queueEntrySchema, 'Id of the ticket'),
  TicketListEntry: stored(ticketListLineSchema, 'Id of the ticket'),
  SlaBoardLine: stored(boardLineSchema, 'Id of the ticket'),
  BoardClock: boardClockSchema,
  Kpi: kpiSchema,
  KpiReport: kpiReportSchema,
  KpiEvidence: kpiEvidenceSchema,
  KpiEvidenceLine: kpiEvidenceLineSchema,
  Figure: figureSchema,
  GroupFigure: groupFigureSchema,
  EventRef: eventRefSchema,
  FlowReport: flowReportSchema,
  CapacityReport: capacityReportSchema,
  AuditorRead: stored(auditorReadSchema, 'Id of its event'),
  PolicyReaction: stored(policyReactionSchema, 'Derived from the policy and the event'),
  Contract: contractSchema,
  ClientContract: contractNowSchema,
  BusinessCalendar: calendarSchema,
  OpenHours: hoursSchema,
  Target: targetSchema,
  ClientTargets: clientTargetsSchema,
  TierTargets: tierTargetsSchema,
  PriorityByUrgency: priorityByUrgencySchema,
  EscalationPolicy: escalationPolicySchema,
  EscalationChain: escalationChainSchema,
  SlaClock: slaClockSchema,
  ClockVerdict: clockVerdictSchema,
  SpentOn: spentOnSchema,
  TicketAutopsy: ticketAutopsySchema,
  RestatedTicket: restatedTicketSchema,
  TicketWhy: ticketWhySchema,
  Simulation: simulationSchema,
  OnCallRotation: onCallRotationSchema,
  OnCallOverride: keptOverrideSchema,
  OnCallOverrides: onCallOverridesSchema,
  OnCallSchedule: onCallScheduleSchema,
  OnCallNow: onCallNowSchema,
  Shift: shiftSchema,
  Team: teamSchema,
  TeamNow: teamNowSchema,
  Agent: agentDocumentSchema,
  TicketFilter: ticketFilterSchema,
  Article: articleSchema,
  ProblemRecord: problemSchema,
  PreventiveAction: preventiveActionSchema,
  RootCauseReport: rootCauseReportSchema,
  ReportedEvent: reportedEventSchema,
  ActionOfProblem: actionOfProblemSchema,
  Alert: alertSchema,
  AlertSource: alertSourceSchema,
  AlertSettings: alertSettingsSchema,
  Maintenance: maintenanceSchema,
  MajorIncident: majorIncidentSchema,
  StatusPage: statusPageSchema,
  AutomationTask: automationTaskSchema,
  Question: questionSchema,
  QuestionCounts: questionCountsSchema,
  RequestForm: requestFormSchema,
  Privacy: privacySchema,
  Key: keySchema,
  Webhook: webhookSchema,
  Report: reportSchema,
  ReportRun: reportRunSchema,
  ReportTarget: deliveryTargetSchema,
  Account: accountSchema,
  Principal: principalSchema,
  Actor: actorSchema,
  Person: personSchema,
  Priority: prioritySchema,
  Tier: tierSchema,
} as const satisfies Readonly<Record<string, GenericSchema>>;
