import {
  type Actor,
  type DecisionContext,
  deterministicId,
  type EventOf,
  evolve,
  type ImportedFrom,
  type Instant,
  isRefusal,
} from '#eventsourcing';
import {
  DEFAULT_TERMS,
  defaultContract,
  ticketWithoutClocks,
  type HandedOver,
  type HoldReason,
  type Impact,
  type Person,
  rank,
  ticket,
  type TicketCommandName,
  type TicketCommands,
  type TicketEvents,
  type TicketState,
  type Tier,
  type Work,
} from '#ticketing';
import type { LogCase, LogRow, LogSubStatus } from './log-case.js';

/** Name of the source in the metadata of what was imported from it. */
export const BPIC2013 = 'bpic2013';

/** The client whose tickets these are. */
export const BPIC2013_CLIENT = 'volvo-it-belgium';

/** Stands where an event must say something on which the log is silent. */
export const NOT_RECORDED = 'not recorded in the log';

/** A fact of a ticket's life that the log tells of. */
export type ImportedEvent = EventOf<TicketEvents> & {
  readonly effectiveAt: Instant;
  readonly actor: Actor;
  readonly imported: ImportedFrom;
};

export interface ImportedTicket {
  readonly ticketId: string;
  readonly events: readonly ImportedEvent[];
}

/** Deviations that no refusal of the domain stands for: what the command could not even have been written with. */
export const IMPORT_DEVIATIONS = {
  /** A hold for which the log names no reason: plain `Wait`. */
  'hold-reason-missing': 'PutOnHold needs a reason',
  /** Work handed down without the solution. The log never has one. */
  'solution-missing': 'DeescalateToTier needs a solution',
  /** Work handed back to the sending tier, but to another team than the one that sent it. */
  'returned-elsewhere': 'ReturnEscalation gives it back to the sender',
} as const;
type ImportDeviation = keyof typeof IMPORT_DEVIATIONS;

const TIER_OF_LINE = { 1: 'L1', 2: 'L2', 3: 'L3' } as const satisfies Record<LogRow['supportLine'], Tier>;

/**
 * Why the work waits. `Wait - Implementation` waits for a change to be put in place. Plain `Wait` names no reason; it is taken for
 * the customer, whom four in five of the holds with a reason wait for, and marked.
 */
export const HOLD_REASONS_OF_LOG: Partial<Record<LogSubStatus, HoldReason>> = {
  Wait: 'customer',
  'Wait - User': 'customer',
  'Wait - Customer': 'customer',
  'Wait - Vendor': 'vendor',
  'Wait - Implementation': 'planned-change',
};

/** The id of a case's ticket. */
export function ticketIdOfCase(caseId: string): string {
  return deterministicId(BPIC2013, caseId);
}

/**
 * What a case tells, as facts of a ticket. After the events of a row the ticket stands as the row says: same tier, same team, same
 * status. Every row has at least one event, and every event says in `imported` which row it comes from and all that the row said.
 *
 * Each step is put to the domain as the command that it would have been. What the domain allows is taken as it decides; what it
 * refuses is the fact that it was all the same, marked with the code of the refusal; what it calls already so is a note. Decisions
 * of policy that come on top (telling someone higher up after too many returns) were not taken then and are not made up now.
 *
 * Where the log is silent: the urgency is `medium`; the channel is `phone`, because the first line is a help desk that resolves "in
 * call"; the reporter is unknown; hand-offs carry nothing and resolutions name no cause. Who acts is the row's owner, whom a row that
 * queues or assigns a case still names as the one who does so: the next owner shows on the row on which they start. `Siebel` is the
 * ticketing system of the time. A row that is `Unmatched` says nothing that a ticket could show.
 */
export function caseToEvents({ caseId, rows }: LogCase): ImportedTicket {
  const ticketId = ticketIdOfCase(caseId);
  const events: ImportedEvent[] = [];
  let state: TicketState = null;
  for (const row of rows) {
    const telling: RowTelling = new RowTelling(caseId, ticketId, row, state);
    telling.tellAll();
    events.push(...telling.events);
    state = telling.state;
  }
  return { ticketId, events };
}

/** Tells one row: the events that lead from the ticket before it to the ticket that it shows. */
class RowTelling {
  readonly events: ImportedEvent[] = [];
  readonly #tier: Tier;
  readonly #agent: Person;
  readonly #context: DecisionContext;
  readonly #source: ImportedFrom;

  constructor(
    caseId: string,
    ticketId: string,
    readonly row: LogRow,
    public state: TicketState,
  ) {
    this.#tier = TIER_OF_LINE[row.supportLine];
    this.#agent = { id: row.owner, name: row.owner };
    const actor: Actor = { ...this.#agent, kind: row.owner === 'Siebel' ? 'system' : 'agent' };
    this.#context = { commandId: `${ticketId}/${row.seq}`, actor, effectiveAt: row.at };
    this.#source = { system: BPIC2013, key: caseId, row: row.seq, said: saidBy(row) };
  }

  tellAll(): void {
    const { status, subStatus } = this.row;
    const holdReason = HOLD_REASONS_OF_LOG[subStatus];
    if (this.state === null) this.#open();
    if (status !== 'Unmatched') {
      this.#takeUp(holdReason);
      this.#move();
      // A hand-off counts as accepted when, and only when, the log says so.
      if (status === 'Accepted') this.#accept();
      if (status === 'Completed') this.#finish();
      else if (holdReason !== undefined) this.#hold(holdReason);
      else if (subStatus === 'In Progress') this.#work();
      else this.#assign();
    }
    if (this.events.length === 0) this.#record({ type: 'ImportedNoteRecorded', data: { text: `${status}/${subStatus}` } });
  }

  #open(): void {
    const { product, team } = this.row;
    const impact = this.row.impact.toLowerCase() as Impact;
    const about = {
      client: BPIC2013_CLIENT,
      kind: 'incident',
      summary: `Incident ${this.#source.key} with ${product}`,
      reporter: { id: NOT_RECORDED },
      channel: 'phone',
      impact,
      urgency: 'medium',
      tier: this.#tier,
      team,
      component: product,
    } as const;
    const priority = defaultContract.priorities[impact].medium;
    this.#tell('OpenTicket', about, { type: 'TicketOpened', data: { ...about, priority, defaultTerms: DEFAULT_TERMS } });
  }

  /** Ends what the row shows to be over: a hold, or the ticket's being done with. */
  #takeUp(hold: HoldReason | undefined): void {
    if (this.state === null) return;
    const { status, subStatus } = this.row;
    const { work, tier, team, cycle } = this.state;
    if (work.status === 'on-hold' && (work.reason !== hold || tier !== this.#tier)) {
      this.#tell('Resume', {}, { type: 'TicketResumed', data: { after: work.reason } });
    } else if (isDone(work) && (status === 'Queued' || status === 'Accepted')) {
      const reason = `Taken up again: ${status}/${subStatus}`;
      const at = team === undefined ? { tier } : { tier, team };
      this.#tell('ReopenTicket', { reason }, { type: 'TicketReopened', data: { reason, ...at, cycle: cycle + 1 } });
    }
  }

  /** Brings the ticket to the tier and team of the row. */
  #move(): void {
    const { team } = this.row;
    if (this.state === null || (this.state.tier === this.#tier && this.state.team === team)) return;
    const { tier: from, team: fromTeam, work } = this.state;
    const sent = { from, ...(fromTeam === undefined ? {} : { fromTeam }), to: this.#tier, toTeam: team, reason: NOT_RECORDED };
    const to = { tier: this.#tier, team, reason: NOT_RECORDED };
    if (from === this.#tier) {
      this.#assign();
    } else if (rank(from) < rank(this.#tier)) {
      const escalationId = deterministicId('escalation', this.#context.commandId);
      this.#tell('EscalateToTier', to, { type: 'TicketEscalated', data: { escalationId, ...sent, handOff: {} } });
    } else if (work.status === 'escalated' && work.handedOver.from === this.#tier) {
      this.#giveBack(work.handedOver, from);
    } else {
      const solution = { kind: 'solution', text: NOT_RECORDED } as const;
      this.#tell('DeescalateToTier', { ...to, solution }, { type: 'TicketDeescalated', data: { ...sent, solution } }, ['solution-missing']);
    }
  }

  #giveBack({ escalationId, fromTeam }: HandedOver, from: Tier): void {
    const { team } = this.row;
    const pingPong = (this.state?.returns ?? 0) + 1;
    this.#tell(
      'ReturnEscalation',
      { reason: NOT_RECORDED },
      { type: 'EscalationReturned', data: { escalationId, from, to: this.#tier, toTeam: team, reason: NOT_RECORDED, pingPong } },
      fromTeam === team ? [] : ['returned-elsewhere'],
    );
  }

  #accept(): void {
    if (this.state?.work.status !== 'escalated') return;
    const { escalationId } = this.state.work.handedOver;
    const agent = this.#agent;
    this.#tell('AcceptEscalation', { agent }, { type: 'EscalationAccepted', data: { escalationId, ...this.#place(), agent } });
  }

  #work(): void {
    const agent = this.#agent;
    this.#tell('StartWork', { agent }, { type: 'WorkStarted', data: { ...this.#place(), agent } });
  }

  /** To the team, or to a person of it. */
  #assign(assignee?: Person): void {
    const to = assignee === undefined ? {} : { assignee };
    this.#tell('AssignTicket', { team: this.row.team, ...to }, { type: 'TicketAssigned', data: { ...this.#place(), ...to } });
  }

  #hold(reason: HoldReason): void {
    if (this.state?.work.status === 'on-hold') {
      if (this.state.assignee?.id !== this.#agent.id) this.#assign(this.#agent);
      return;
    }
    this.#work();
    const held = { reason, note: this.row.subStatus };
    this.#tell('PutOnHold', held, { type: 'TicketPutOnHold', data: held }, this.row.subStatus === 'Wait' ? ['hold-reason-missing'] : []);
  }

  #finish(): void {
    switch (this.row.subStatus) {
      case 'Closed':
        return this.#tell('CloseTicket', {}, { type: 'TicketClosed', data: {} });
      case 'Cancelled':
        return this.#tell('CancelTicket', { reason: NOT_RECORDED }, { type: 'TicketCancelled', data: { reason: NOT_RECORDED } });
      default:
        if (this.state?.work.status === 'resolved') return;
        return this.#tell('ResolveTicket', {}, { type: 'TicketResolved', data: { ...this.#place(), category: NOT_RECORDED } });
    }
  }

  /** Puts a step to the domain. `fact` is what happened, where that is not what the domain decides. */
  #tell<Name extends TicketCommandName>(
    name: Name,
    command: TicketCommands[Name],
    fact: EventOf<TicketEvents>,
    deviations: readonly ImportDeviation[] = [],
  ): void {
    const decision = ticket.commands[name].decide(command as never, this.state, this.#context);
    // The log says who works on a ticket, but not how hands change: that breaks no rule.
    if (isRefusal(decision))
      return this.#record(
        fact,
        [decision.refused, ...deviations].filter((code) => code !== 'already-claimed'),
      );
    if (decision.length === 0) return;
    const decided = deviations.length > 0 ? undefined : decision.find(({ type }) => type === fact.type);
    this.#record(decided ?? fact, deviations);
  }

  #record(fact: EventOf<TicketEvents>, deviations: readonly string[] = []): void {
    const imported = deviations.length === 0 ? this.#source : { ...this.#source, deviations };
    const { actor, effectiveAt } = this.#context;
    this.events.push({ ...fact, effectiveAt, actor, imported });
    this.state = evolve(ticketWithoutClocks, this.state, fact, {
      ...this.#context,
      recordedAt: this.#context.effectiveAt,
    });
  }

  #place(): { readonly tier: Tier; readonly team: string } {
    return { tier: this.#tier, team: this.row.team };
  }
}

function isDone({ status }: Work): boolean {
  return status === 'resolved' || status === 'closed' || status === 'cancelled';
}

/** All that a row says, in the log's words: nothing of the log is lost. */
function saidBy(row: LogRow): ImportedFrom['said'] {
  const { saidAt, status, subStatus, impact, product, team, orgLine, functionDiv, owner, ownerCountry, orgCountry } = row;
  return {
    at: saidAt,
    status,
    subStatus,
    impact,
    product,
    team,
    orgLine,
    ...(functionDiv === undefined ? {} : { functionDiv }),
    owner,
    ownerCountry,
    orgCountry,
  };
}
