import { type Actor, evolve, type EventOf, type GivenOf, type Instant, instantFrom, isRefusal } from '#eventsourcing';
import type { OpeningFacts } from '../ticket/intake.js';
import { type TicketCommandName, type TicketCommands, ticket } from '../ticket/ticket.js';
import { type Contract, defaultContract, MINUTE, type PinnedContract } from '../contract/contract.js';
import type { InForce } from '../contract/contract-agreement.js';
import type { TicketPromises } from '../escalation/promises.js';
import { evolveInHindsight } from '../sla/sla-restatement.js';
import type { PinnedClocks } from '../sla/sla-terms.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';

export const start = Date.parse('2026-11-23T08:00:00.000Z');
export const at = (minutes: number): Instant => instantFrom(Math.round(start + minutes * MINUTE));
const { tierTargets: _, ...promisedToClients } = defaultContract;
/** A contract: the default promises to the client, with some terms replaced. */
export const pin = (version: number, terms: Partial<Contract>): PinnedContract => ({
  version,
  tzdata: '2025b',
  terms: { ...promisedToClients, ...terms },
});

/** The promises of the default contract, without those for tiers. */
export const forClient = pin(0, {});

/** An event with the time at which it took effect. */
export interface Told {
  readonly type: string;
  readonly at: Instant;
  readonly data: unknown;
}

/** A ticket under test: commands run at minutes after the start. */
export class Life {
  state: ClockedTicketState = null;
  readonly events: Told[] = [];
  /** The actor of the next command. */
  actor: Actor = { id: 'ada', kind: 'agent' };

  constructor(
    private readonly offered?: PinnedContract,
    readonly imported = false,
  ) {}

  do<Name extends TicketCommandName>(
    minutes: number,
    name: Name,
    command: TicketCommands[Name],
    given: GivenOf<typeof ticket, Name> | OpeningFacts | undefined = name === 'OpenTicket' && this.offered
      ? { contract: this.offered }
      : undefined,
  ): readonly EventOf<TicketEvents>[] {
    const context = {
      commandId: `c${this.events.length}`,
      actor: this.actor,
      effectiveAt: at(minutes),
      recordedAt: at(minutes),
    };
    const decision = ticket.commands[name].decide(command as never, this.state, context, given as never);
    if (isRefusal(decision)) throw new Error(`${name}: ${JSON.stringify(decision)}`);
    for (const event of decision) {
      const facts = {
        ...context,
        effectiveAt: event.effectiveAt ?? context.effectiveAt,
        ...(this.imported ? { imported: { system: 's', key: 'k', row: 0, said: {} } } : {}),
      };
      this.state = evolve(ticket, this.state, event, facts);
      this.events.push({ type: event.type, at: facts.effectiveAt, data: event.data });
    }
    return decision;
  }

  open(
    priority: 'critical' | 'low' = 'critical',
    fields: Partial<TicketCommands['OpenTicket']> = {},
    more: Omit<OpeningFacts, 'contract'> = {},
  ): this {
    const [impact, urgency] = priority === 'critical' ? (['high', 'critical'] as const) : (['low', 'low'] as const);
    const asked = {
      client: 'northwind',
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact,
      urgency,
    } as const;
    this.do(0, 'OpenTicket', { ...asked, ...fields }, { ...(this.offered && { contract: this.offered }), ...more });
    return this;
  }

  /** Restates its verdicts by the client's agreements known by then. */
  restate(minutes: number, agreed: readonly InForce[], command: Partial<TicketCommands['RestateSla']> = {}) {
    const hindsight = this.events.reduce<PinnedClocks | null>((clocks, event) => {
      const facts = { commandId: 'c', actor: { id: 'ada', kind: 'agent' as const }, effectiveAt: event.at, recordedAt: event.at };
      return evolveInHindsight(agreed, clocks, event as unknown as EventOf<TicketEvents>, facts);
    }, null);
    return this.do(minutes, 'RestateSla', { reason: 'r', ...command }, hindsight ?? undefined).map(
      ({ data }) => data as TicketEvents['SlaRestated'],
    );
  }

  tell(minutes: number): readonly Told[] {
    const before = this.events.length;
    this.do(minutes, 'RecordSlaMoments', {});
    return this.events.slice(before);
  }

  get sla(): TicketPromises {
    if (!this.state?.sla) throw new Error('no clocks');
    return this.state.sla;
  }
}
