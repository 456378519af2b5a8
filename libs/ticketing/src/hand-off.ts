import type { Fault } from '#eventsourcing';
import type { HandOff } from './ticket-events.js';
import { rank, type Tier } from './vocabulary.js';

/** What a hand-off must carry to cross from one tier to the next, by the tier that is entered. */
const requirements: Partial<Record<Tier, readonly ((handOff: HandOff) => Fault | undefined)[]>> = {
  L2: [
    need('summary', 'a summary', (h) => h.summary),
    need('errorMessages', 'the error messages, or why there are none', (h) => h.errorMessages),
    need('logs', 'logs or a reference to them', (h) => h.logs),
    need('stepsTried', 'every step already tried, with its outcome', (h) => h.stepsTried),
  ],
  L3: [
    need(
      'stepsToReproduce',
      "steps that reproduce the fault, or why it can't be reproduced",
      (h) => h.stepsToReproduce ?? h.notReproducibleBecause,
    ),
    need('diagnosticData', 'diagnostic data', (h) => h.diagnosticData),
    need('environment', 'the environment', (h) => h.environment),
  ],
  L4: [
    need('vendor.vendor', 'the vendor', (h) => h.vendor?.vendor),
    need('vendor.caseReference', "the vendor's case reference", (h) => h.vendor?.caseReference),
    need('vendor.contract', 'the contract with the vendor', (h) => h.vendor?.contract),
  ],
};

function need(field: string, what: string, value: (handOff: HandOff) => string | readonly unknown[] | undefined) {
  return (handOff: HandOff): Fault | undefined => {
    const found = value(handOff);
    return found === undefined || found.length === 0
      ? { field: `handoff.${field}`, message: `The hand-off must carry ${what}` }
      : undefined;
  };
}

/**
 * What is missing from a hand-off. The step to L3 also requires all that the step to L2 does; a hand-off that skips tiers requires
 * what every tier on its way does.
 */
export function missingFromHandOff(from: Tier, to: Tier, handOff: HandOff): readonly Fault[] {
  return requiredBy(from, to).flatMap((check) => check(handOff) ?? []);
}

function requiredBy(from: Tier, to: Tier) {
  const lowest = to === 'L3' ? rank('L2') : rank(from) + 1;
  return (['L2', 'L3', 'L4'] as const)
    .filter((tier) => rank(tier) >= lowest && rank(tier) <= rank(to))
    .flatMap((tier) => requirements[tier] ?? []);
}

/** What a receiver is glad of, required or not. */
const appreciated: readonly ((handOff: HandOff) => boolean)[] = [
  (h) => h.summary !== undefined,
  (h) => h.errorMessages !== undefined,
  (h) => h.logs !== undefined,
  (h) => (h.stepsTried?.length ?? 0) >= 3,
  (h) => h.stepsToReproduce !== undefined,
  (h) => h.diagnosticData !== undefined,
  (h) => h.environment !== undefined,
];

/**
 * Quality of a hand-off, 0 to 100, by which reports rank teams: 60 for carrying what its step requires (in proportion where an imported one
 * does not), and up to 40 for what a receiver is glad of (summary, error messages, logs, three or more steps tried, steps to reproduce,
 * diagnostic data, environment), in proportion. Reports halve it when the hand-off was returned.
 */
export function handOffQuality(from: Tier, to: Tier, handOff: HandOff): number {
  const required = requiredBy(from, to);
  const fulfilled = required.length === 0 ? 1 : 1 - missingFromHandOff(from, to, handOff).length / required.length;
  const glad = appreciated.filter((present) => present(handOff)).length / appreciated.length;
  return Math.round(60 * fulfilled + 40 * glad);
}
