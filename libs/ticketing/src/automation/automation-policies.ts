import { deterministicId, type Reaction, streamId } from '#eventsourcing';
import { nextStep } from '../events/runbook.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { TicketState } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { toTicket, withItsCause } from '../ticket/ticket-policies.js';
import { ticket, type TicketCommands } from '../ticket/ticket.js';
import { automation, type AutomationCommands, type AutomationEvents, type AutomationState } from './automation.js';

/**
 * Turns a runner's result into a diagnostic step of the ticket, with its evidence. Tasks that runners fail or leave undone go to a person.
 */
export const automationToTickets = withItsCause<AutomationEvents, AutomationState, TicketCommands>({
  name: 'automation-to-tickets',
  aggregate: automation,
  react: {
    AutomationAnswered: ({ data: { outcome, output, evidence } }, state) => {
      if (state === null) return [];
      const { ticketId, action, runner, runbook } = state;
      return [
        runbook
          ? toTicket(ticketId, 'TickRunbookStep', { ...runbook, result: outcome, outcome: output })
          : toTicket(ticketId, 'RecordDiagnosticStep', {
              action: `${action} (${runner?.name ?? runner?.id})`.slice(0, 2000),
              outcome: output,
            }),
        ...(evidence === undefined ? [] : [toTicket(ticketId, 'AttachEvidence', evidence)]),
        ...(outcome === 'done' ? [] : [toTicket(ticketId, 'AddInternalNote', { text: `${action} failed: a person must see to it` })]),
      ];
    },
    AutomationLeaseExpired: (_event, state) =>
      state === null
        ? []
        : [toTicket(state.ticketId, 'AddInternalNote', { text: `${state.action} was not done in time: a person must see to it` })],
  },
});

/**
 * Asks a runner for the next step of a runbook, if that step is automated. Each step is requested once: a failed one is left to a person.
 */
function askForNext(run: string, state: TicketState, ticketId: string): readonly Reaction<AutomationCommands>[] {
  const started = state?.runbooks?.find((one) => one.run === run);
  const next = started && nextStep(started);
  if (next?.step.runner === undefined || next.step.status !== 'waiting') return [];
  const { number: step } = next;
  const { action, input, attempts } = next.step.runner;
  const body = omitUndefined({ ticketId, action, input, attempts, runbook: { run, step } });
  return [{ category: automation.category, id: deterministicId('runbook-step', run, String(step)), name: 'AskRunner', body }];
}

/** Asks runners for the automated steps of runbooks, each once the steps before it are done or skipped. */
export const runbooksToRunners = withItsCause<TicketEvents, TicketState, AutomationCommands>({
  name: 'runbooks-to-runners',
  aggregate: ticket,
  concerns: ({ type, data }) => type !== 'DiagnosticStepRecorded' || data.runbook?.result === 'done',
  react: {
    RunbookStarted: ({ stream, data: { run } }, state) => askForNext(run, state, streamId(stream)),
    RunbookStepSkipped: ({ stream, data: { run } }, state) => askForNext(run, state, streamId(stream)),
    DiagnosticStepRecorded: ({ stream, data: { runbook } }, state) => (runbook ? askForNext(runbook.run, state, streamId(stream)) : []),
  },
});
