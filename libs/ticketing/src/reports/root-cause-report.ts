import { type Actor, epochMillis, type Instant, type RecordedEvent, streamId } from '#eventsourcing';
import { MINUTE } from '../contract/contract.js';
import { isAutomatic } from '../events/automatic.js';
import type { Ticket } from '../events/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { formatPlace } from '../feed/feed-position.js';
import { omitUndefined } from '../plain-json.js';
import type { ProblemEvents } from '../problem/problem.js';
import type { ProblemRecord } from '../problem/problem-record.js';
import type { ReportedEvent, RootCauseReport } from '../views/root-cause-report.js';
import { inReports, type Told } from './told-in-reports.js';

/** What all events of a ticket say about it. */
export interface TicketLife {
  readonly state: Omit<Ticket, 'contract'>;
  readonly events: readonly RecordedEvent<TicketEvents>[];
}

/** What all events of a problem say about it. */
export interface ProblemLife {
  readonly state: ProblemRecord;
  readonly events: readonly RecordedEvent<ProblemEvents>[];
}

type Event = RecordedEvent<Told>;

/** A longer delay counts as late. */
const LATE = MINUTE;

/** The report of a ticket, with the information from its problems. */
export function reportOfTicket(ticket: TicketLife, problems: readonly ProblemLife[]): Omit<RootCauseReport, 'digest'> {
  const { client, summary, work } = ticket.state;
  const opening = ticket.events[0] as Event;
  const endedAt = 'resolvedAt' in work ? work.resolvedAt : undefined;
  const timeline = [{ life: ticket, told: inReports.everything }];
  const head = { subject: subjectOf(opening), client, title: summary, status: work.status, endedAt, tickets: 1, ticketsLeftOut: 0 };
  // The proof pack of a ticket does not include its problems.
  const scope = problems.length === 0 ? `--ticket ${streamId(opening.stream)}` : `--client ${shellWord(client)}`;
  return assembled(head, timeline, problems, [ticket], scope);
}

/** The report of a problem, with its tickets, or the first of them. */
export function reportOfProblem(problem: ProblemLife, tickets: readonly TicketLife[]): Omit<RootCauseReport, 'digest'> {
  const { problemId, client, title, status, closedAt, prevented, tickets: linked } = problem.state;
  const timeline = [{ life: problem, told: inReports.everything }, ...tickets.map((life) => ({ life, told: inReports.milestones }))];
  const counts = { tickets: linked.length, ticketsLeftOut: linked.length - tickets.length, prevented: prevented?.tickets };
  const head = { subject: `problem/${problemId}`, client, title, status, endedAt: closedAt, ...counts };
  return assembled(head, timeline, [problem], tickets, `--client ${shellWord(client)}`);
}

/** A word, quoted for a POSIX shell. */
function shellWord(word: string): string {
  return /^[\w.@/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

type Head = Pick<RootCauseReport, 'subject' | 'client' | 'title' | 'status' | 'tickets' | 'ticketsLeftOut'> & {
  readonly endedAt: Instant | undefined;
  readonly prevented?: number | undefined;
};

function assembled(
  head: Head,
  lives: readonly { readonly life: { readonly events: readonly Event[] }; readonly told: (event: Event) => string | undefined }[],
  problems: readonly ProblemLife[],
  tickets: readonly TicketLife[],
  scope: string,
): Omit<RootCauseReport, 'digest'> {
  const recorded = lives.flatMap(({ life }) => life.events).sort(inTheLog);
  const all = [...new Set([...recorded, ...problems.flatMap(({ events }) => events), ...tickets.flatMap(({ events }) => events)])];
  const known = new Map(all.map((event) => [`${subjectOf(event)}/${event.revision}`, event]));
  const evidence = (references: readonly string[]) =>
    references.map((reference) => {
      const event = known.get(reference);
      return event === undefined ? { reference } : { reference, event: reported(event) };
    });
  const timeline = lives.flatMap(({ life, told }) => life.events.filter((event) => told(event) !== undefined));
  return omitUndefined({
    ...head,
    openedAt: (lives[0]?.life.events[0] as Event).metadata.effectiveAt,
    rootCauses: problems.flatMap(({ state }) => textOf(state.problemId, state.rootCause)),
    workarounds: [
      ...problems.flatMap(({ state }) => textOf(state.problemId, state.workaround)),
      ...tickets.flatMap(({ events, state }) => {
        const workaround = state.resolution?.workaround ?? state.rootCause?.workaround;
        return workaround === undefined ? [] : [{ subject: subjectOf(events[0] as Event), text: workaround }];
      }),
    ],
    timeline: timeline.sort(asItHappened).map(reported),
    leftOut: recorded.length - timeline.length,
    whys: problems.flatMap(({ state: { problemId, whys = [] } }) =>
      whys.map(({ why, because, evidence: given = [] }) => ({ subject: `problem/${problemId}`, why, because, evidence: evidence(given) })),
    ),
    analyses: tickets.flatMap(({ events, state: { rootCause } }) => {
      if (rootCause === undefined) return [];
      const subject = subjectOf(events[0] as Event);
      const { method, text, citedEvents } = rootCause.analysis;
      return [{ subject, method, text, evidence: evidence(citedEvents.map((revision) => `${subject}/${revision}`)) }];
    }),
    changes: [...problems.flatMap(changesOf), ...tickets.flatMap(changesOfTicket)].sort((one, other) => (one.at < other.at ? -1 : 1)),
    prevention: [...problems.flatMap(preventionOf), ...tickets.flatMap(preventionOfTicket)],
    knowledge: knowledgeOf(recorded),
    proof: proofOf(all, scope),
  }) as Omit<RootCauseReport, 'digest'>;
}

const subjectOf = ({ stream }: Pick<Event, 'stream'>) => stream.replace('-', '/');
const textOf = (problemId: string, text: string | undefined) => (text === undefined ? [] : [{ subject: `problem/${problemId}`, text }]);

function inTheLog({ position: one }: Event, { position: other }: Event): number {
  return one.commit === other.commit ? Number(one.prepare - other.prepare) : one.commit < other.commit ? -1 : 1;
}

function asItHappened(one: Event, other: Event): number {
  const [a, b] = [one.metadata.effectiveAt, other.metadata.effectiveAt];
  return a === b ? inTheLog(one, other) : a < b ? -1 : 1;
}

function reported(event: Event): ReportedEvent {
  const { effectiveAt: happenedAt, recordedAt: knownAt, actor: by, sentBy, hash } = event.metadata;
  const { revision, type } = event;
  const what = inReports.everything(event) ?? inReports.anything(event);
  return omitUndefined({ subject: subjectOf(event), revision, type, happenedAt, knownAt, by, sentBy, what, hash });
}

function changesOf({ events, state }: ProblemLife): readonly RootCauseReport['changes'][number][] {
  const subject = `problem/${state.problemId}`;
  const fixes = events.filter(({ type }) => type === 'ProblemFixRecorded');
  return [
    // A fix that was recorded again replaces the previous one, unless the problem was reopened between them.
    ...fixes.flatMap(({ data, revision, metadata: { effectiveAt: at, actor: by } }, index) => {
      const next = fixes[index + 1]?.revision ?? Infinity;
      const failed = events.some((one) => one.type === 'ProblemReopened' && one.revision > revision && one.revision < next);
      const isReplaced = next !== Infinity && !failed;
      return isReplaced ? [] : [{ subject, ...(data as ProblemEvents['ProblemFixRecorded']), at, by, held: !failed }];
    }),
    ...events.flatMap(({ type, data, metadata: { effectiveAt: at, actor: by } }) => {
      const { change } = data as ProblemEvents['ProblemActionDone'];
      return type === 'ProblemActionDone' && change !== undefined ? [{ subject, ...change, at, by, held: true }] : [];
    }),
  ];
}

function changesOfTicket({ events }: TicketLife): readonly RootCauseReport['changes'][number][] {
  return events.flatMap((event) => {
    if (event.type !== 'TicketResolvedWithRootCause') return [];
    const { changeReference: change, permanentFix: description } = event.data.rootCause;
    if (change === undefined) return [];
    const { effectiveAt: at, actor: by } = event.metadata;
    const held = !events.some(({ type, revision }) => type === 'TicketReopened' && revision > event.revision);
    return [omitUndefined({ subject: subjectOf(event), change, description, at, by, held })];
  });
}

function preventionOf({ state: { problemId, actions } }: ProblemLife): RootCauseReport['prevention'] {
  return actions.map(({ action, description, owner, dueAt, state, outcome, change }) =>
    omitUndefined({ subject: `problem/${problemId}`, action, description, owner, dueAt, state, outcome, change: change?.change }),
  );
}

function preventionOfTicket({ events, state: { rootCause } }: TicketLife): RootCauseReport['prevention'] {
  return (rootCause?.preventiveActions ?? []).map(({ action, owner }) => ({
    subject: subjectOf(events[0] as Event),
    action,
    owner: { id: owner },
  }));
}

/** @param recorded events, in log order */
function knowledgeOf(recorded: readonly Event[]): RootCauseReport['knowledge'] {
  const people = new Map<string, RootCauseReport['knowledge']['people'][number]>();
  const knows = (who: Actor | undefined, event: Event, known: number): void => {
    const key = `${who?.kind}/${who?.id}`;
    if (who === undefined || who.kind === 'system' || people.has(key)) return;
    people.set(key, { who, since: event.metadata.recordedAt, act: reported(event), known });
  };
  for (const [index, event] of recorded.entries()) {
    knows(event.metadata.sentBy ?? event.metadata.actor, event, index + 1);
    knows(event.metadata.actor, event, index + 1);
  }
  const toldLate = recorded.flatMap((event) => {
    const { actor, effectiveAt, recordedAt } = event.metadata;
    const after = epochMillis(recordedAt) - epochMillis(effectiveAt);
    return after < LATE || isAutomatic({ actor }) ? [] : [{ event: reported(event), after }];
  });
  return { people: [...people.values()], toldLate };
}

function proofOf(events: readonly Event[], scope: string): RootCauseReport['proof'] {
  const last = new Map<string, Event>();
  for (const event of events) if (event.revision >= (last.get(event.stream)?.revision ?? 0)) last.set(event.stream, event);
  const [newest] = [...last.values()].sort(inTheLog).slice(-1);
  return {
    position: newest === undefined ? '' : formatPlace(newest.position),
    streams: [...last.values()].map(({ stream, revision, metadata: { hash } }) => omitUndefined({ stream, revision, hash })),
    verify: [`npx tierline export ${scope} --out pack.ndjson`, 'npx tierline verify pack.ndjson --report report.json'],
  };
}
