import { deterministicId, type EventOf, type Reaction, type RecordedEvent, streamId } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import { type Rule, RULE_TRIGGERS, type RuleAction, rulesThatFire } from '../contract/rule.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { Ticket } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import type { ClockedTicket, ClockedTicketState } from './clocked-ticket.js';
import { unlessActive } from './guards.js';
import { toTicket, withItsCause } from './ticket-policies.js';
import { ticket, type TicketCommands } from './ticket.js';

/** What rules ask of runners. */
interface Asking {
  readonly AskRunner: { readonly ticketId: string; readonly action: string; readonly input?: object; readonly attempts?: number };
}
type Commands = TicketCommands & Asking;

const NAME = 'contract-rules';

/** Whether an event can trigger rules: not if rules caused it. */
export function isForRules({ metadata }: { readonly metadata: { readonly actor: { readonly id: string } } }): boolean {
  return metadata.actor.id !== `policy:${NAME}`;
}

/**
 * The rules of a ticket's contract that one of its events fires. Clock moments fire none once the ticket is resolved or over: a worker that
 * was down records them late.
 * @param ticket right after the event
 */
export function firedBy(event: EventOf<TicketEvents>, ticket: Ticket): readonly Rule[] {
  const { rules } = termsOf(ticket);
  switch (event.type) {
    case 'SlaThresholdReached':
    case 'SlaBreached': {
      if (unlessActive(ticket) !== undefined) return [];
      const percent = event.type === 'SlaThresholdReached' ? { percent: String(event.data.percent) } : {};
      return rulesThatFire(rules, event.type, { ...ticket, clock: event.data.clock, ...percent });
    }
    default:
      return rulesThatFire(rules, event.type, ticket);
  }
}

function follow(
  action: RuleAction,
  id: string,
  { client, reporter, channel, impact, urgency }: ClockedTicket,
  opened: string,
): readonly Reaction<Commands>[] {
  switch (action.do) {
    case 'triage': {
      const { category, service, component } = action;
      const { impact, urgency } = action;
      return [toTicket(id, 'TriageTicket', omitUndefined({ category, service, component, impact, urgency }))];
    }
    case 'assign': {
      const { team, assignee } = action;
      return [toTicket(id, 'AssignTicket', omitUndefined({ team, assignee: assignee === undefined ? undefined : { id: assignee } }))];
    }
    case 'note':
      return [toTicket(id, 'AddInternalNote', { text: action.text })];
    case 'open': {
      const { summary, kind, category, team } = action;
      const opening = omitUndefined({ client, kind, summary, reporter, channel, impact, urgency, category, team });
      return [toTicket(opened, 'OpenTicket', opening), toTicket(id, 'LinkTicket', { ticketId: opened, relation: 'relates-to' })];
    }
    case 'ask': {
      const { action: named, input, attempts } = action;
      const body = omitUndefined({ ticketId: id, action: named, input, attempts });
      return [{ category: 'automation', id: opened, name: 'AskRunner', body }];
    }
    case 'link':
      return [toTicket(id, 'LinkTicket', { ticketId: action.ticketId, relation: action.relation })];
  }
}

function reactionsOfRules(event: RecordedEvent<TicketEvents>, state: ClockedTicketState): readonly Reaction<Commands>[] {
  if (state === null) return [];
  const id = streamId(event.stream);
  const reactions = firedBy(event, state).flatMap(({ name, then }) =>
    then.flatMap((action, index) => follow(action, id, state, deterministicId('rule-ticket', event.id, name, String(index)))),
  );
  if (event.type !== 'SlaThresholdReached' && event.type !== 'SlaBreached') return reactions;
  // Clock moments take effect when noticed: nobody was asked to do anything while the workers were down.
  const { recordedAt } = event.metadata;
  return reactions.map((one) => ({ ...one, body: { ...one.body, effectiveAt: recordedAt } }) as Reaction<Commands>);
}

/** Applies the rules of a ticket's contract to its events. */
export const contractRules = withItsCause<TicketEvents, ClockedTicketState, Commands>({
  name: NAME,
  aggregate: ticket,
  concerns: (event) => isForRules(event) && (event.type !== 'TicketOpened' || event.data.contract?.terms.rules !== undefined),
  react: Object.fromEntries(RULE_TRIGGERS.map((type) => [type, reactionsOfRules])),
});
