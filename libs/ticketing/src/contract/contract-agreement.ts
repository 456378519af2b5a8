import {
  type Aggregate,
  commandsOn,
  type EventsOf,
  type Fault,
  type Instant,
  isRefusal,
  parseInstant,
  refuse,
  type Refusal,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateOrTime, DateTime, Fields, Name, Text } from '../command-fields.js';
import { type Contract, contractSchema, defaultContract, type PinnedContract } from './contract.js';
import type { Rule, RuleTally } from './rule.js';
import { omitUndefined, same, without } from '../plain-json.js';
import { publishedEvent } from '../published-event.js';
import { about, count, faultsOf, instant, listOf, open, optional, refer, type Static, text } from '../schema.js';
import { TIERS } from '../vocabulary.js';

const versionSchema = open({
  version: about(count, '1, incremented with each agreement'),
  effectiveFrom: about(instant, 'When it takes effect'),
  terms: about(refer(contractSchema), 'Promises to the client and working rules'),
  note: optional(about(text, 'Reason for the agreement')),
});

/** A version of a client's contract. */
export type ContractVersion = Static<typeof versionSchema>;

export const clientContractSchema = about(
  open({ client: about(text, 'The client (tenant)'), versions: about(listOf(versionSchema), 'All versions, oldest first') }),
  'Contract versions agreed with a client',
);

export const contractNowSchema = about(
  open({
    ...clientContractSchema.entries,
    inForce: optional(about(count, 'Version in force now; absent if none has taken effect')),
  }),
  'Contract versions agreed with a client, and the one in force',
);

export type ContractNow = Static<typeof contractNowSchema>;

/** All versions of the agreement with a client, oldest first. */
export type ClientContract = Static<typeof clientContractSchema>;

/** A rule as last simulated under its name. */
interface SimulatedRule {
  readonly rule: Rule;
  readonly at: Instant;
}

/** Nothing yet, or all versions, oldest first; no versions if rules have only been simulated. */
export type ContractState = (ClientContract & { readonly simulated?: readonly SimulatedRule[] }) | null;

@JSONSchema({
  description:
    "Agrees a new version of a client's contract; omitted terms are those of the default contract. It applies to tickets opened from then on; " +
    'the clocks of open tickets are rebased to it and keep their elapsed time; verdicts stay.',
  examples: [
    {
      client: 'northwind',
      terms: {
        calendar: {
          zone: 'Europe/Rome',
          week: {
            monday: [
              { from: '08:00', to: '12:30' },
              { from: '13:30', to: '18:00' },
            ],
          },
        },
        reopen: 'continue',
      },
      note: 'Mondays only, while the pilot lasts',
    },
  ],
})
export class AgreeContract {
  @Name({ description: 'Client (tenant) the contract is for', example: 'northwind', max: 100 })
  client!: string;

  @Fields({
    description: 'Promises to the client and working rules: see the schema `Contract`. Omitted terms are those of the default contract.',
  })
  terms!: Readonly<Record<string, unknown>>;

  @DateTime({
    description: 'When it takes effect; default: now. May be in the past or in the future.',
    optional: true,
  })
  effectiveFrom?: string;

  @Text({ description: 'Why', max: 2000, optional: true })
  note?: string;
}

@JSONSchema({
  description:
    'Replays past tickets of the client under proposed terms and records how many of them each rule would have affected. New and changed rules can ' +
    'then be agreed (AgreeContract). The tickets are not changed. For everything else the terms would have changed, see `POST /v1/simulations`.',
  examples: [
    {
      client: 'northwind',
      terms: {
        rules: [
          {
            name: 'vpn',
            on: 'TicketOpened',
            if: [{ field: 'summary', contains: ['vpn'] }],
            then: [{ do: 'triage', category: 'network/vpn' }],
          },
        ],
      },
      from: '2026-01-01T00:00:00Z',
    },
  ],
})
export class SimulateRules {
  @Name({ description: 'Client (tenant) the contract is for', example: 'northwind', max: 100 })
  client!: string;

  @Fields({
    description: 'The terms to be agreed, including rules. Omitted terms are those of the default contract.',
  })
  terms!: Readonly<Record<string, unknown>>;

  @DateOrTime({
    description: "Tickets opened at this time or later; default: all. A date starts in the time zone of the terms' calendar",
    until: 'to',
    optional: true,
  })
  from?: string;

  @DateOrTime({ description: 'Tickets opened before this time; default: all', optional: true })
  to?: string;
}

/** What rules would have done to past tickets, or why this is not known. */
export type RulesReplayed =
  | Pick<RulesSimulated, 'rules' | 'from' | 'to' | 'tickets' | 'touched'>
  | Refusal<'contract-invalid' | 'simulation-too-long' | 'too-many-simulations'>;

/** Terms with the requested public holidays as dates, or the faults of the request. */
export type TermsWithHolidays = { readonly terms: Readonly<Record<string, unknown>> } | { readonly faults: readonly Fault[] };

const events = {
  ContractAgreed: publishedEvent<ContractState, ContractVersion & { readonly client: string }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { client, ...version }) => ({ ...state, client, versions: [...(state?.versions ?? []), version] }),
  }),
  ContractRulesSimulated: publishedEvent<ContractState, RulesSimulated>({
    publicData: 'all',
    personal: null,
    evolve: (state, { client, rules }, { effectiveAt: at }) => ({
      client,
      versions: state?.versions ?? [],
      simulated: [
        ...(state?.simulated ?? []).filter(({ rule }) => rules.every(({ name }) => name !== rule.name)),
        ...rules.map((rule) => ({ rule, at })),
      ],
    }),
  }),
};

/** Which rules were replayed on which past tickets of a client, and how many tickets each would have changed. */
interface RulesSimulated {
  readonly client: string;
  readonly rules: readonly Rule[];
  /** Only tickets opened at this time or later; default: all. */
  readonly from?: Instant;
  /** Tickets opened before this time; default: all. */
  readonly to?: Instant;
  /** Number of tickets replayed. */
  readonly tickets: number;
  /** What each rule would have done. */
  readonly touched: readonly RuleTally[];
}

const command = commandsOn<ContractState, EventsOf<{ readonly events: typeof events }>>();

/** The agreement with a client, version by version. One stream per client: `contract-<client>`. */
export const contract = {
  category: 'contract',
  noun: 'contract',
  idName: 'client',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    AgreeContract: command({
      body: AgreeContract,
      route: 'POST /v1/contracts',
      refuses: ['contract-invalid', 'rules-not-simulated'],
      // The terms with the public holidays that their calendar requests, or the faults of the request.
      needs: 'public-holidays',
      decide({ client, terms: asked, effectiveFrom: from, note }, state, { effectiveAt }, given?: TermsWithHolidays) {
        if (given !== undefined && 'faults' in given) return refuse('contract-invalid', 'Unknown public holidays', given.faults);
        const terms = contractTerms(given?.terms ?? asked);
        if (isRefusal(terms)) return terms;
        const effectiveFrom = (from === undefined ? undefined : parseInstant(from)) ?? effectiveAt;
        const latest = state?.versions.at(-1);
        const known =
          latest !== undefined &&
          same(latest.terms, terms) &&
          (from === undefined ? latest.effectiveFrom <= effectiveAt : latest.effectiveFrom === effectiveFrom);
        if (known) return [];
        const unproven = notSimulated(terms.rules ?? [], state);
        if (unproven.length > 0)
          return refuse(
            'rules-not-simulated',
            'Simulate new and changed rules on past tickets first: POST /v1/contracts/simulations with the same terms',
            unproven,
          );
        return [
          { type: 'ContractAgreed', data: omitUndefined({ client, version: (latest?.version ?? 0) + 1, effectiveFrom, terms, note }) },
        ];
      },
    }),
    SimulateRules: command({
      body: SimulateRules,
      route: 'POST /v1/contracts/simulations',
      refuses: ['contract-invalid', 'simulation-too-long', 'too-many-simulations'],
      needs: 'rules-replayed',
      decide({ client }, state, { effectiveAt }, replayed?: RulesReplayed) {
        if (replayed === undefined) return [];
        if (isRefusal(replayed)) return replayed;
        const { rules, from, to, tickets, touched } = replayed;
        if (rules.length === 0)
          return refuse('contract-invalid', 'Nothing to simulate', [{ field: 'terms.rules', message: 'must have at least one rule' }]);
        // A client without tickets has nothing to try rules on; someone who names a period expects tickets in it.
        if (tickets === 0 && (from !== undefined || to !== undefined)) {
          const field = from === undefined ? 'to' : 'from';
          return refuse('contract-invalid', 'Nothing was simulated', [
            { field, message: 'must cover tickets of the client: none was opened in this period' },
          ]);
        }
        const recorded = (state?.simulated ?? []).filter(({ at }) => at === effectiveAt).map(({ rule }) => rule);
        if (rules.every((rule) => recorded.some((other) => same(rule, other)))) return [];
        return [{ type: 'ContractRulesSimulated', data: omitUndefined({ client, rules, from, to, tickets, touched }) }];
      },
    }),
  },
} satisfies Aggregate<ContractState>;

/** Rules that were neither in an earlier version nor simulated in this form. */
function notSimulated(rules: readonly Rule[], state: ContractState): readonly Fault[] {
  const agreed = (state?.versions ?? []).flatMap(({ terms }) => terms.rules ?? []);
  const simulated = (state?.simulated ?? []).map(({ rule }) => rule);
  return rules.flatMap((rule, index) => {
    if ([...agreed, ...simulated].some((known) => same(known, rule))) return [];
    const before = simulated.some(({ name }) => name === rule.name);
    return [{ field: `terms.rules[${index}]`, message: before ? 'has changed since it was simulated' : 'was not simulated yet' }];
  });
}

export type ContractEvents = EventsOf<typeof contract>;

/** Characters of JSON. */
const LARGEST = 64 * 1024;

/** Terms as given; omitted ones are taken from the default contract. Refused (`contract-invalid`) with each fault, under `terms`. */
export function contractTerms(given: Readonly<Record<string, unknown>>): Contract | Refusal<'contract-invalid'> {
  // Promises of tiers that the contract leaves out are dropped.
  const left = Array.isArray(given['tiers']) ? TIERS.filter((tier) => !(given['tiers'] as readonly unknown[]).includes(tier)) : [];
  const terms: object = { ...defaultContract, tierTargets: without(defaultContract.tierTargets, ...left), ...given };
  const faults = faultsOf(contractSchema, terms, 'terms');
  const tooLarge = JSON.stringify(terms).length > LARGEST;
  if (faults.length === 0 && !tooLarge) return terms as Contract;
  return refuse('contract-invalid', 'Invalid contract', [
    ...faults,
    ...(tooLarge ? [{ field: 'terms', message: `must not be larger than ${LARGEST / 1024} KiB: every ticket carries them` }] : []),
  ]);
}

/** The agreement with a client; null if there is none. */
export function agreedWith(state: ContractState): ClientContract | null {
  return state === null || state.versions.length === 0 ? null : { client: state.client, versions: state.versions };
}

/** The version in force at an instant: the newest of those that have begun. Undefined if none has: the default contract applies. */
export function contractInForce(state: { readonly versions: readonly ContractVersion[] } | null, at: Instant): ContractVersion | undefined {
  return state?.versions.findLast(({ effectiveFrom }) => effectiveFrom <= at);
}

/** A version of a client's contract, with the time from which it is known to have been in force. */
export interface InForce {
  readonly from: Instant;
  readonly contract: PinnedContract;
}

/**
 * What was in force when, as known now, oldest first. A version that took effect before the start of an older one replaces it.
 * @param tzdata version of the time zone data, such as `2025b`
 */
export function everInForce(state: { readonly versions: readonly ContractVersion[] } | null, tzdata: string): readonly InForce[] {
  const versions = state?.versions ?? [];
  return versions.flatMap((version, index) =>
    versions.slice(index + 1).some(({ effectiveFrom }) => effectiveFrom <= version.effectiveFrom)
      ? []
      : [{ from: version.effectiveFrom, contract: pinned(version, tzdata) }],
  );
}

/** @param tzdata version of the time zone data, such as `2025b` */
export function pinned({ version, terms }: ContractVersion, tzdata: string): PinnedContract {
  return { version, tzdata, terms };
}
