import { deterministicId, type Reaction, type RecordedEvent, streamId } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import { RULE_TRIGGERS, type RuleAction, rulesThatFire } from '../contract/rule.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined } from '../plain-json.js';
import type { ClockedTicket, ClockedTicketState } from './clocked-ticket.js';
import { toTicket, withItsCause } from './ticket-policies.js';
import { ticket, type TicketCommands } from './ticket.js';

/** What rules ask of runners. */
interface Asking {
  readonly AskRunner: { readonly ticketId: string; readonly action: string; readonly input?: object };
}
type Commands = TicketCommands & Asking;

const NAME = 'contract-rules';

/** Whether an event is one that rules are about: not what they have brought about themselves. */
export function isForRules({ metadata }: { readonly metadata: { readonly actor: { readonly id: string } } }): boolean {
  return metadata.actor.id !== `policy:${NAME}`;
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
      const body = omitUndefined({ ticketId: id, action: action.action, input: action.input });
      return [{ category: 'automation', id: opened, name: 'AskRunner', body }];
    }
    case 'link':
      return [toTicket(id, 'LinkTicket', { ticketId: action.ticketId, relation: action.relation })];
  }
}

function fire(event: RecordedEvent<TicketEvents>, state: ClockedTicketState): readonly Reaction<Commands>[] {
  if (state === null) return [];
  const id = streamId(event.stream);
  return rulesThatFire(termsOf(state).rules, event.type, state).flatMap(({ name, then }) =>
    then.flatMap((action, index) => follow(action, id, state, deterministicId('rule-ticket', event.id, name, String(index)))),
  );
}

/** Does what the rules of a ticket's contract say when something happens to it. */
export const contractRules = withItsCause<TicketEvents, ClockedTicketState, Commands>({
  name: NAME,
  aggregate: ticket,
  concerns: (event) => isForRules(event) && (event.type !== 'TicketOpened' || event.data.contract?.terms.rules !== undefined),
  react: Object.fromEntries(RULE_TRIGGERS.map((type) => [type, fire])),
});
