import type { Message } from '../contract/escalation-message.js';
import type { EscalationTarget, Notification, PassedOver } from '../contract/escalation-policy.js';
import { type FailedNotification, type SettledNotification, withoutDetail } from '../contract/reminder.js';
import type { Person } from '../vocabulary.js';
import { note, unchanged } from './definition.js';

/** A step of a running escalation policy. Round and step are counted from 0. */
export interface ChainStep {
  readonly chain: string;
  readonly policy: string;
  readonly round: number;
  readonly step: number;
}

type NotNotified = ChainStep & FailedNotification;

export const escalationEvents = {
  EscalationStepDispatched: note<
    ChainStep & {
      readonly targets: readonly EscalationTarget[];
      /** Targets with nobody to notify: the step reached only the others. */
      readonly passedOver?: readonly PassedOver[];
      /** Why the step did not hand the work on as configured. */
      readonly notHandedOn?: string;
      /** The messages to targets with addresses, and their text. Other targets learn of the step only through this event. */
      readonly notifications?: readonly Notification[];
      readonly message?: Message;
    }
  >({
    says: 'a step of an escalation policy was dispatched: whom it notifies, whom it passed over and why; `effectiveAt` is when it was due',
    publicData: 'all',
    personal: { fields: ['message.subject', 'message.text'] },
    evolve: unchanged,
  }),

  EscalationStepSkipped: note<ChainStep & { readonly because: string; readonly passedOver?: readonly PassedOver[] }>({
    says: 'a step of an escalation policy found nobody to notify, and why, or no tier to hand the work to: the next step follows at once',
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),

  NotificationDelivered: note<ChainStep & SettledNotification>({
    says: 'a message of an escalation step was delivered: to whom, through which channel, after how many attempts',
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),

  NotificationFailed: note<NotNotified, typeof withoutDetail<NotNotified>>({
    says: "a message of an escalation step could not be delivered, and why. If none of the step's messages could, the next step follows at once",
    publicData: withoutDetail,
    evolve: unchanged,
    personal: null,
  }),

  EscalationAcknowledged: note<{ readonly chains: readonly string[]; readonly by: Person; readonly note?: string }>({
    says: 'somebody acknowledged what escalation policies reported: the policies stop, or pause until the acknowledgement lapses',
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),

  EscalationAcknowledgementLapsed: note<{ readonly chain: string; readonly policy: string }>({
    says: 'an acknowledgement lapsed: the policy continues',
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),
};
