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
  omitUndefined,
  ticketWithoutClocks,
  type HandedOver,
  type Impact,
  type Person,
  type Priority,
  rank,
  ticket,
  type TicketCommandName,
  type TicketCommands,
  type TicketEvents,
  type TicketState,
  type TicketStatus,
  type Tier,
  type Urgency,
  URGENCIES,
} from '#ticketing';
import type { LogRow } from './mapped-rows.js';
import type { StepState } from './mapping.js';
import type { LogCase } from './row-spool.js';

/** Source and client of a log's tickets. */
export interface LogSource {
  /** Name of the source in the metadata of imported events. Together with the case it identifies a ticket. */
  readonly name: string;
  /** The client of these tickets. */
  readonly client: string;
}

/** Placeholder for required data that is missing from the log. */
export const NOT_RECORDED = 'not recorded in the log';

/** A fact of a ticket's life from the log. */
export type ImportedEvent = EventOf<TicketEvents> & {
  readonly effectiveAt: Instant;
  readonly actor: Actor;
  readonly imported: ImportedFrom;
};

export interface ImportedTicket {
  readonly ticketId: string;
  readonly events: readonly ImportedEvent[];
}

/** Deviations without a corresponding refusal: the command could not even have been written. */
export const IMPORT_DEVIATIONS = {
  /** A hold without a reason in the log. Counts as waiting for the customer, the most common reason. */
  'hold-reason-missing': 'PutOnHold needs a reason',
  /** Work handed down without the solution, which logs do not have. */
  'solution-missing': 'DeescalateToTier needs a solution',
  /** Work handed back to the sending tier, but to another team than the sender. */
  'returned-elsewhere': 'ReturnEscalation gives it back to the sender',
  /** A priority that does not follow from impact and urgency by the default contract. */
  'priority-differs': 'OpenTicket and TriageTicket compute it',
} as const;
type ImportDeviation = keyof typeof IMPORT_DEVIATIONS;

/** The id of a case's ticket. */
export function ticketIdOfCase(source: string, caseId: string): string {
  return deterministicId(source, caseId);
}

/**
 * The facts of a ticket from a case. After the events of a row the ticket has the tier, team and state of the row. Every row has at least
 * one event, and every event has the number and content of its row in `imported`.
 *
 * Each step is submitted to the domain as the command that it would have been. If accepted, the domain's events are used; a refused step is
 * recorded all the same, marked with the code of the refusal; one without effect becomes a note. Follow-up decisions of policies (telling
 * someone higher up after too many returns) were not taken then and are not invented now.
 *
 * Defaults for missing data: an incident by phone, urgency `medium`, an unknown reporter, empty hand-offs, resolutions without a cause; if
 * a row names nobody, its actor works on the ticket.
 */
export function caseToEvents({ caseId, rows }: LogCase, source: LogSource): ImportedTicket {
  const ticketId = ticketIdOfCase(source.name, caseId);
  const events: ImportedEvent[] = [];
  let state: TicketState = null;
  for (const [seq, row] of rows.entries()) {
    const telling: RowTelling = new RowTelling(
      source,
      { system: source.name, key: caseId, row: seq, said: row.said },
      ticketId,
      row,
      state,
    );
    telling.tellAll();
    events.push(...telling.events);
    state = telling.state;
  }
  return { ticketId, events };
}

/** Handles one row: the events that lead from the previous state of the ticket to the one in the row. */
class RowTelling {
  readonly events: ImportedEvent[] = [];
  readonly #tier: Tier;
  readonly #team: string | undefined;
  readonly #agent: Person;
  readonly #context: DecisionContext;

  constructor(
    private readonly log: LogSource,
    private readonly source: ImportedFrom,
    ticketId: string,
    private readonly row: LogRow,
    public state: TicketState,
  ) {
    this.#tier = row.tier ?? state?.tier ?? 'L1';
    this.#team = row.team ?? (state?.tier === this.#tier ? state.team : undefined);
    this.#agent = person(row.assignee ?? row.actor ?? state?.assignee?.id ?? NOT_RECORDED);
    const actor: Actor = { ...person(row.actor ?? row.assignee ?? NOT_RECORDED), kind: row.automatic === 'true' ? 'system' : 'agent' };
    this.#context = { commandId: `${ticketId}/${source.row}`, actor, effectiveAt: row.at };
  }

  tellAll(): void {
    const { state } = this.row;
    if (this.state === null) this.#open();
    else if (state !== 'none') this.#classify();
    if (state !== 'none') {
      this.#takeUp();
      this.#move();
      // A hand-off counts as accepted exactly when the log says so.
      if (state === 'assigned' || state === 'in-progress' || state === 'on-hold') this.#accept();
      this.#stand(state);
    }
    if (this.events.length === 0) this.#record({ type: 'ImportedNoteRecorded', data: { text: Object.values(this.row.said).join(' / ') } });
  }

  #open(): void {
    const { kind = 'incident', channel = 'phone', reporter = NOT_RECORDED, category, service, component } = this.row;
    const { priority, impact, urgency } = this.#classification();
    const about = {
      client: this.log.client,
      kind,
      summary: this.row.summary ?? this.source.key,
      reporter: { id: reporter },
      channel,
      impact,
      urgency,
      ...this.#place(),
      service,
      component,
      category,
    };
    const fact = { type: 'TicketOpened', data: { ...about, priority, defaultTerms: DEFAULT_TERMS } } as const;
    this.#tell('OpenTicket', about, fact, this.#unlikeMatrix());
  }

  #classify(): void {
    if (this.state === null) return;
    const { category, service, component } = this.row;
    const classification = this.#classification();
    const said = { ...classification, ...(category && { category }), ...(service && { service }), ...(component && { component }) };
    const now: Readonly<Record<string, unknown>> = { ...this.state };
    if (Object.entries(said).every(([field, value]) => now[field] === value)) return;
    const { majorIncident, securityIncident } = this.state;
    const known = { service: this.state.service, component: this.state.component, category: this.state.category ?? NOT_RECORDED };
    const { priority, ...triage } = { ...omitUndefined(known), ...said };
    const fact = { type: 'TicketTriaged', data: { ...triage, priority, majorIncident, securityIncident } } as const;
    this.#tell('TriageTicket', triage, fact, this.#unlikeMatrix());
  }

  /** If the log has only a priority, impact and urgency are chosen to match it. */
  #classification(): { readonly impact: Impact; readonly urgency: Urgency; readonly priority: Priority } {
    const { impact: saidImpact, urgency: saidUrgency, priority: said } = this.row;
    const { state } = this;
    if (state !== null && saidImpact === undefined && saidUrgency === undefined && (said ?? state.priority) === state.priority)
      return { impact: state.impact, urgency: state.urgency, priority: state.priority };
    const impact = saidImpact ?? (said === 'critical' ? 'high' : said) ?? state?.impact ?? 'medium';
    const matrix = defaultContract.priorities[impact];
    const leading = said && [said, ...URGENCIES].find((urgency) => matrix[urgency] === said);
    const urgency = saidUrgency ?? leading ?? state?.urgency ?? 'medium';
    return { impact, urgency, priority: said ?? matrix[urgency] };
  }

  #unlikeMatrix(): readonly ImportDeviation[] {
    const { impact, urgency, priority } = this.#classification();
    return priority === defaultContract.priorities[impact][urgency] ? [] : ['priority-differs'];
  }

  /** Ends what has ended by the row: a hold, or a resolution. */
  #takeUp(): void {
    if (this.state === null) return;
    const { state, holdReason = 'customer' } = this.row;
    const { work, tier, team, cycle } = this.state;
    const held = state === 'on-hold' ? holdReason : undefined;
    if (work.status === 'on-hold' && (work.reason !== held || tier !== this.#tier)) {
      this.#tell('Resume', {}, { type: 'TicketResumed', data: { after: work.reason } });
    } else if (isDone(work.status) && !isDone(state)) {
      const reason = `Taken up again: ${state}`;
      this.#tell('ReopenTicket', { reason }, { type: 'TicketReopened', data: { reason, tier, team, cycle: cycle + 1 } });
    }
  }

  /** Moves the ticket to the tier and team of the row. */
  #move(): void {
    if (this.state === null || (this.state.tier === this.#tier && this.state.team === this.#team)) return;
    const { tier: from, team: fromTeam, work } = this.state;
    const sent = { from, fromTeam, to: this.#tier, toTeam: this.#team, reason: NOT_RECORDED };
    const to = { ...this.#place(), reason: NOT_RECORDED };
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
    const toTeam = this.#team;
    const pingPong = (this.state?.returns ?? 0) + 1;
    this.#tell(
      'ReturnEscalation',
      { reason: NOT_RECORDED },
      { type: 'EscalationReturned', data: { escalationId, from, to: this.#tier, toTeam, reason: NOT_RECORDED, pingPong } },
      fromTeam === toTeam ? [] : ['returned-elsewhere'],
    );
  }

  #accept(): void {
    if (this.state?.work.status !== 'escalated') return;
    const { escalationId } = this.state.work.handedOver;
    const agent = this.#agent;
    this.#tell('AcceptEscalation', { agent }, { type: 'EscalationAccepted', data: { escalationId, ...this.#place(), agent } });
  }

  #stand(state: Exclude<StepState, 'none'>): void {
    switch (state) {
      case 'queued':
        return this.#assign();
      case 'assigned':
        return this.#assign(this.row.assignee === undefined ? undefined : person(this.row.assignee));
      case 'in-progress':
        return this.#work();
      case 'on-hold':
        return this.#hold();
      case 'resolved':
        return this.#resolve();
      case 'closed':
        return this.#tell('CloseTicket', {}, { type: 'TicketClosed', data: {} });
      case 'cancelled':
        return this.#tell('CancelTicket', { reason: NOT_RECORDED }, { type: 'TicketCancelled', data: { reason: NOT_RECORDED } });
    }
  }

  #work(): void {
    const agent = this.#agent;
    this.#tell('StartWork', { agent }, { type: 'WorkStarted', data: { ...this.#place(), agent } });
  }

  /** Assigns it to the team, or to one of its members; to the current holder if the log has no team. */
  #assign(assignee?: Person): void {
    const holder = this.state?.assignee;
    if (this.#team !== undefined || assignee !== undefined) {
      this.#tell('AssignTicket', { team: this.#team, assignee }, { type: 'TicketAssigned', data: { ...this.#place(), assignee } });
    } else if (holder !== undefined) {
      const because = { because: 'requested', reason: NOT_RECORDED } as const;
      const data = { tier: this.#tier, assignee: holder, ...because };
      this.#tell('UnassignTicket', { reason: NOT_RECORDED }, { type: 'TicketUnassigned', data });
    }
  }

  #hold(): void {
    if (this.state?.work.status === 'on-hold') {
      if (this.state.assignee?.id !== this.#agent.id) this.#assign(this.#agent);
      return;
    }
    this.#work();
    const { holdReason: reason, said } = this.row;
    const held = { reason: reason ?? 'customer', note: said.subStatus ?? said.status ?? NOT_RECORDED } as const;
    this.#tell('PutOnHold', held, { type: 'TicketPutOnHold', data: held }, reason === undefined ? ['hold-reason-missing'] : []);
  }

  #resolve(): void {
    if (this.state?.work.status === 'resolved') return;
    const { closingCategory, closingCause: cause, closingFix: fix, article } = this.row;
    const category = closingCategory ?? this.row.category ?? this.state?.category;
    const codes = { cause, fix, article };
    const fact = { type: 'TicketResolved', data: { ...this.#place(), category: category ?? NOT_RECORDED, ...codes } } as const;
    this.#tell('ResolveTicket', { category, ...codes }, fact);
  }

  /** Submits a step to the domain. `fact` is what happened, if the domain decides otherwise. */
  #tell<Name extends TicketCommandName>(
    name: Name,
    command: TicketCommands[Name],
    fact: EventOf<TicketEvents>,
    deviations: readonly ImportDeviation[] = [],
  ): void {
    const decision = ticket.commands[name].decide(omitUndefined(command) as never, this.state, this.#context);
    // The log names the worker on a ticket, but not how it changed hands: that breaks no rule.
    if (isRefusal(decision))
      return this.#record(
        fact,
        [decision.refused, ...deviations].filter((code) => code !== 'already-claimed'),
      );
    if (decision.length === 0) return;
    const decided = deviations.length > 0 ? undefined : decision.find(({ type }) => type === fact.type);
    this.#record(decided ?? fact, deviations);
  }

  #record({ type, data }: EventOf<TicketEvents>, deviations: readonly string[] = []): void {
    const fact = { type, data: omitUndefined(data) } as EventOf<TicketEvents>;
    // Faults of the row are recorded once.
    const all = this.events.length === 0 ? [...(this.row.faults ?? []), ...deviations] : deviations;
    const imported = all.length === 0 ? this.source : { ...this.source, deviations: all };
    const { actor, effectiveAt } = this.#context;
    this.events.push({ ...fact, effectiveAt, actor, imported });
    this.state = evolve(ticketWithoutClocks, this.state, fact, {
      ...this.#context,
      recordedAt: this.#context.effectiveAt,
    });
  }

  #place(): { readonly tier: Tier; readonly team: string | undefined } {
    return { tier: this.#tier, team: this.#team };
  }
}

/** Whether a state, of a step or a ticket, is final. */
export function isDone(state: StepState | TicketStatus): boolean {
  return state === 'resolved' || state === 'closed' || state === 'cancelled';
}

const person = (id: string): Person => ({ id, name: id });
