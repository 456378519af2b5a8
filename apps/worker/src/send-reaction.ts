import type { Aggregate, EventStore, SendReaction } from '#eventsourcing';
import {
  agent,
  alert,
  type AlertCommands,
  article,
  type ArticleCommands,
  type AssignmentTasks,
  attention,
  automation,
  type AutomationCommands,
  type AttentionCommands,
  majorIncident,
  type MajorIncidentCommands,
  outage,
  type OutageCommands,
  problem,
  type ProblemCommands,
  question,
  type QuestionCommands,
  recurrence,
  type RecurrenceCommands,
  ticket,
  type TicketCommands,
} from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import type { Assigner } from './assigner.js';

type Commands = TicketCommands &
  AttentionCommands &
  ProblemCommands &
  RecurrenceCommands &
  ArticleCommands &
  AlertCommands &
  MajorIncidentCommands &
  OutageCommands &
  AutomationCommands &
  QuestionCommands &
  AssignmentTasks;

/** The aggregates that policies send commands to. */
const commanded: readonly Aggregate[] = [
  ticket,
  attention,
  problem,
  recurrence,
  article,
  alert,
  majorIncident,
  outage,
  automation,
  question,
];

/** Runs the commands of policies like those of people; assignment tasks go to the assigner. */
export function sendReactions(store: EventStore, assigner: Assigner): SendReaction<Commands> {
  return (reaction, context) => {
    const { category, id, name, body } = reaction;
    if (name === 'ReleaseTickets' && category === agent.category) return assigner.releaseTickets(id, body, context);
    if (name === 'ReleaseIfAway') return assigner.releaseIfAway(id, body, context);
    if (name === 'FindAgent') return assigner.findAgent(id, context);
    const aggregate = commanded.find((one) => one.category === category && Object.hasOwn(one.commands, name));
    if (aggregate === undefined) throw new Error(`a policy has ${name} for ${category}, which nobody takes`);
    return runSystemCommand(store, { aggregate, id, name, body, context });
  };
}
