import type { EscalationTarget, PassedOver } from '../contract/escalation-policy.js';
import type { Person } from '../vocabulary.js';
import { note, unchanged } from './definition.js';

/** A step of an escalation policy at work. Round and step are counted from 0. */
export interface ChainStep {
  readonly chain: string;
  readonly policy: string;
  readonly round: number;
  readonly step: number;
}

export const escalationEvents = {
  EscalationStepDispatched: note<
    ChainStep & {
      readonly targets: readonly EscalationTarget[];
      /** Targets that were nobody: the step reached only the others. */
      readonly passedOver?: readonly PassedOver[];
      /** Why the step did not hand the work on as it was to. */
      readonly notHandedOn?: string;
    }
  >({
    says: 'a step of an escalation policy: whom it tells, and whom it passed over and why; `effectiveAt` is when it was due',
    evolve: unchanged,
  }),

  EscalationStepSkipped: note<ChainStep & { readonly because: string; readonly passedOver?: readonly PassedOver[] }>({
    says: 'a step of an escalation policy that found nobody to tell, and why, or nowhere to hand the work on to: the next one comes at once',
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
