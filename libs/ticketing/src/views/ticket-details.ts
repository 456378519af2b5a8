import { evolve, type Instant, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { handOffQuality } from '../contract/hand-off.js';
import { present } from '../plain-json.js';
import type { PinnedContract } from '../contract/contract.js';
import { ticketWithoutClocks, type TicketEvents, ticketEvents } from '../events/ticket-events.js';
import type { Ticket, TicketState } from '../events/ticket.js';
import type { TicketStatus, Tier } from '../vocabulary.js';

/** A stay of the ticket with a team of a tier. */
export interface Stay {
  readonly tier: Tier;
  readonly team?: string;
  readonly since: Instant;
}

/** A hand-off to a higher tier, and what became of it. */
export interface HandOffRecord {
  readonly escalationId: string;
  readonly from: Tier;
  readonly fromTeam?: string;
  readonly to: Tier;
  readonly toTeam?: string;
  readonly at: Instant;
  readonly outcome: 'pending' | 'accepted' | 'returned';
  readonly settledAt?: Instant;
  /** 0 to 100, see hand-off.ts; half of it when it was returned. */
  readonly quality: number;
}

/** All that is known of a ticket now: its state, as commands see it, with the times and counts that readers want. */
export interface TicketDetails extends Omit<Ticket, 'contract' | 'sla'> {
  /** Which version of the client's contract it goes by; absent: the default contract. */
  readonly contract?: Omit<PinnedContract, 'terms'>;
  readonly status: TicketStatus;
  readonly openedAt: Instant;
  /** When somebody first worked on it. */
  readonly firstResponseAt?: Instant;
  readonly resolvedAt?: Instant;
  readonly closedAt?: Instant;
  readonly cancelledAt?: Instant;
  readonly escalations: number;
  readonly handOffs: readonly HandOffRecord[];
  /** Minutes that agents have stated to have spent on it. */
  readonly touchMinutes: number;
  /** Seconds that they were at it, as measured from starts to stops. */
  readonly touchSeconds: number;
  /** What the requester said of each resolution. */
  readonly satisfaction: readonly { readonly cycle: number; readonly score: number; readonly comment?: string }[];
  readonly deescalations: number;
  /** Where it has been, oldest first. */
  readonly stays: readonly Stay[];
  /** Knowledge articles that self-service showed in vain before it was opened. */
  readonly articlesShown?: readonly string[];
  readonly updatedAt: Instant;
  /** Where an imported ticket comes from, and which of our rules its history breaks. */
  readonly imported?: { readonly system: string; readonly key: string; readonly deviations: readonly string[] };
}

type Event = RecordedEvent<TicketEvents>;

function details(doc: TicketDetails | null, event: Event): TicketDetails | null {
  // The document is a state, so what evolves the state evolves the document and leaves the fields that only readers want.
  const state = evolve(ticketWithoutClocks, doc as TicketState, event, event.metadata);
  if (state === null) return null;
  const at = event.metadata.effectiveAt;
  const stays = doc?.stays ?? [];
  const { tier, team } = state;
  const last = stays.at(-1);
  const moved = last === undefined || last.tier !== tier || last.team !== team;
  return present({
    ...state,
    contract: state.contract && { version: state.contract.version, tzdata: state.contract.tzdata },
    status: state.work.status,
    openedAt: doc?.openedAt ?? at,
    firstResponseAt: doc?.firstResponseAt ?? (ticketEvents[event.type].firstResponse ? at : undefined),
    resolvedAt: state.work.status === 'resolved' || state.work.status === 'closed' ? state.work.resolvedAt : undefined,
    closedAt: state.work.status === 'closed' ? (doc?.closedAt ?? at) : undefined,
    cancelledAt: state.work.status === 'cancelled' ? (doc?.cancelledAt ?? at) : undefined,
    handOffs: handOffs(doc?.handOffs ?? [], event),
    touchMinutes: (doc?.touchMinutes ?? 0) + (event.type === 'TouchTimeRecorded' ? event.data.minutes : 0),
    touchSeconds: (doc?.touchSeconds ?? 0) + (event.type === 'TouchTimeStopped' ? event.data.seconds : 0),
    satisfaction: event.type === 'SatisfactionRecorded' ? [...(doc?.satisfaction ?? []), event.data] : (doc?.satisfaction ?? []),
    escalations: (doc?.escalations ?? 0) + (event.type === 'TicketEscalated' ? 1 : 0),
    deescalations: (doc?.deescalations ?? 0) + (event.type === 'TicketDeescalated' ? 1 : 0),
    stays: moved ? [...stays, present({ tier, team, since: at })] : stays,
    articlesShown: event.type === 'TicketOpened' ? event.data.articlesShown : doc?.articlesShown,
    updatedAt: at,
    ...importedFrom(doc, event),
  });
}

function handOffs(records: readonly HandOffRecord[], event: Event): readonly HandOffRecord[] {
  const at = event.metadata.effectiveAt;
  switch (event.type) {
    case 'TicketEscalated': {
      const { escalationId, from, fromTeam, to, toTeam, handOff } = event.data;
      return [
        ...records,
        present({ escalationId, from, fromTeam, to, toTeam, at, outcome: 'pending' as const, quality: handOffQuality(from, to, handOff) }),
      ];
    }
    case 'EscalationAccepted':
    case 'EscalationReturned': {
      const outcome = event.type === 'EscalationAccepted' ? 'accepted' : 'returned';
      const settled = (record: HandOffRecord): HandOffRecord => ({
        ...record,
        outcome,
        settledAt: at,
        quality: outcome === 'returned' ? Math.round(record.quality / 2) : record.quality,
      });
      return records.map((record) => (record.escalationId === event.data.escalationId ? settled(record) : record));
    }
    default:
      return records;
  }
}

function importedFrom(doc: TicketDetails | null, { metadata: { imported } }: Event): Pick<TicketDetails, 'imported'> {
  if (imported === undefined) return {};
  const deviations = [...new Set([...(doc?.imported?.deviations ?? []), ...(imported.deviations ?? [])])].sort();
  return { imported: { system: imported.system, key: imported.key, deviations } };
}

/** One document a ticket, by its id: the answer of `GET /v1/tickets/{id}`. */
export const ticketDetails: Projection<TicketDetails, TicketEvents> = {
  name: 'ticket_details',
  version: 6,
  streamPrefix: 'ticket-',
  aggregate: ticketWithoutClocks,
  key: ({ stream }) => streamId(stream),
  apply: details,
  indexes: [
    { key: { client: 1, openedAt: -1 } },
    { key: { status: 1, updatedAt: -1 } },
    { key: { 'imported.system': 1, 'imported.key': 1 } },
  ],
};
