import { about, between, fields, forSome, matching, type Static, withRule } from '../schema.js';
import { type Tier, TIERS } from '../vocabulary.js';

/** Default cost of an hour of work at each tier, in hours of L1. Nobody works at L0. */
export const DEFAULT_WEIGHTS: Readonly<Record<Tier, number>> = { L0: 0, L1: 1, L2: 1.6, L3: 2.5, L4: 2.5 };

/** The highest cost of an hour. */
export const HIGHEST_RATE = 1_000_000;

/** What an hour of work costs at the tiers, L1 among them. */
export type HourlyRates = Readonly<Partial<Record<Tier, number>>> & { readonly L1: number };

/** What an hour costs at every tier: at one that is not named, its default weight times the rate of L1. */
export function weightsOf(perHour: HourlyRates): Readonly<Record<Tier, number>> {
  return Object.fromEntries(TIERS.map((tier) => [tier, perHour[tier] ?? DEFAULT_WEIGHTS[tier] * perHour.L1])) as Record<Tier, number>;
}

/** A currency, by its ISO 4217 code, and what is said of anything else. */
export const CURRENCY = { pattern: /^[A-Z]{3}$/, rule: 'must be a currency by its ISO 4217 code, such as EUR' };

export const currencySchema = matching(CURRENCY.pattern, CURRENCY.rule);

export const ratesSchema = withRule(
  fields({
    currency: about(currencySchema, 'Currency, by its ISO 4217 code'),
    perHour: about(
      forSome(TIERS, between(0, HIGHEST_RATE)),
      'What an hour of work costs at each tier. L1 must be named; an omitted tier costs its default weight (L0 0, L2 1.6, L3 and L4 2.5) times L1',
    ),
  }),
  ({ perHour }) => (perHour.L1 === undefined ? [{ at: ['perHour', 'L1'], message: 'is missing' }] : []),
);

/** What is agreed about the cost of work. */
export type Rates = Static<typeof ratesSchema>;
