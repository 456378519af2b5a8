import type { Message } from '../contract/escalation-message.js';
import type { EscalationTarget, Notification, PassedOver, Undelivered } from '../contract/escalation-policy.js';
import type { Person } from '../vocabulary.js';
import { note, unchanged } from './definition.js';

/** A step of an escalation policy at work. Round and step are counted from 0. */
export interface ChainStep {
  readonly chain: string;
  readonly policy: string;
  readonly round: number;
  readonly step: number;
}

/** What became of a message. */
type Notified = Notification & { readonly attempts: number };

export const escalationEvents = {
  EscalationStepDispatched: note<
    ChainStep & {
      readonly targets: readonly EscalationTarget[];
      /** Targets that were nobody: the step reached only the others. */
      readonly passedOver?: readonly PassedOver[];
      /** Why the step did not hand the work on as it was to. */
      readonly notHandedOn?: string;
      /** The messages that are sent, to targets that have addresses, and what they say. Others learn of the step by this event alone. */
      readonly notifications?: readonly Notification[];
      readonly message?: Message;
    }
  >({
    says: 'a step of an escalation policy: whom it tells, and whom it passed over and why; `effectiveAt` is when it was due',
    personal: { fields: ['message.subject', 'message.text'] },
    evolve: unchanged,
  }),

  EscalationStepSkipped: note<ChainStep & { readonly because: string; readonly passedOver?: readonly PassedOver[] }>({
    says: 'a step of an escalation policy that found nobody to tell, and why, or nowhere to hand the work on to: the next one comes at once',
    evolve: unchanged,
  }),

  NotificationDelivered: note<ChainStep & Notified>({
    says: 'a message of a step of an escalation policy got through: to whom, by what, after how many attempts',
    evolve: unchanged,
  }),

  NotificationFailed: note<ChainStep & Notified & { readonly because: Undelivered; readonly detail?: string }>({
    says: 'a message of a step of an escalation policy did not get through, and why. Where none of the step did, the next step comes at once',
    evolve: unchanged,
  }),

  EscalationAcknowledged: note<{ readonly chains: readonly string[]; readonly by: Person; readonly note?: string }>({
    says: 'somebody answers for what escalation policies told of: they go no further, or not for as long as it lasts',
    evolve: unchanged,
  }),

  EscalationAcknowledgementLapsed: note<{ readonly chain: string; readonly policy: string }>({
    says: 'time is up for an acknowledgement: the policy goes on',
    evolve: unchanged,
  }),
};
