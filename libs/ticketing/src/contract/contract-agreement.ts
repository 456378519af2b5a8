import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  event,
  type EventsOf,
  type Fault,
  type Instant,
  isRefusal,
  parseInstant,
  refuse,
  type Refusal,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateTime, Fields, Name, Text } from '../command-fields.js';
import { type Contract, contractSchema, defaultContract, type PinnedContract } from './contract.js';
import { omitUndefined, same, without } from '../plain-json.js';
import { about, count, faultsOf, instant, listOf, open, optional, refer, type Static, text } from '../schema.js';
import { TIERS } from '../vocabulary.js';

const versionSchema = open({
  version: about(count, '1, and one more for each agreement'),
  effectiveFrom: about(instant, 'From when on it holds'),
  terms: about(refer(contractSchema), 'What is promised, and how it is worked'),
  note: optional(about(text, 'Why it was agreed')),
});

/** A version of a client's contract. */
export type ContractVersion = Static<typeof versionSchema>;

export const clientContractSchema = about(
  open({ client: about(text, 'The client (tenant)'), versions: about(listOf(versionSchema), 'All versions, oldest first') }),
  'What is agreed with a client',
);

export const contractNowSchema = about(
  open({
    ...clientContractSchema.entries,
    inForce: optional(about(count, 'The version that holds now; absent where none has begun')),
  }),
  'What is agreed with a client, and which version holds',
);

export type ContractNow = Static<typeof contractNowSchema>;

/** No contract yet, or all its versions, oldest first. */
export type ContractState = Static<typeof clientContractSchema> | null;

@JSONSchema({
  description:
    "Agrees a new version of a client's contract: what is left out of the terms is as in the default contract. Tickets opened from then on go by it; " +
    'the clocks of open ones are rebased to it, with the time that they have used up; verdicts stay.',
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
  @Name({ description: 'The client (tenant) whose contract it is', example: 'northwind', max: 100 })
  client!: string;

  @Fields({
    description: 'What is promised, and how it is worked: see the schema `Contract`. What is left out is as in the default contract.',
  })
  terms!: Readonly<Record<string, unknown>>;

  @DateTime({
    description: 'From when on it holds; from now on unless said otherwise. It may lie in the past or in the future.',
    optional: true,
  })
  effectiveFrom?: string;

  @Text({ description: 'Why', max: 2000, optional: true })
  note?: string;
}

/** Terms in which the public holidays that the calendar asks for are dates, or what is wrong with what it asks for. */
export type TermsWithHolidays = { readonly terms: Readonly<Record<string, unknown>> } | { readonly faults: readonly Fault[] };

const events = {
  ContractAgreed: event<ContractState, ContractVersion & { readonly client: string }>({
    evolve: (state, { client, ...version }) => ({ client, versions: [...(state?.versions ?? []), version] }),
  }),
};

const command = commandsOn<ContractState, EventsOf<{ readonly events: typeof events }>>();

/** What is agreed with a client, version by version. One stream a client: `contract-<client>`. */
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
      refuses: ['contract-invalid'],
      // The terms with the public holidays that their calendar asks for, or what is wrong with what it asks for.
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
        return [
          { type: 'ContractAgreed', data: omitUndefined({ client, version: (latest?.version ?? 0) + 1, effectiveFrom, terms, note }) },
        ];
      },
    }),
  },
} satisfies Aggregate<ContractState>;

export type ContractEvents = EventsOf<typeof contract>;
export type ContractCommands = CommandsOf<typeof contract>;

/** Characters of JSON. */
const LARGEST = 64 * 1024;

/** Terms as they are given: what is left out is as in the default contract. Refused (`contract-invalid`) with each fault, under `terms`. */
export function contractTerms(given: Readonly<Record<string, unknown>>): Contract | Refusal<'contract-invalid'> {
  // What is promised by tiers that the contract leaves out is not promised.
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

/** The version that holds at an instant: the newest of those that have begun. Undefined where none has: the default contract holds. */
export function contractInForce(state: { readonly versions: readonly ContractVersion[] } | null, at: Instant): ContractVersion | undefined {
  return state?.versions.findLast(({ effectiveFrom }) => effectiveFrom <= at);
}

/** A version of a client's contract, with from when on it is known to have been in force. */
export interface InForce {
  readonly from: Instant;
  readonly contract: PinnedContract;
}

/**
 * What was in force when, as it is known now, oldest first: a version that was agreed with effect from before an older one began replaces it.
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
