import { type Actor, deterministicId, type EventFacts, type EventOf, evolve, type ImportedFrom, type Instant, isRefusal } from '#eventsourcing';
import { defaultContract, type HoldReason, type Impact, rank, ticket, type TicketCommandName, type TicketCommands, type TicketEvents, type TicketState, type Tier } from '#ticketing';
import type { LogCase, LogRow, LogSubStatus } from './log-case.js';

/** Name of the source in the metadata of what was imported from it. */
export const BPIC2013 = 'bpic2013';

/** The client whose tickets these are. */
export const BPIC2013_CLIENT = 'volvo-it-belgium';

/** Stands where an event must say something on which the log is silent. */
export const NOT_RECORDED = 'not recorded in the log';

/** A fact of a ticket's life that the log tells of. */
export type ImportedEvent = EventOf<TicketEvents> & { readonly effectiveAt: Instant; readonly actor: Actor; readonly imported: ImportedFrom };

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
 * ticketing system of the time.
 */
export function caseToEvents({ caseId, rows }: LogCase): ImportedTicket {
  const ticketId = ticketIdOfCase(caseId);
  const events: ImportedEvent[] = [];
  let state: TicketState = null;
  for (const row of rows) {
    const told = rowToEvents(caseId, ticketId, row, state);
    events.push(...told.events);
    state = told.state;
  }
  return { ticketId, events };
}

function rowToEvents(caseId: string, ticketId: string, row: LogRow, before: TicketState): { readonly events: readonly ImportedEvent[]; readonly state: TicketState } {
  const tier = TIER_OF_LINE[row.supportLine];
  const { team } = row;
  const actor: Actor = { id: row.owner, kind: row.owner === 'Siebel' ? 'system' : 'agent', name: row.owner };
  const agent = { id: row.owner, name: row.owner };
  const context = { commandId: `${ticketId}/${row.seq}`, actor, effectiveAt: row.at };
  const facts: EventFacts = context;
  const source = { system: BPIC2013, key: caseId, row: row.seq, said: saidBy(row) };
  const events: ImportedEvent[] = [];
  let state = before;

  const record = (fact: EventOf<TicketEvents>, deviations: readonly string[] = []): void => {
    const imported: ImportedFrom = deviations.length === 0 ? source : { ...source, deviations };
    events.push({ ...fact, effectiveAt: row.at, actor, imported });
    state = evolve<TicketEvents, TicketState>(ticket, state, fact, facts);
  };

  /** Puts a step to the domain; `fact` is what happened in case the domain would have refused it. */
  const tell = <Name extends TicketCommandName>(name: Name, command: TicketCommands[Name], fact: EventOf<TicketEvents>, deviations: readonly ImportDeviation[] = []): void => {
    const decision = ticket.decide[name](command, state, context);
    if (isRefusal(decision)) return record(fact, [decision.refused, ...deviations]);
    const decided = decision.find(({ type }) => type === fact.type);
    if (decided !== undefined) record(decided, deviations);
  };

  const open = (): void => {
    const impact = row.impact.toLowerCase() as Impact;
    const about = {
      client: BPIC2013_CLIENT,
      kind: 'incident',
      summary: `Incident ${caseId} with ${row.product}`,
      reporter: { id: NOT_RECORDED },
      channel: 'phone',
      impact,
      urgency: 'medium',
      tier,
      team,
      component: row.product,
    } as const;
    tell('OpenTicket', about, { type: 'TicketOpened', data: { ...about, priority: defaultContract.priorities[impact].medium } });
  };

  /** Ends what the row shows to be over: a hold, or the ticket's being done with. */
  const takeUp = (hold: HoldReason | undefined): void => {
    if (state === null) return;
    const { work, cycle } = state;
    const reason = `Taken up again: ${row.status}/${row.subStatus}`;
    const holdIsOver = work.status === 'on-hold' && (work.reason !== hold || state.tier !== tier);
    if (holdIsOver) tell('Resume', {}, { type: 'TicketResumed', data: { after: work.reason } });
    else if (isDone(state) && (row.status === 'Queued' || row.status === 'Accepted')) {
      tell('ReopenTicket', { reason }, { type: 'TicketReopened', data: { reason, ...placeOf(state), cycle: cycle + 1 } });
    }
  };

  const move = (): void => {
    if (state === null || (state.tier === tier && state.team === team)) return;
    const from = state.tier;
    const fromTeam = state.team === undefined ? {} : { fromTeam: state.team };
    const reason = NOT_RECORDED;
    const { work } = state;
    if (rank(tier) > rank(from)) {
      const escalationId = deterministicId('escalation', context.commandId);
      tell('EscalateToTier', { tier, team, reason }, { type: 'TicketEscalated', data: { escalationId, from, ...fromTeam, to: tier, toTeam: team, reason, handOff: {} } });
    } else if (tier === from) {
      tell('AssignTicket', { team }, { type: 'TicketAssigned', data: { tier, team } });
    } else if (work.status === 'escalated' && work.handedOver.from === tier) {
      const elsewhere: ImportDeviation[] = work.handedOver.fromTeam === team ? [] : ['returned-elsewhere'];
      record({ type: 'EscalationReturned', data: { escalationId: work.handedOver.escalationId, from, to: tier, toTeam: team, reason, pingPong: state.returns + 1 } }, elsewhere);
    } else {
      const solution = { kind: 'solution', text: NOT_RECORDED } as const;
      const down = { type: 'TicketDeescalated', data: { from, ...fromTeam, to: tier, toTeam: team, reason, solution } } as const;
      tell('DeescalateToTier', { tier, team, reason, solution }, down, ['solution-missing']);
    }
  };

  /** A hand-off counts as accepted when, and only when, the log says `Accepted`. */
  const accept = (): void => {
    if (state?.work.status !== 'escalated') return;
    tell('AcceptEscalation', { agent }, { type: 'EscalationAccepted', data: { escalationId: state.work.handedOver.escalationId, tier, team, agent } });
  };
  const work = (): void => tell('StartWork', { agent }, { type: 'WorkStarted', data: { tier, team, agent } });
  const backToQueue = (): void => tell('AssignTicket', { team }, { type: 'TicketAssigned', data: { tier, team } });

  const hold = (reason: HoldReason): void => {
    const note = row.subStatus;
    if (state?.work.status === 'on-hold') {
      if (state.assignee?.id !== agent.id) tell('AssignTicket', { team, assignee: agent }, { type: 'TicketAssigned', data: { tier, team, assignee: agent } });
      return;
    }
    work();
    tell('PutOnHold', { reason, note }, { type: 'TicketPutOnHold', data: { reason, note } }, row.subStatus === 'Wait' ? ['hold-reason-missing'] : []);
  };

  const finish = (): void => {
    switch (row.subStatus) {
      case 'Closed':
        return tell('CloseTicket', {}, { type: 'TicketClosed', data: {} });
      case 'Cancelled':
        return tell('CancelTicket', { reason: NOT_RECORDED }, { type: 'TicketCancelled', data: { reason: NOT_RECORDED } });
      default:
        if (state?.work.status === 'resolved') return;
        return tell('ResolveTicket', {}, { type: 'TicketResolved', data: { tier, team, category: NOT_RECORDED } });
    }
  };

  const holdReason = HOLD_REASONS_OF_LOG[row.subStatus];
  if (state === null) open();
  if (row.status !== 'Unmatched') {
    takeUp(holdReason);
    move();
    if (row.status === 'Accepted') accept();
    if (row.status === 'Completed') finish();
    else if (holdReason !== undefined) hold(holdReason);
    else if (row.subStatus === 'In Progress') work();
    else backToQueue();
  }
  if (events.length === 0) record({ type: 'ImportedNoteRecorded', data: { text: `${row.status}/${row.subStatus}` } });
  return { events, state };
}

function isDone({ work }: NonNullable<TicketState>): boolean {
  return work.status === 'resolved' || work.status === 'closed' || work.status === 'cancelled';
}

function placeOf({ tier, team }: NonNullable<TicketState>): { readonly tier: Tier; readonly team?: string } {
  return team === undefined ? { tier } : { tier, team };
}

/** All that a row says, in the log's words: nothing of the log is lost. */
function saidBy(row: LogRow): ImportedFrom['said'] {
  const { saidAt, status, subStatus, impact, product, team, orgLine, functionDiv, owner, ownerCountry, orgCountry } = row;
  return { at: saidAt, status, subStatus, impact, product, team, orgLine, ...(functionDiv === undefined ? {} : { functionDiv }), owner, ownerCountry, orgCountry };
}
