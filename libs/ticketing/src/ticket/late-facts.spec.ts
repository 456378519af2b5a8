import fc from 'fast-check';
import { type Actor, epochMillis, type EventOf, evolve, type Instant, isRefusal, type Refusal } from '#eventsourcing';
import { type Contract, defaultContract, HOUR, MINUTE } from '../contract/contract.js';
import { TIMEKEEPER } from '../events/automatic.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { handedOver, resolvedAt } from '../events/ticket.js';
import { whyEscalated } from '../escalation/escalation-why.js';
import { clockAt, type SlaClock } from '../sla/sla-clock.js';
import { nextMomentAt } from '../sla/sla-terms.js';
import { completeHandOff, type LateFact, lateFact, officeHours } from '../testing/random-commands.js';
import type { Person, Tier } from '../vocabulary.js';
import { at, pin, type Told } from '../testing/ticket-life.js';
import { measuredSeconds } from '../views/reported-facts.js';
import { foldTicket, type TicketFold } from '../views/ticket-fold.js';
import type { ClockedTicketState } from './clocked-ticket.js';
import { ticketLinks } from './ticket-policies.js';
import { type TicketCommandName, type TicketCommands, ticket } from './ticket.js';

const ada: Actor = { id: 'ada', kind: 'agent' };
const minuteOf = (instant: Instant) => (epochMillis(instant) - epochMillis(at(0))) / MINUTE;
const policy: Actor = { id: 'policy:children-follow', kind: 'system' };

/** A ticket that is told of things at one time which happened at another, in minutes. */
class Desk {
  state: ClockedTicketState = null;
  fold: TicketFold | null = null;
  readonly events: (EventOf<TicketEvents> & Pick<Told, 'at'> & { readonly recordedAt: Instant })[] = [];
  /** How parts that were split off are opened. */
  readonly parts: TicketCommands['OpenTicket'][] = [];

  constructor(private readonly terms: Partial<Contract> = {}) {}

  tell<Name extends TicketCommandName>(
    name: Name,
    command: TicketCommands[Name],
    happened: number,
    told = happened,
    actor = ada,
  ): readonly string[] | Refusal {
    const context = { commandId: `c${this.events.length}`, id: 't', actor, effectiveAt: at(happened), recordedAt: at(told) };
    const given = name === 'OpenTicket' ? { contract: pin(1, this.terms) } : undefined;
    const decision = ticket.commands[name].decide(command as never, this.state, context, given as never);
    if (isRefusal(decision)) return decision;
    const known = this.events.length;
    for (const event of decision) {
      this.fold = foldTicket(this.fold, {
        ...event,
        stream: 'ticket-t',
        revision: this.events.length,
        metadata: { ...context, commandType: name, effectiveAt: event.effectiveAt ?? context.effectiveAt },
      } as never);
      const facts = { ...context, effectiveAt: event.effectiveAt ?? context.effectiveAt };
      this.state = evolve(ticket, this.state, event, facts);
      this.events.push({ ...event, at: facts.effectiveAt, recordedAt: facts.recordedAt });
    }
    for (const event of this.events.slice(known)) this.follow(event);
    return decision.map(({ type }) => type);
  }

  open(happened = 0, told = happened, actor = ada): this {
    const command = {
      client: 'c',
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact: 'high',
      urgency: 'critical',
    } as const;
    expect(this.tell('OpenTicket', command, happened, told, actor)).toContain('TicketOpened');
    return this;
  }

  /** What policies do at once because of an event. */
  private follow({ type, data, at: effectiveAt, recordedAt }: Desk['events'][number]): void {
    if (type === 'TicketSplit') {
      const event = { stream: 'ticket-t', type, data, metadata: { effectiveAt, recordedAt } };
      const [opening] = ticketLinks.react.TicketSplit?.(event as never, this.state) ?? [];
      this.parts.push(opening?.body as TicketCommands['OpenTicket']);
    }
    if (type === 'TicketMergeRequested') {
      const merged = this.tell('CompleteMerge', { into: data.into }, minuteOf(effectiveAt), minuteOf(recordedAt), policy);
      expect(merged).toContain('TicketMerged');
    }
  }

  /** A policy gives the ticket to somebody at L1, where nobody seems to have it. */
  assign(when: number): void {
    const { tier, assignee } = this.ticket;
    if (tier === 'L1' && assignee === undefined) this.tell('AssignTicket', { team: 'night', assignee: ada }, when, when, policy);
  }

  /** The timekeeper looks. */
  look(when: number): void {
    this.tell('EndHold', {}, when, when, TIMEKEEPER);
    this.tell('RecordSlaMoments', {}, when, when, TIMEKEEPER);
    this.tell('RunEscalations', {}, when, when, TIMEKEEPER);
  }

  told(type: 'SlaBreached' | 'SlaThresholdReached' | 'SlaRestated') {
    return this.events.filter((event) => event.type === type);
  }

  get ticket() {
    if (this.state?.sla === undefined) throw new Error('no ticket');
    return { ...this.state, sla: this.state.sla };
  }

  get clocks(): readonly SlaClock[] {
    return this.ticket.sla.clocks;
  }
}

const always: Partial<Contract> = { calendar: { zone: 'UTC', week: '24x7' } };
/** Tells the boss of a breach, and hands the work on. */
const impatient: Partial<Contract> = {
  ...always,
  quietTime: 0,
  escalationPolicies: [
    {
      name: 'breached',
      trigger: { on: 'breach', clock: 'response' },
      steps: [
        { after: 0, targets: [{ kind: 'person', person: { id: 'boss' } }], escalateToNextTier: true },
        { after: 600 * MINUTE, targets: [{ kind: 'person', person: { id: 'board' } }] },
      ],
    },
  ],
};

/** What breached in ten hours, for want of being told of what happened in the first ten minutes. */
function believedBreached(terms: Partial<Contract> = {}): Desk {
  const desk = new Desk({ ...impatient, ...terms }).open(-600, 0);
  desk.look(0.05);
  expect(desk.told('SlaBreached')).toHaveLength(2);
  expect(desk.ticket).toMatchObject({ tier: 'L2', work: { status: 'escalated' } });
  return desk;
}

describe('a fact that is told late', () => {
  it('is not refused for what the system did meanwhile, and takes its place before it', () => {
    const desk = believedBreached();
    expect(desk.tell('StartWork', {}, -595, 0.1)).toContain('WorkStarted');
    expect(desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, -590, 0.2)).toContain('TicketResolved');
    expect(desk.ticket).toMatchObject({ tier: 'L1', work: { status: 'resolved', resolvedAt: at(-590) } });
    expect(desk.clocks.map(({ kind, tier, state, elapsed }) => [kind, tier, state, elapsed / MINUTE])).toEqual([
      ['response', undefined, 'met', 5],
      ['resolution', undefined, 'met', 10],
    ]);
  });

  it('restates what was told and is not true, in the same append, because of it', () => {
    const desk = believedBreached();
    const revision = desk.events.length;
    expect(desk.tell('StartWork', {}, -595, 0.1)).toEqual(['WorkStarted', ...Array.from({ length: 4 }, () => 'SlaRestated')]);
    const restated = desk.told('SlaRestated').map(({ data }) => data as TicketEvents['SlaRestated']);
    expect(restated.map(({ clock, moment }) => [clock, moment?.percent ?? 'breach', moment?.is])).toEqual([
      ['response', 50, undefined],
      ['response', 75, undefined],
      ['response', 90, undefined],
      ['response', 'breach', undefined],
    ]);
    expect(restated[3]).toMatchObject({ because: { revision, type: 'WorkStarted' }, moment: { was: at(-585) } });
    // Of the open clock, once the resolution is told.
    desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, -590, 0.2);
    expect(desk.ticket.sla.told.filter((moment) => moment.at !== null)).toEqual([]);
  });

  it('is named as the reason, not the hold or touch time that ended with it', () => {
    const desk = new Desk({ ...always, quietTime: 0 }).open(-600, 0);
    desk.tell('StartTouchTime', {}, -595, 0.1);
    desk.tell('PutOnHold', { reason: 'onsite-visit', note: 'n' }, -593, 0.1);
    desk.tell('StartTouchTime', {}, -592, 0.1);
    desk.look(0.2);
    const revision = desk.events.length;
    desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, -590, 0.3);
    const types = desk.events.slice(revision).map(({ type }) => type);
    expect(types.slice(0, 4)).toEqual(['TouchTimeStopped', 'TicketResumed', 'TicketResolved', 'SlaRestated']);
    for (const { data } of desk.told('SlaRestated'))
      expect(data).toMatchObject({
        because: { revision: revision + 2, type: 'TicketResolved' },
        reason: `TicketResolved of ${at(-590)} was told late`,
      });
  });

  it('is decided under the contract of its own time', () => {
    const desk = new Desk(always).open(0);
    const withoutL2 = pin(2, { ...always, tiers: ['L1', 'L3'] });
    desk.tell('RebaseSlaTerms', { contract: withoutL2, effectiveFrom: at(60) }, 60, 60, TIMEKEEPER);
    const handOff = { reason: 'r', handoff: completeHandOff };
    expect(desk.tell('EscalateToTier', { tier: 'L3', ...handOff }, 30, 70)).toMatchObject({ refused: 'tier-skipped' });
    expect(desk.tell('EscalateToTier', { tier: 'L2', ...handOff }, 65, 70)).toMatchObject({ refused: 'tier-not-in-contract' });
    expect(desk.tell('EscalateToTier', { tier: 'L2', ...handOff }, 30, 70)).toEqual(['TicketEscalated']);
    expect(desk.ticket.contract?.version).toBe(2);
    expect(desk.tell('RebaseSlaTerms', { contract: withoutL2, effectiveFrom: at(60) }, 30, 80, TIMEKEEPER)).toEqual([]);
  });

  it('ends with what a policy did after it, where it is touch time', () => {
    const desk = new Desk(always).open(0);
    desk.tell('ResolveWithParent', { parent: 'p', category: 'x' }, 30, 30, policy);
    expect(desk.tell('StartTouchTime', {}, 10, 40)).toEqual(['TouchTimeStarted', 'TouchTimeStopped']);
    expect(desk.events.at(-1)).toMatchObject({ at: at(30), data: { startedAt: at(10), seconds: 20 * 60 } });
    expect(desk.ticket.touching).toEqual([]);
  });

  it('if it is touch time, ends with later events reported by people', () => {
    const held = new Desk(always).open(0);
    held.tell('PutOnHold', { reason: 'customer', note: 'n' }, 20);
    held.tell('Resume', {}, 25);
    expect(held.tell('StartTouchTime', {}, 10, 40)).toEqual(['TouchTimeStarted', 'TouchTimeStopped']);
    expect(held.events.at(-1)).toMatchObject({ at: at(20), data: { startedAt: at(10), seconds: 10 * 60 } });
    expect(held.ticket.touching).toEqual([]);
    expect(held.tell('StartTouchTime', {}, 30, 40)).toEqual(['TouchTimeStarted']);
    expect(held.tell('StartTouchTime', {}, 22, 40)).toEqual(['TouchTimeStarted', 'TouchTimeStopped']);
    expect(held.events.at(-1)).toMatchObject({ at: at(30), data: { startedAt: at(22), seconds: 8 * 60 } });
    expect(held.ticket.touching).toMatchObject([{ since: at(30) }]);
  });

  describe('about touch time', () => {
    const bob = { id: 'bob' };
    const hold = { reason: 'customer', note: 'n' } as const;
    const seconds = (desk: Desk) => desk.events.reduce((sum, event) => sum + measuredSeconds(event), 0) / 60;
    const working = () => {
      const desk = new Desk(always).open(0);
      desk.tell('StartTouchTime', {}, 10);
      return desk;
    };

    it('shortens a stretch that a hold has ended, as far as is known, where its agent had stopped before', () => {
      const desk = working();
      desk.tell('PutOnHold', hold, 20, 60);
      expect(desk.tell('StopTouchTime', { activity: 'logs' }, 15, 70)).toEqual(['TouchTimeDeducted']);
      expect(desk.events.at(-1)).toMatchObject({
        at: at(20),
        data: { startedAt: at(10), seconds: 300, endedAt: at(15), activity: 'logs' },
      });
      expect(seconds(desk)).toBe(5);
      expect(desk.tell('StopTouchTime', {}, 15, 80)).toEqual([]);
      expect(desk.tell('StopTouchTime', {}, 18, 80)).toEqual([]);
    });

    it.each([
      ['PutOnHold', hold],
      ['EscalateToTier', { tier: 'L2', reason: 'r', handoff: completeHandOff }],
      ['ResolveTicket', { category: 'x', article: 'KB-1' }],
      ['TakeOverTicket', { reason: 'r', agent: bob }],
      ['AssignTicket', { assignee: bob }],
      ['UnassignTicket', { reason: 'r' }],
    ] as const)('shortens a stretch that was stopped after it: %s', (name, command) => {
      const desk = new Desk(always).open(0);
      desk.tell('AssignTicket', { assignee: ada }, 5);
      desk.tell('StartTouchTime', {}, 10);
      desk.tell('StartTouchTime', { agent: { id: 'grace' } }, 10);
      desk.tell('StopTouchTime', {}, 30);
      desk.tell('StopTouchTime', { agent: { id: 'grace' } }, 30);
      const decided = desk.tell(name, command as never, 20, 40) as readonly string[];
      const all = /assign|Take/i.test(name) ? 1 : 2;
      expect(decided.filter((type) => type === 'TouchTimeDeducted')).toHaveLength(all);
      expect(seconds(desk)).toBe(40 - 10 * all);
    });

    it('ends a stretch between two beginnings, of which the second was told while it ran', () => {
      const desk = working();
      expect(desk.tell('StartTouchTime', {}, 30, 50)).toEqual(['TouchTimeStopped', 'TouchTimeStarted']);
      expect(desk.tell('StartTouchTime', {}, 30, 51)).toEqual([]);
      desk.tell('PutOnHold', hold, 20, 60);
      expect(desk.ticket.touching).toMatchObject([{ since: at(30) }]);
      desk.tell('StopTouchTime', {}, 40, 70);
      expect(seconds(desk)).toBe(20);
      // Also where the stretch had stopped.
      const stopped = working();
      stopped.tell('StopTouchTime', {}, 40);
      expect(stopped.tell('StartTouchTime', {}, 30, 50)).toEqual(['TouchTimeDeducted', 'TouchTimeStarted', 'TouchTimeStopped']);
      expect(seconds(stopped)).toBe(30);
      stopped.tell('PutOnHold', hold, 20, 60);
      expect(seconds(stopped)).toBe(20);
    });

    it('ends one that began before another that has stopped where that one began', () => {
      const desk = new Desk(always).open(0);
      desk.tell('StartTouchTime', {}, 30);
      desk.tell('StopTouchTime', {}, 40);
      expect(desk.tell('StartTouchTime', {}, 10, 50)).toEqual(['TouchTimeStarted', 'TouchTimeStopped']);
      expect(seconds(desk)).toBe(30);
      expect(desk.ticket.touching).toEqual([]);
    });

    it.each([
      ['AssignTicket', { assignee: ada }],
      ['AssignTicket', { team: 'night' }],
      ['UnassignTicket', { reason: 'r' }],
      ['TakeOverTicket', { reason: 'r' }],
    ] as const)('ends with a later event that took its agent off the ticket: %s', (name, command) => {
      const desk = new Desk(always).open(0);
      desk.tell('AssignTicket', { assignee: bob }, 5);
      desk.tell(name, command as never, 20);
      expect(desk.tell('StartTouchTime', { agent: bob }, 10, 40)).toEqual(['TouchTimeStarted', 'TouchTimeStopped']);
      expect(desk.events.at(-1)).toMatchObject({ at: at(20), data: { agent: bob, seconds: 600 } });
      expect(desk.tell('StartTouchTime', { agent: { id: 'grace' } }, 10, 40)).toEqual(['TouchTimeStarted']);
    });

    it('is accepted if the ticket was resolved after it, and closed', () => {
      const desk = new Desk(always).open(0);
      desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, 20);
      desk.tell('CloseTicket', {}, 30);
      expect(desk.tell('StartTouchTime', {}, 10, 40)).toEqual(['TouchTimeStarted', 'TouchTimeStopped']);
      expect(desk.tell('StopTouchTime', {}, 15, 40)).toEqual(['TouchTimeDeducted']);
      expect(seconds(desk)).toBe(5);
      expect(desk.tell('RecordDiagnosticStep', { action: 'a', outcome: 'o' }, 10, 40)).toEqual(['DiagnosticStepRecorded']);
      expect(desk.tell('RecordDiagnosticStep', { action: 'a', outcome: 'o' }, 25, 40)).toMatchObject({ refused: 'already-resolved' });
      expect(desk.tell('MergeTicket', { into: 'o', reason: 'r' }, 10, 40)).toMatchObject({ refused: 'ticket-closed' });
      const cancelled = new Desk(always).open(0);
      cancelled.tell('CancelTicket', { reason: 'r' }, 20);
      expect(cancelled.tell('StartTouchTime', {}, 10, 40)).toMatchObject({ refused: 'ticket-cancelled' });
    });
  });

  it('is about the resolution that there was, where it is a rating, and about the vendor that had it, where it is a reply', () => {
    const desk = new Desk(always).open(0);
    desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, 10);
    desk.tell('ReopenTicket', { reason: 'r' }, 20);
    desk.tell('RecordSatisfaction', { score: 2 }, 15, 30);
    expect(desk.events.at(-1)).toMatchObject({ type: 'SatisfactionRecorded', data: { cycle: 1 } });
    expect(desk.tell('RecordVendorReply', { text: 't' }, 25, 30)).toMatchObject({ refused: 'no-vendor-case' });
  });

  it('stands among what was tried and attached at its time, and a hand-off carries only what there was then', () => {
    const desk = new Desk(always).open(0);
    desk.tell('RecordDiagnosticStep', { action: 'third', outcome: 'o' }, 30);
    desk.tell('RecordDiagnosticStep', { action: 'first', outcome: 'o' }, 10, 40);
    desk.tell('RecordDiagnosticStep', { action: 'second', outcome: 'o' }, 20, 41);
    expect(desk.ticket.stepsTried.map(({ action, at: when }) => [action, minuteOf(when)])).toEqual([
      ['first', 10],
      ['second', 20],
      ['third', 30],
    ]);
    desk.tell('EscalateToTier', { tier: 'L2', reason: 'r', handoff: { ...completeHandOff, stepsTried: [] } }, 25, 50);
    expect(desk.events.at(-1)).toMatchObject({
      type: 'TicketEscalated',
      data: { handOff: { stepsTried: [{ action: 'first' }, { action: 'second' }] } },
    });
  });

  describe('about an escalation policy', () => {
    const paging = (acknowledgedFor?: number): Partial<Contract> => ({
      ...always,
      escalationPolicies: [
        {
          name: 'untouched',
          trigger: { on: 'opened' },
          steps: [
            { after: 60 * MINUTE, targets: [{ kind: 'person', person: { id: 'boss' } }] },
            { after: 600 * MINUTE, targets: [{ kind: 'person', person: { id: 'board' } }] },
          ],
          ...(acknowledgedFor && { acknowledgedFor }),
        },
      ],
    });
    const paged = (acknowledgedFor?: number) => {
      const desk = new Desk(paging(acknowledgedFor)).open(0);
      desk.look(61);
      return desk;
    };
    const chain = (desk: Desk) => desk.ticket.sla.chains[0];

    it('is an acknowledgement before its end, after which its steps were done on what was believed', () => {
      const desk = paged();
      desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, 100);
      expect(desk.tell('AcknowledgeEscalation', {}, 30, 120)).toEqual(['EscalationAcknowledged']);
      expect(chain(desk)).toMatchObject({
        ended: { because: 'acknowledged', at: at(30) },
        acknowledged: { by: { id: 'ada' } },
        steps: [{ at: at(60), onBelief: true }],
      });
      expect(desk.tell('AcknowledgeEscalation', {}, 110, 120)).toEqual([]);
      const over = paged();
      over.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, 100);
      expect(over.tell('AcknowledgeEscalation', {}, 110, 120)).toMatchObject({ refused: 'no-escalation-at-work' });
    });

    it('is taken over by an acknowledgement that came after it, as if both had been told on time', () => {
      const desk = paged();
      desk.tell('AcknowledgeEscalation', {}, 70);
      expect(desk.tell('AcknowledgeEscalation', { by: { id: 'bob' } }, 65, 120)).toEqual(['EscalationAcknowledged']);
      expect(chain(desk)).toMatchObject({
        ended: { because: 'acknowledged', at: at(65) },
        acknowledged: { by: { id: 'ada' }, at: at(70) },
        takenOver: [{ by: { id: 'bob' }, at: at(65) }],
      });
    });

    it('leaves what was done after an acknowledgement had lapsed', () => {
      const desk = new Desk(paging(20 * MINUTE)).open(0);
      desk.look(61);
      desk.tell('AcknowledgeEscalation', {}, 10, 120);
      expect(chain(desk)?.steps).toMatchObject([{ at: at(60) }]);
      expect(chain(desk)?.steps[0]).not.toHaveProperty('onBelief');
    });

    it('is a first response that ended it before the ticket was resolved', () => {
      const desk = paged();
      desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, 100);
      desk.tell('SendPublicReply', { text: 't' }, 30, 120);
      expect(chain(desk)).toMatchObject({ ended: { because: 'responded', at: at(30) }, steps: [{ onBelief: true }] });
    });
  });

  it('answers no reply that came after it', () => {
    const desk = new Desk({ ...always, lateReplies: { within: 'flag' } }).open(0);
    desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, 10);
    desk.tell('RecordRequesterReply', { text: 't' }, 30);
    desk.tell('SendPublicReply', { text: 't' }, 20, 40);
    expect(desk.ticket.repliedAt).toBe(at(30));
    desk.tell('SendPublicReply', { text: 't' }, 35, 40);
    expect(desk.ticket.repliedAt).toBeUndefined();
  });

  it('leaves touch time that began after it, unless the ticket was over', () => {
    const desk = () => {
      const one = new Desk(always).open(0);
      one.tell('StartWork', {}, 5);
      one.tell('StartTouchTime', {}, 30);
      return one;
    };
    for (const [name, command] of [
      ['PutOnHold', { reason: 'customer', note: 'n' }],
      ['UnassignTicket', { reason: 'r' }],
      ['EscalateToTier', { tier: 'L2', reason: 'r', handoff: completeHandOff }],
    ] as const) {
      const late = desk();
      expect(late.tell(name, command as never, 20, 40)).not.toContain('TouchTimeStopped');
      expect(late.ticket.touching).toMatchObject([{ since: at(30) }]);
      const inTime = desk();
      expect(inTime.tell(name, command as never, 40)).toContain('TouchTimeStopped');
      expect(inTime.ticket.touching).toEqual([]);
    }
    const over = desk();
    over.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, 20, 40);
    expect(over.ticket.touching).toEqual([]);
  });

  it('is a note at the tier where the ticket was then', () => {
    const desk = new Desk(always).open(0);
    desk.tell('EscalateToTier', { tier: 'L2', reason: 'r', handoff: completeHandOff }, 20);
    desk.tell('AcceptEscalation', {}, 25);
    const known = desk.events.length;
    desk.tell('RecordTouchTime', { minutes: 5 }, 10, 40);
    desk.tell('RecordTouchTime', { minutes: 5 }, 22, 40);
    desk.tell('RecordDiagnosticStep', { action: 'a', outcome: 'o' }, 10, 40);
    expect(desk.tell('RequestConsultation', { tier: 'L1', question: 'q' }, 10, 40)).toMatchObject({ refused: 'consultation-of-own-tier' });
    desk.tell('StartTouchTime', {}, 10, 40);
    desk.tell('StartTouchTime', {}, 30, 40);
    expect(desk.events.slice(known).map(({ type, data }) => [type, (data as { readonly tier: string }).tier])).toEqual([
      ['TouchTimeRecorded', 'L1'],
      ['TouchTimeRecorded', 'L2'],
      ['DiagnosticStepRecorded', 'L1'],
      ['TouchTimeStarted', 'L1'],
      ['TouchTimeStopped', 'L1'],
      ['TouchTimeStarted', 'L2'],
    ]);
    expect(desk.ticket.tier).toBe('L2');
  });

  it('opens a part as the ticket was when it was split: its tier, its team, its impact, what it was about', () => {
    const desk = new Desk(always).open(0);
    desk.tell('AssignTicket', { team: 'desk' }, 1);
    const partOf = (happened: number) => {
      desk.tell('SplitTicket', { summary: 's', reason: 'r' }, happened, 40);
      return desk.parts.at(-1);
    };
    expect(partOf(10)).toMatchObject({ tier: 'L1', team: 'desk', effectiveAt: at(10) });
    desk.tell('EscalateToTier', { tier: 'L2', team: 'servers', reason: 'r', handoff: completeHandOff }, 20);
    expect(partOf(10)).toMatchObject({ tier: 'L1', team: 'desk' });
    expect(partOf(0.5)).not.toHaveProperty('team');
    expect(partOf(25)).toMatchObject({ tier: 'L2', team: 'servers' });
    desk.tell('TriageTicket', { category: 'x', impact: 'low', urgency: 'low', service: 'mail' }, 30);
    expect(partOf(25)).toMatchObject({ impact: 'high', urgency: 'critical' });
    expect(partOf(25)).not.toHaveProperty('service');
    expect(partOf(35)).toMatchObject({ impact: 'low', urgency: 'low', service: 'mail' });
  });

  it('ends the policy that a breach which never was had set going; what it did stays, marked', () => {
    const desk = believedBreached();
    desk.tell('StartWork', {}, -595, 0.1);
    const [answer] = whyEscalated(desk.ticket.sla, at(1));
    expect(answer).toMatchObject({
      ended: { because: 'clock-ended' },
      restated: { never: true },
      steps: [{ fired: true, onBelief: true }, { fired: false }],
    });
    const held = believedBreached();
    held.tell('PutOnHold', { reason: 'customer', note: 'n' }, -595, 0.1);
    expect(whyEscalated(held.ticket.sla, at(1))).toMatchObject([{ ended: { because: 'restated' }, restated: { never: true } }]);
    desk.look(700);
    expect(desk.events.filter(({ type }) => type === 'EscalationStepDispatched')).toHaveLength(1);
    expect(desk.events.filter(({ type }) => type === 'TicketEscalated')).toHaveLength(1);
  });

  it('leaves alone what a policy did after it, where that still makes sense', () => {
    const desk = believedBreached();
    desk.tell('StartWork', {}, -595, 0.1);
    expect(desk.ticket).toMatchObject({ tier: 'L2', work: { status: 'escalated', handedOver: { fromAssignee: { id: 'ada' } } } });
    expect(desk.tell('AcceptEscalation', {}, 5)).toContain('EscalationAccepted');
  });

  it('leaves nothing of what a policy did at a tier that the ticket had left by then', () => {
    const handOff = { tier: 'L2', reason: 'r', handoff: completeHandOff } as const;
    const bob = { id: 'bob' };
    const given = () => {
      const desk = new Desk(always).open(0);
      expect(desk.tell('AssignTicket', { assignee: bob }, 4, 4, policy)).toEqual(['TicketAssigned']);
      return desk;
    };
    const handedOn = { tier: 'L2', work: { status: 'escalated', handedOver: { from: 'L1', at: at(2) } } };

    const assigned = given();
    expect(assigned.tell('EscalateToTier', handOff, 2, 5)).toContain('TicketEscalated');
    expect(assigned.ticket).toMatchObject(handedOn);
    expect(assigned.ticket.assignee).toBeUndefined();

    const taken = given();
    taken.tell('UnassignTicket', { because: 'left', reason: 'r' }, 4.5, 4.5, policy);
    taken.tell('EscalateToTier', handOff, 2, 5);
    expect(taken.ticket).toMatchObject(handedOn);

    const escalated = believedBreached({ tierTargets: { L2: officeHours.tierTargets?.L1 } });
    expect(escalated.tell('EscalateToTier', handOff, -590, 0.1)).toContain('TicketEscalated');
    expect(escalated.ticket).toMatchObject({ tier: 'L2', work: { handedOver: { from: 'L1', at: at(-590) } } });
    expect(escalated.clocks.filter(({ kind, tier }) => kind === 'tier-accept' && tier === 'L2')).toMatchObject([{ startedAt: at(-590) }]);
    expect(escalated.tell('ReturnEscalation', { reason: 'r' }, -580, 0.2)).toContain('EscalationReturned');
    // What the policy handed on at L1 was there again.
    expect(escalated.ticket).toMatchObject({ tier: 'L2', work: { handedOver: { at: at(0.05) } } });
  });

  it('leaves nothing of what a policy did with a ticket that somebody else had by then', () => {
    const bob = { id: 'bob' };
    const desk = new Desk(always).open(0);
    desk.tell('AssignTicket', { assignee: bob }, 1);
    desk.tell('UnassignTicket', { because: 'left', reason: 'r', from: 'bob' }, 4, 4, policy);
    expect(desk.ticket.assignee).toBeUndefined();
    desk.tell('TakeOverTicket', { reason: 'r' }, 2, 5);
    expect(desk.ticket).toMatchObject({ assignee: { id: 'ada' }, work: { status: 'in-progress', agent: { id: 'ada' } } });
  });

  it('leaves nothing of the end of a hold that was over by then, also for the clocks', () => {
    const desk = new Desk(always).open(0);
    desk.tell('PutOnHold', { reason: 'customer', note: 'n', until: at(10) }, 1);
    expect(desk.tell('EndHold', {}, 10, 10, TIMEKEEPER)).toEqual(['TicketResumed']);
    desk.tell('Resume', {}, 5, 20);
    desk.tell('PutOnHold', { reason: 'vendor', note: 'n' }, 8, 20);
    expect(desk.ticket.work).toMatchObject({ status: 'on-hold', reason: 'vendor', since: at(8) });
    expect(desk.ticket.sla.holds).toEqual(['vendor']);
  });

  it.each([
    ['a hold that began after another of the same reason had ended', undefined, 8],
    ['a later one that lasts longer', 30, 8],
    ['the same one, of which it is told that it would last longer', 30, 5],
  ])('leaves nothing of the end of a hold that was not to end then: %s', (_what, until, since) => {
    const desk = new Desk({ ...always, quietTime: 0 }).open(0);
    desk.tell('PutOnHold', { reason: 'customer', note: 'n', until: at(10) }, 1);
    expect(desk.tell('EndHold', {}, 10, 10, TIMEKEEPER)).toEqual(['TicketResumed']);
    if (since === 8) desk.tell('Resume', {}, 5, 20);
    desk.tell('PutOnHold', { reason: 'customer', note: 'n', ...(until && { until: at(until) }) }, since, 20);
    expect(desk.ticket.work).toMatchObject({ status: 'on-hold', reason: 'customer', since: at(since) });
    expect(desk.ticket.sla.holds).toEqual(['customer']);
    expect(desk.clocks[0]).toMatchObject({ state: 'paused', elapsed: (since === 8 ? 4 : 1) * MINUTE });
    if (until === undefined) return;
    expect(desk.tell('EndHold', {}, 30, 30, TIMEKEEPER)).toEqual(['TicketResumed']);
    expect(desk.ticket.sla.holds).toBeUndefined();
  });

  it('is out of order only against what people told', () => {
    const desk = new Desk(always).open(0);
    desk.tell('StartWork', {}, 60);
    expect(desk.tell('PutOnHold', { reason: 'customer', note: 'n' }, 30, 70)).toMatchObject({ refused: 'out-of-order' });
    const led = new Desk(always).open(0);
    led.tell('AssignTicket', { team: 'desk' }, 60, 60, policy);
    expect(led.tell('StartWork', {}, 30, 70)).toEqual(['WorkStarted']);
  });

  it('keeps notes that were written before and after it', () => {
    const desk = believedBreached();
    desk.tell('RecordDiagnosticStep', { action: 'a', outcome: 'o' }, -597, 0.06);
    desk.tell('StartWork', {}, -595, 0.1);
    desk.tell('RecordDiagnosticStep', { action: 'b', outcome: 'o' }, -594, 0.12);
    desk.tell('ResolveTicket', { category: 'x', article: 'KB-1' }, -590, 0.2);
    expect(desk.ticket.stepsTried.map(({ action }) => action)).toEqual(['a', 'b']);
  });

  it('waits for a quiet time before what lies before it is told, and for no more than that', () => {
    const desk = new Desk(always).open(-600, 0);
    expect(nextMomentAt(desk.ticket.sla)).toBe(at(2));
    desk.look(1.9);
    expect(desk.told('SlaBreached')).toEqual([]);
    desk.tell('RecordDiagnosticStep', { action: 'a', outcome: 'o' }, -500, 1.9);
    expect(nextMomentAt(desk.ticket.sla)).toBe(at(3.9));
    desk.look(2.5);
    expect(desk.told('SlaBreached')).toEqual([]);
    desk.look(3.9);
    expect(desk.told('SlaBreached')).toHaveLength(2);
    // What comes after the recording is told when it comes.
    const later = new Desk(always).open(-10, 0);
    expect(nextMomentAt(later.ticket.sla)).toBe(at(1.25));
    later.look(1.25);
    expect(later.told('SlaThresholdReached').map((event) => event.at)).toEqual([at(1.25)]);
    later.look(2);
    expect(later.told('SlaThresholdReached').map((event) => event.at)).toEqual([at(1.25), at(-2.5)]);
    later.look(5.1);
    expect(later.told('SlaBreached').map((event) => event.at)).toEqual([at(5)]);
  });

  it('waits as well where a policy opened the ticket because of what was told late, such as a split', () => {
    expect(nextMomentAt(new Desk(always).open(-600, 0, policy).ticket.sla)).toBe(at(2));
    expect(nextMomentAt(new Desk(always).open(0, 0.1, policy).ticket.sla)).toBe(at(7.5));
  });

  it('waits as long as the contract says', () => {
    const desk = new Desk({ ...always, quietTime: 10 * MINUTE }).open(-600, 0);
    expect(nextMomentAt(desk.ticket.sla)).toBe(at(10));
  });

  it('restates a verdict that was known', () => {
    const desk = new Desk({ ...always, quietTime: 0 }).open(0);
    desk.tell('StartWork', {}, 30);
    expect(desk.clocks[0]).toMatchObject({ kind: 'response', state: 'breached' });
    desk.tell('SendPublicReply', { text: 'We are on it' }, 5, 40);
    expect(desk.clocks[0]).toMatchObject({ state: 'met', elapsed: 5 * MINUTE });
    expect(desk.told('SlaRestated').map(({ data }) => data)).toMatchObject([
      {
        clock: 'response',
        was: { verdict: 'breached' },
        is: { verdict: 'met', elapsed: 5 * MINUTE },
        because: { type: 'PublicReplySent' },
      },
    ]);
  });

  it('is recorded once more if what was restated comes true after all', () => {
    const desk = new Desk({ ...always, quietTime: 0 }).open(0);
    desk.look(20);
    expect(desk.told('SlaBreached')).toHaveLength(1);
    desk.tell('PutOnHold', { reason: 'customer', note: 'n' }, 10, 21);
    expect(desk.clocks[0]).toMatchObject({ state: 'paused', breachedAt: undefined });
    desk.tell('Resume', {}, 30);
    desk.look(40);
    expect(desk.told('SlaBreached').map((event) => event.at)).toEqual([at(15), at(35)]);
  });
});

describe('terms that are agreed with effect in the past', () => {
  const promise = (version: number, hours: number) =>
    pin(version, {
      ...always,
      quietTime: 0,
      tierTargets: {},
      targets: { ...defaultContract.targets, critical: { response: 100 * HOUR, resolution: hours * HOUR } },
      escalationPolicies: [
        {
          name: 'overdue',
          trigger: { on: 'breach', clock: 'resolution' },
          steps: [{ after: 0, targets: [{ kind: 'person', person: { id: 'boss' } }] }],
        },
      ],
    });
  const restated = (desk: Desk) => desk.told('SlaRestated').map(({ data }) => data as TicketEvents['SlaRestated']);
  /** Three hours were promised and have been broken. */
  function breached(): Desk {
    const { terms } = promise(1, 3);
    const desk = new Desk(terms).open(0);
    desk.look(240);
    expect(desk.told('SlaBreached').map((event) => event.at)).toEqual([at(180)]);
    return desk;
  }

  it('restate the breach that did not happen under them, and end its policy', () => {
    const desk = breached();
    const revision = desk.events.length;
    expect(desk.tell('RebaseSlaTerms', { contract: promise(2, 6), effectiveFrom: at(100) }, 250, 250, TIMEKEEPER)).toEqual([
      'SlaTermsRebased',
      ...Array.from({ length: 3 }, () => 'SlaRestated'),
    ]);
    expect(restated(desk).map(({ moment }) => [moment?.percent ?? 'breach', moment?.was, moment?.is])).toEqual([
      [75, at(135), undefined],
      [90, at(162), undefined],
      ['breach', at(180), undefined],
    ]);
    expect(restated(desk)[2]).toMatchObject({
      because: { revision, type: 'SlaTermsRebased' },
      reason: `Version 2 of the contract holds from ${at(100)} and was agreed late`,
    });
    expect(whyEscalated(desk.ticket.sla, at(250))).toMatchObject([{ ended: { because: 'restated' } }]);
  });

  it('restate nothing if a breach is unchanged, and notify no one twice', () => {
    const desk = breached();
    desk.tell('RebaseSlaTerms', { contract: promise(2, 3), effectiveFrom: at(100) }, 250, 250, TIMEKEEPER);
    expect(restated(desk)).toEqual([]);
    desk.look(260);
    expect(desk.events.filter(({ type }) => type === 'EscalationStepDispatched')).toHaveLength(1);
  });

  it('move a breach that came earlier, or later, under them', () => {
    const desk = breached();
    desk.tell('RebaseSlaTerms', { contract: promise(2, 2), effectiveFrom: at(100) }, 250, 250, TIMEKEEPER);
    expect(restated(desk).at(-1)).toMatchObject({ moment: { was: at(180), is: at(120) } });
  });

  it('keep a breach from before them', () => {
    const desk = breached();
    desk.tell('RebaseSlaTerms', { contract: promise(2, 6), effectiveFrom: at(200) }, 250, 250, TIMEKEEPER);
    expect(restated(desk)).toEqual([]);
    expect(desk.clocks.find(({ kind }) => kind === 'resolution')).toMatchObject({ breachedAt: at(180) });
  });

  it('are no reason for what a later fact shows, nor is that one for them', () => {
    const desk = breached();
    desk.tell('RebaseSlaTerms', { contract: promise(2, 6), effectiveFrom: at(100) }, 250, 250, TIMEKEEPER);
    const count = restated(desk).length;
    desk.tell('StartWork', {}, 240, 251);
    expect(restated(desk)).toHaveLength(count);
  });
});

describe('what follows from an event in another ticket', () => {
  it("has its cause's time", () => {
    const child = new Desk(always).open(0);
    child.look(300);
    child.tell('RecordDiagnosticStep', { action: 'a', outcome: 'o' }, 310);
    child.tell('ResolveWithParent', { parent: 'p', category: 'x', effectiveAt: at(10) }, 10, 1080, policy);
    expect(child.ticket.work).toMatchObject({ status: 'resolved', resolvedAt: at(10) });
    expect(child.clocks.map(({ state, stoppedAt }) => [state, stoppedAt])).toEqual([
      ['met', at(10)],
      ['met', at(10)],
    ]);
  });

  it('is resolved at the tier where it was then, wherever people have moved it since', () => {
    const child = new Desk(always).open(0);
    child.tell('AssignTicket', { team: 'desk' }, 5);
    child.tell('EscalateToTier', { tier: 'L2', team: 'servers', reason: 'r', handoff: completeHandOff }, 30);
    child.tell('ResolveWithParent', { parent: 'p', category: 'x' }, 10, 60, policy);
    expect(child.ticket.resolution).toMatchObject({ tier: 'L1', parent: 'p' });
    expect(child.ticket.resolvedBy).toEqual(['L1']);
    expect(child.events.at(-1)).toMatchObject({ type: 'TicketResolved', data: { tier: 'L1', team: 'desk' } });
  });

  it('takes its place before what time brought about later, and that moves nothing', () => {
    const child = believedBreached();
    child.tell('ResolveWithParent', { parent: 'p', category: 'x' }, -590, 0.1, policy);
    expect(child.ticket).toMatchObject({ tier: 'L1', work: { status: 'resolved', resolvedAt: at(-590) }, resolution: { tier: 'L1' } });
    expect(child.clocks.map(({ state, stoppedAt }) => [state, stoppedAt])).toEqual([
      ['met', at(-590)],
      ['met', at(-590)],
    ]);
  });
});

/** What KPIs and reports are made of. */
function reported(fold: TicketFold | null) {
  if (fold === null) return undefined;
  const { facts, ticket, reported } = fold;
  const { resolutions, holds, replies, majorIncidents, times, reassignments, acknowledgedAt, mergedAt } = reported;
  return {
    cycle: ticket.cycle,
    repliedAt: ticket.repliedAt,
    returns: ticket.returns,
    major: ticket.majorIncident,
    vendor: ticket.vendorCase,
    firstResponseAt: facts.firstResponseAt,
    closedAt: facts.closedAt,
    escalations: [facts.escalations, facts.deescalations],
    // A hand-off carries what was told before it, and is as good as that.
    handOffs: facts.handOffs.map(({ escalationId: _, quality: _quality, ...rest }) => JSON.stringify(rest)),
    stays: facts.stays.map(({ tier, since }) => [tier, since].join()),
    since: [facts.since, facts.atTierSince, facts.queueState],
    touchSeconds: facts.touchSeconds,
    resolutions: resolutions.map((one) => JSON.stringify(one)),
    holds: holds.map((one) => JSON.stringify(one)),
    majorIncidents: majorIncidents.map((one) => JSON.stringify(one)),
    replies,
    times: times.map((one) => JSON.stringify(one)).sort(),
    reassignments,
    acknowledgedAt,
    mergedAt,
  };
}

/** What stands at the end: clocks, what is believed of them, where the work is, and what was done at which tier. */
function standing(desk: Desk, end: Instant) {
  const { work, tier, assignee, sla, links, touching, stepsTried } = desk.ticket;
  const clocks = sla.clocks.map((clock) => {
    const { kind, tier, cycle, terms, state, target, elapsed, breachedAt, stoppedAt, dueAt, pauses, startedAt } = clockAt(clock, end);
    return { kind, tier, cycle, terms, state, target, elapsed, breachedAt, stoppedAt, dueAt, pauses, startedAt };
  });
  // What is the same under the terms that were believed to hold is not told once more under those that did.
  const told = sla.told
    .filter((moment) => moment.at !== null)
    .map(({ clock, tier, cycle, percent = 100, at }) => [clock, tier, cycle, percent, at]);
  const touched: Record<string, number> = {};
  const count = ({ agent: { id }, tier }: { agent: Person; tier: Tier }, seconds: number) =>
    (touched[`${id} at ${tier}`] = (touched[`${id} at ${tier}`] ?? 0) + seconds);
  for (const { type, data } of desk.events) {
    if (type === 'TouchTimeStopped') count(data, data.seconds);
    if (type === 'TouchTimeDeducted') count(data, -data.seconds);
    if (type === 'TouchTimeRecorded') count(data, data.minutes * 60);
  }
  for (const touch of touching) count(touch, (epochMillis(end) - epochMillis(touch.since)) / 1000);
  return {
    status: work.status,
    resolvedAt: resolvedAt(work),
    handedOverAt: handedOver(desk.ticket)?.at,
    tier,
    clocks,
    told: told.map(String).sort(),
    bobHasIt: assignee?.id === 'bob',
    ratings: desk.events.flatMap(({ type, data }) => (type === 'SatisfactionRecorded' ? [data.cycle] : [])),
    touched: Object.fromEntries(Object.entries(touched).filter(([, seconds]) => seconds !== 0)),
    steps: stepsTried.map(({ action, at: when }) => `${when} ${action}`),
    parts: desk.parts.map(({ tier, impact, urgency }) => [tier, impact, urgency].join()).sort(),
    links: links.map(({ relation }) => relation).sort(),
    chains: sla.chains.map(({ policy: { name }, startedAt, ended, acknowledged, takenOver = [] }) =>
      [
        name,
        startedAt,
        ended?.because,
        ended?.at,
        acknowledged?.by.id,
        acknowledged?.at,
        ...takenOver.map(({ by, at }) => by.id + at),
      ].join(),
    ),
    onBelief: sla.chains.flatMap(({ ended, steps }) => steps.filter(({ at, onBelief }) => ended && at > ended.at !== (onBelief ?? false))),
  };
}

describe('lives that are told in any order, with any delay', () => {
  const contracts = fc.record({
    calendar: fc.constantFrom<Contract['calendar']>(
      { zone: 'UTC', week: '24x7' },
      {
        zone: 'Europe/Rome',
        week: Object.fromEntries(
          ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'].map((day) => [
            day,
            [
              { from: '09:00', to: '12:00' },
              { from: '13:00', to: '17:00' },
            ],
          ]),
        ),
      },
    ),
    reopen: fc.constantFrom('new-cycle' as const, 'continue' as const),
    quietTime: fc.constantFrom(0, 2 * MINUTE, 60 * MINUTE),
    escalationPolicies: fc.constant<Contract['escalationPolicies']>([
      {
        name: 'untouched',
        trigger: { on: 'opened' },
        steps: [
          { after: 90 * MINUTE, targets: [{ kind: 'person', person: { id: 'boss' } }] },
          { after: 600 * MINUTE, targets: [{ kind: 'person', person: { id: 'board' } }] },
        ],
      },
    ]),
  });

  it('end like those recorded on time: verdicts, moments with their restatements, and counts', () => {
    fc.assert(
      fc.property(
        contracts,
        fc.array(lateFact, { maxLength: 12 }),
        fc.integer({ max: 600, min: 0 }),
        fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 0, max: 2000 }), { maxLength: 4 }),
        (terms, facts, openingDelay, looks, assignments) => {
          const prompt = new Desk({ ...terms, quietTime: 0 }).open(0);
          const telling: (Pick<LateFact, 'name' | 'command'> & { readonly happened: number; told: number; readonly actor: Actor })[] = [];
          let now = 0;
          let toldSoFar = openingDelay;
          let begunSince = openingDelay;
          // What begins is told before its end: a stretch of touch time, a link.
          const pairs = new Map<string | undefined, number>();
          // Whom a policy gives it to depends on when: only where people give it to nobody.
          const byPolicy = facts.some(({ name }) => /^(Assign|Unassign|TakeOver)/.test(name)) ? [] : assignments;
          const between = (from: number, to: number) => byPolicy.filter((when) => when > from && when <= to).sort((a, b) => a - b);
          for (const { name, command: said, gap, delay, ends, told: order, pair, lasts, by } of facts) {
            const actor = by === 'policy' ? policy : ada;
            for (const when of between(now, now + gap)) prompt.assign(when);
            now += gap;
            prompt.look(now);
            const command = lasts === undefined ? said : { ...said, until: at(now + lasts) };
            const decided = prompt.tell(name, command as never, now, now, actor);
            if (isRefusal(decided) || decided.length === 0) continue;
            const told = Math.max(now + delay, order === 'any-time' ? begunSince : toldSoFar, pairs.get(pair) ?? 0);
            if (pair !== undefined) pairs.set(pair, told);
            // People's own moves are told in their order, and what came before the end before it.
            if (ends) for (const one of telling) one.told = Math.min(one.told, told);
            if (order === undefined) toldSoFar = told;
            if (name === 'ReopenTicket' || name === 'RecordRequesterReply') begunSince = told;
            telling.push({ name, command, happened: now, told, actor });
          }
          const end = Math.max(now, ...telling.map(({ told }) => told), openingDelay) + 5000;
          for (const when of between(now, end)) prompt.assign(when);
          prompt.look(end);

          const late = new Desk(terms).open(0, openingDelay);
          const agenda = [
            ...telling.map((one) => ({
              when: one.told,
              act: () => {
                late.tell('EndHold', {}, one.told, one.told, TIMEKEEPER);
                expect(isRefusal(late.tell(one.name, one.command as never, one.happened, one.told, one.actor))).toBe(false);
              },
            })),
            ...looks.filter((when) => when >= openingDelay && when < end).map((when) => ({ when, act: () => late.look(when) })),
            ...between(openingDelay, end).map((when) => ({ when, act: () => late.assign(when) })),
          ].sort((one, other) => one.when - other.when);
          for (const { act } of agenda) act();
          late.look(end);
          expect(standing(late, at(end))).toEqual(standing(prompt, at(end)));
          if (byPolicy.length === 0) expect(reported(late.fold)).toEqual(reported(prompt.fold));
          const breaches = (desk: Desk) => desk.clocks.filter((clock) => clockAt(clock, at(end)).breachedAt !== undefined).length;
          expect(breaches(late)).toBe(breaches(prompt));
        },
      ),
      { numRuns: 300 },
    );
  });
});
