import type { Fault } from '#eventsourcing';
import { about, forSome, listOf, oneOf, open, type Static, text } from '../schema.js';
import { rank, type Tier } from '../vocabulary.js';

export const diagnosticStepSchema = open({ action: about(text, 'What was tried'), outcome: about(text, 'What came of it') });

/** What was tried before the hand-off, and the result. */
export type DiagnosticStep = Static<typeof diagnosticStepSchema>;

export const vendorCaseSchema = open({
  vendor: about(text, 'Name of the vendor'),
  caseReference: about(text, "The vendor's case reference"),
  contract: about(text, 'Reference to the contract with the vendor'),
});

/** A vendor's case that an L4 hand-off refers to. */
export type VendorCase = Static<typeof vendorCaseSchema>;

/** What goes with a ticket to a higher tier. Which parts are required depends on the step: see hand-off.ts. */
export interface HandOff {
  readonly summary?: string;
  readonly errorMessages?: readonly string[];
  /** References (URLs or names of attached evidence) to logs. */
  readonly logs?: readonly string[];
  readonly stepsTried?: readonly DiagnosticStep[];
  /** Steps that reproduce the fault … */
  readonly stepsToReproduce?: readonly string[];
  /** … or why it can't be reproduced. */
  readonly notReproducibleBecause?: string;
  readonly diagnosticData?: readonly string[];
  readonly environment?: string;
  readonly vendor?: VendorCase;
}

/** The items that a hand-off may be required to carry: the message when one is missing, and where it is found. */
const items = {
  summary: need('summary', 'a summary', (h) => h.summary),
  errorMessages: need('errorMessages', 'the error messages, or why there are none', (h) => h.errorMessages),
  logs: need('logs', 'logs or a reference to them', (h) => h.logs),
  stepsTried: need('stepsTried', 'every step already tried, with its outcome', (h) => h.stepsTried),
  reproduction: need(
    'stepsToReproduce',
    "steps that reproduce the fault, or why it can't be reproduced",
    (h) => h.stepsToReproduce ?? h.notReproducibleBecause,
  ),
  diagnosticData: need('diagnosticData', 'diagnostic data', (h) => h.diagnosticData),
  environment: need('environment', 'the environment', (h) => h.environment),
  vendor: need('vendor.vendor', 'the vendor', (h) => h.vendor?.vendor),
  vendorCase: need('vendor.caseReference', "the vendor's case reference", (h) => h.vendor?.caseReference),
  vendorContract: need('vendor.contract', 'the contract with the vendor', (h) => h.vendor?.contract),
};
export type HandOffItem = keyof typeof items;
export const HAND_OFF_ITEMS = Object.keys(items) as readonly HandOffItem[];

/** Tiers that work is handed up to. */
export const RECEIVING_TIERS = ['L1', 'L2', 'L3', 'L4'] as const;

export const handOffRequirementsSchema = forSome(RECEIVING_TIERS, listOf(oneOf(HAND_OFF_ITEMS), HAND_OFF_ITEMS.join(', ')));

/** What a hand-off to a tier from below must carry. */
export type HandOffRequirements = Static<typeof handOffRequirementsSchema>;

/** Required unless the contract says otherwise. */
const customary: HandOffRequirements = {
  L2: ['summary', 'errorMessages', 'logs', 'stepsTried'],
  L3: ['reproduction', 'diagnosticData', 'environment'],
  L4: ['vendor', 'vendorCase', 'vendorContract'],
};

function need(field: string, what: string, value: (handOff: HandOff) => string | readonly unknown[] | undefined) {
  return (handOff: HandOff): Fault | undefined => {
    const found = value(handOff);
    return found === undefined || found.length === 0
      ? { field: `handoff.${field}`, message: `The hand-off must include ${what}` }
      : undefined;
  };
}

/**
 * What is missing from a hand-off. The step to L3 also requires everything that the step to L2 does; a hand-off that skips tiers requires
 * what every tier on its way does.
 * @param asked what the contract requires for each tier; the customary items for a tier that it leaves out
 */
export function missingFromHandOff(from: Tier, to: Tier, handOff: HandOff, asked?: HandOffRequirements): readonly Fault[] {
  return requiredBy(from, to, asked).flatMap((check) => check(handOff) ?? []);
}

function requiredBy(from: Tier, to: Tier, asked: HandOffRequirements = {}) {
  const lowest = to === 'L3' ? Math.min(rank('L2'), rank(from) + 1) : rank(from) + 1;
  const names = RECEIVING_TIERS.filter((tier) => rank(tier) >= lowest && rank(tier) <= rank(to)).flatMap(
    (tier) => asked[tier] ?? customary[tier] ?? [],
  );
  return [...new Set(names)].map((name) => items[name]);
}

/** What helps a receiver, required or not. */
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
 * Quality of a hand-off, 0 to 100, by which reports rank teams. It gives 60 for the items that the step customarily requires, whatever the
 * client's contract says, so that figures are comparable (in proportion if an imported hand-off lacks some). It gives up to 40 for what
 * helps a receiver, in proportion: summary, error messages, logs, three or more steps tried, steps to reproduce, diagnostic data,
 * environment. Reports halve it if the hand-off was returned.
 */
export function handOffQuality(from: Tier, to: Tier, handOff: HandOff): number {
  const required = requiredBy(from, to);
  const fulfilled = required.length === 0 ? 1 : 1 - missingFromHandOff(from, to, handOff).length / required.length;
  const glad = appreciated.filter((isPresent) => isPresent(handOff)).length / appreciated.length;
  return Math.round(60 * fulfilled + 40 * glad);
}
