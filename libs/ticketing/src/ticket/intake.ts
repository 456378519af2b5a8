import { type Instant, type Refusal, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Flag, Name, OneOf, Part, PersonRef, Text, TextList, Uuid } from '../command-fields.js';
import { type Contract, DEFAULT_TERMS, entryTier, type PinnedContract, termsOf } from '../contract/contract.js';
import { resolvedAt } from '../events/ticket.js';
import { omitUndefined, same } from '../plain-json.js';
import {
  type Channel,
  CHANNELS,
  type Impact,
  IMPACTS,
  rank,
  TICKET_KINDS,
  type TicketKind,
  type Tier,
  TIERS,
  URGENCIES,
  type Urgency,
} from '../vocabulary.js';
import { asSkills } from './assignment-request.js';
import type { ClockedTicket, ClockedTicketState } from './clocked-ticket.js';
import { command, opening, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { asPerson, event } from './decisions.js';
import {
  canBeReopened,
  INACTIVE,
  isComponentOf,
  OVER,
  TIER_MISSING,
  UNCLASSIFIABLE,
  unlessActive,
  unlessInContract,
  unlessOfOneCustomer,
  unlessOver,
  unlessTierExists,
  UNRELATABLE,
} from './guards.js';

@JSONSchema({
  description: 'Opens a ticket at its tier of entry. Its priority is derived from impact and urgency.',
  examples: [
    {
      client: 'northwind',
      kind: 'incident',
      summary: 'Cannot print invoices',
      description: 'Since this morning every invoice stays in the queue of printer FIN-2.',
      reporter: { id: 'j.doe', name: 'Jane Doe' },
      channel: 'phone',
      impact: 'medium',
      urgency: 'high',
      service: 'printing',
    },
  ],
})
export class OpenTicket extends TicketCommand {
  @Name({ description: 'Client (tenant) of the ticket', example: 'northwind', max: 100 })
  client!: string;

  @OneOf(TICKET_KINDS, { description: 'Incident: something is broken. Service request: something is needed.', example: 'incident' })
  kind!: TicketKind;

  @Text({ description: 'One-line summary of what is wrong', example: 'Cannot print invoices', max: 200 })
  summary!: string;

  @Text({ description: 'Full description of what is wrong', max: 20_000, optional: true })
  description?: string;

  @Part(() => PersonRef, { description: 'Who reported it' })
  reporter!: PersonRef;

  @OneOf(CHANNELS, { description: 'How it reached the desk', example: 'phone' })
  channel!: Channel;

  @OneOf(IMPACTS, { description: 'How many are affected', example: 'medium' })
  impact!: Impact;

  @OneOf(URGENCIES, { description: 'How long it can wait', example: 'high' })
  urgency!: Urgency;

  @OneOf(TIERS, { description: 'Tier of entry; default: L1', example: 'L1', optional: true })
  tier?: Tier;

  @Name({ description: 'Team it is assigned to', example: 'service-desk', optional: true })
  team?: string;

  @Name({ description: 'Affected service', example: 'printing', optional: true })
  service?: string;

  @Name({ description: 'Affected configuration item', example: 'printer-FIN-2', optional: true })
  component?: string;

  @Name({ description: 'Category', example: 'hardware/printer', optional: true })
  category?: string;

  @TextList({
    description: 'Knowledge articles that self-service (L0) showed without success',
    example: ['KB-0042'],
    max: 200,
    optional: true,
  })
  articlesShown?: string[];

  @Uuid('a question', {
    description: 'Id of a question that no article answered; the suggested articles are attached',
    optional: true,
  })
  question?: string;

  @Uuid('a ticket', {
    description: 'Id of the ticket this one follows up, if that one can no longer be reopened',
    optional: true,
  })
  follows?: string;

  @Flag({ description: 'Many users or a whole service are down: may enter at a tier up to L3', optional: true })
  majorIncident?: boolean;

  @Flag({ description: 'Security is at stake: may enter at a tier up to L3', optional: true })
  securityIncident?: boolean;

  @Text({ description: "Why a lead allows it to enter above L1 and above its contract's tier of entry", max: 2000, optional: true })
  entryReason?: string;

  /** The completed form. Has no validation rule, so cannot be sent from outside. */
  form?: { readonly form: string; readonly version: number };

  /** The ticket that it was split from. Has no validation rule, so cannot be sent from outside. */
  splitFrom?: string;
}

/** What an opening needs from outside the ticket. */
export interface OpeningFacts {
  /** The client's contract in force; absent if there is none. */
  readonly contract?: PinnedContract;
  /** The ticket that it names as the one it follows: null if there is none. */
  readonly followed?: ClockedTicketState;
  /** The question that it names: null if there is none. */
  readonly question?: { readonly client: string; readonly articles: readonly string[]; readonly status?: string } | null;
  /** Whether a lead or the system itself opens it; absent if not looked up. */
  readonly byLead?: boolean;
}

@JSONSchema({
  description:
    'Classifies a ticket: category, impact and urgency (and so priority), what is affected, and the flags that allow it to skip tiers.',
  examples: [{ category: 'hardware/printer', impact: 'medium', urgency: 'high', service: 'printing', component: 'printer-FIN-2' }],
})
export class TriageTicket extends TicketCommand {
  @Name({ description: 'Category', example: 'hardware/printer' })
  category!: string;

  @OneOf(IMPACTS, { description: 'How many are affected; default: unchanged', example: 'medium', optional: true })
  impact?: Impact;

  @OneOf(URGENCIES, { description: 'How long it can wait; default: unchanged', example: 'high', optional: true })
  urgency?: Urgency;

  @Name({ description: 'Affected service', example: 'printing', optional: true })
  service?: string;

  @Name({ description: 'Affected configuration item', example: 'printer-FIN-2', optional: true })
  component?: string;

  @Flag({ description: 'Many users or a whole service are down: may skip to L3', optional: true })
  majorIncident?: boolean;

  @Flag({ description: 'Security is at stake: may skip to L3', optional: true })
  securityIncident?: boolean;

  @TextList({
    description: 'Skills required for automatic assignment; default: those of its category in the contract',
    max: 100,
    optional: true,
  })
  skills?: string[];
}

@JSONSchema({
  description: 'Declares a major incident: the ticket leads every queue and may skip to L3.',
  examples: [{ reason: 'Nobody in Milan can print' }],
})
export class DeclareMajorIncident extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({ description: 'Stands a major incident down.', examples: [{ reason: 'Printing works again; the cause is being looked for' }] })
export class StandDownMajorIncident extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

export const intakeCommands = {
  OpenTicket: opening({
    body: OpenTicket,
    route: 'POST /v1/tickets',
    refuses: [...TIER_MISSING, ...UNCLASSIFIABLE, ...UNRELATABLE, 'ticket-exists', 'tier-skipped', 'can-be-reopened', 'question-not-found'],
    needs: 'opening',
    decide(body, state, { effectiveAt }, { contract: offered, followed, question: asked, byLead }: OpeningFacts = {}) {
      const {
        client,
        kind,
        summary,
        description,
        reporter,
        channel,
        impact,
        urgency,
        team,
        service,
        component,
        category,
        question,
        form,
        follows,
        majorIncident,
        securityIncident,
        entryReason,
      } = body;
      const defaultTerms = offered === undefined ? DEFAULT_TERMS : undefined;
      const contract = termsOf(omitUndefined({ contract: offered, defaultTerms }));
      const tier = body.splitFrom === undefined ? (body.tier ?? entryTier(contract)) : tierOfPart(body.tier, contract);
      const noTier = unlessTierExists(tier, contract);
      if (noTier) return noTier;
      const barred =
        unlessInContract(body, contract) ??
        unlessOfOneCustomer(omitUndefined({ client, contract: offered }), followed, 'follows') ??
        unlessToReopen(followed, effectiveAt) ??
        unlessMayEnter(tier, contract, body, followed, byLead) ??
        unlessAsked(client, asked);
      if (barred) return barred;
      if (state !== null) return refuse('ticket-exists', 'The ticket exists already');
      const priority = contract.priorities[impact][urgency];
      const suggested = asked?.articles ?? [];
      const named = [...new Set(body.articlesShown ?? [])];
      const besides = named.filter((article) => !suggested.includes(article));
      // If the question already has a ticket, only the articles named here count.
      const shown = asked?.status === 'ticket' ? named : [...new Set([...named, ...suggested])];
      return [
        event(
          'TicketOpened',
          omitUndefined({
            client,
            kind,
            summary,
            description,
            reporter: asPerson(reporter),
            channel,
            impact,
            urgency,
            priority,
            tier,
            team,
            service,
            component,
            category,
            articlesShown: shown.length === 0 ? undefined : shown,
            articlesBesides: question === undefined || shown.length === 0 ? undefined : besides,
            question,
            form,
            follows,
            majorIncident: majorIncident || undefined,
            securityIncident: securityIncident || undefined,
            entryReason,
            contract: offered,
            defaultTerms,
          }),
        ),
      ];
    },
  }),

  TriageTicket: command({
    body: TriageTicket,
    route: 'POST /v1/tickets/{id}/triage',
    refuses: [...INACTIVE, ...UNCLASSIFIABLE],
    late: false,
    decide(body, ticket, _context, contract) {
      const barred = unlessActive(ticket) ?? unlessInContract(body, contract, ticket.service);
      if (barred) return barred;
      const impact = body.impact ?? ticket.impact;
      const urgency = body.urgency ?? ticket.urgency;
      const triaged = omitUndefined({
        category: body.category,
        impact,
        urgency,
        priority: contract.priorities[impact][urgency],
        service: body.service ?? ticket.service,
        component:
          body.component ?? (body.service === undefined ? ticket.component : componentOf(body.service, ticket.component, contract)),
        majorIncident: body.majorIncident ?? ticket.majorIncident,
        securityIncident: body.securityIncident ?? ticket.securityIncident,
        skills: body.skills === undefined ? ticket.skills : asSkills(body.skills),
      });
      const known = Object.fromEntries(Object.keys(triaged).map((field) => [field, ticket[field as keyof ClockedTicket]]));
      if (same(triaged, omitUndefined(known))) return [];
      const was = subjectOf(ticket);
      const before = was.category === undefined || same(was, subjectOf(triaged)) ? undefined : was;
      return [event('TicketTriaged', omitUndefined({ ...triaged, before }))];
    },
  }),

  DeclareMajorIncident: command({
    body: DeclareMajorIncident,
    route: 'POST /v1/tickets/{id}/major-incident',
    refuses: [...INACTIVE],
    late: false,
    decide({ reason }, ticket) {
      return unlessActive(ticket) ?? (ticket.majorIncident ? [] : [event('MajorIncidentDeclared', { reason })]);
    },
  }),

  StandDownMajorIncident: command({
    body: StandDownMajorIncident,
    route: 'POST /v1/tickets/{id}/major-incident/stand-down',
    refuses: [...OVER],
    late: false,
    decide({ reason }, ticket) {
      return ticket.majorIncident ? (unlessOver(ticket) ?? [event('MajorIncidentStoodDown', { reason })]) : [];
    },
  }),
} satisfies TicketCommandDefinitions;

function subjectOf({ category, service, component }: Partial<Pick<ClockedTicket, 'category' | 'service' | 'component'>>) {
  return omitUndefined({ category, service, component });
}

/** A part that is split off enters at the ticket's tier; one tier below if a vendor has the ticket. */
function tierOfPart(tier: Tier | undefined, contract: Contract): Tier {
  return tier === undefined || tier === 'L4' ? (contract.tiers.findLast((one) => one !== 'L4') ?? 'L1') : tier;
}

/**
 * A ticket enters at L0, L1 or the contract's tier of entry; higher if it may skip tiers, or if a lead gives a reason; at L4 only by a
 * hand-off.
 */
function unlessMayEnter(
  tier: Tier,
  contract: Contract,
  { majorIncident, securityIncident, entryReason, splitFrom }: OpenTicket,
  followed: ClockedTicketState | undefined,
  byLead = true,
): Refusal<'tier-skipped'> | undefined {
  const entry = entryTier(contract);
  if (splitFrom !== undefined || rank(tier) <= Math.max(rank('L1'), rank(entry))) return undefined;
  const fault = (message: string) => [{ field: 'tier', message }];
  if (tier === 'L4') return refuse('tier-skipped', 'A ticket reaches L4 only by a hand-off', fault('must not be L4'));
  const mayEnter = majorIncident || securityIncident || (entryReason !== undefined && byLead) || followed?.rootCause !== undefined;
  return mayEnter
    ? undefined
    : refuse(
        'tier-skipped',
        `A ticket enters at ${entry}. Only a major or security incident or the recurrence of a closed root cause enters at ${tier}, or one for which a lead gives an entryReason`,
        fault(`must be ${[...new Set([entry, 'L1', 'L0'])].join(', ')}, unless a lead gives an entryReason`),
      );
}

function unlessAsked(client: string, asked: OpeningFacts['question']): Refusal<'question-not-found'> | undefined {
  if (asked === undefined || asked?.client === client) return undefined;
  return refuse('question-not-found', 'There is no such question', [{ field: 'question', message: 'must be a question of the client' }]);
}

function unlessToReopen(followed: ClockedTicketState | undefined, at: Instant): Refusal<'can-be-reopened'> | undefined {
  if (!followed || followed.work.status === 'cancelled' || followed.work.status === 'merged') return undefined;
  const message = canBeReopened(followed, at)
    ? 'The ticket it follows can still be reopened: reopen it'
    : resolvedAt(followed.work) === undefined
      ? 'The ticket it follows is not resolved yet: continue there'
      : undefined;
  return message === undefined
    ? undefined
    : refuse('can-be-reopened', message, [{ field: 'follows', message: 'must be a ticket that can no longer be reopened' }]);
}

/** The component that a ticket had, if it belongs to the ticket's new service. */
function componentOf(service: string, component: string | undefined, { services }: Contract): string | undefined {
  return component === undefined || services === undefined || isComponentOf(service, component, services) ? component : undefined;
}
