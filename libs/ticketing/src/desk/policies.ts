import type { Policy } from '#eventsourcing';
import { alertsToTickets } from '../alerts/alert-policies.js';
import { automationToTickets, runbooksToRunners } from '../automation/automation-policies.js';
import { articlesOfTickets } from '../knowledge/article-policies.js';
import {
  majorIncidentsToTickets,
  majorTickets,
  outagesToMajorIncidents,
  ticketsOfServices,
} from '../major-incident/major-incident-policies.js';
import { problemsToTickets, recurrencesToProblems, ticketsThatRecur } from '../problem/recurrence-policies.js';
import { contractRules } from '../ticket/rule-policies.js';
import { articlesOfQuestions, ticketsOfQuestions } from '../self-service/question-policies.js';
import { childrenFollow, ticketLinks, ticketMerges } from '../ticket/ticket-policies.js';
import { touchTimeElsewhere, touchTimeOfAgents, touchTimeOfTheAway, touchTimeOfWorkBegun } from './touch-time-policies.js';
import { automaticAssignment, ticketsOfFormerMembers, ticketsOfTheAway, ticketsThatComeBack } from './assignment-policies.js';

/** Every policy that the worker runs. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has events and commands of its own
export const policies: readonly Policy<any, any, any>[] = [
  ticketLinks,
  ticketMerges,
  childrenFollow,
  automaticAssignment,
  ticketsThatComeBack,
  ticketsOfTheAway,
  ticketsOfFormerMembers,
  touchTimeOfAgents,
  touchTimeOfTheAway,
  touchTimeOfWorkBegun,
  touchTimeElsewhere,
  ticketsThatRecur,
  recurrencesToProblems,
  problemsToTickets,
  articlesOfTickets,
  alertsToTickets,
  ticketsOfServices,
  outagesToMajorIncidents,
  majorTickets,
  majorIncidentsToTickets,
  contractRules,
  automationToTickets,
  runbooksToRunners,
  ticketsOfQuestions,
  articlesOfQuestions,
];
