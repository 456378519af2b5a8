import {
  type Aggregate,
  type CommandDefinition,
  type Decided,
  type Decision,
  type DecisionContext,
  type EventOf,
  deterministicId,
  epochMillis,
  type Fault,
  isRefusal,
  parseInstant,
  refuse,
  type Refusal,
} from '#eventsourcing';
import { asSkills, assignmentRequest } from './assignment-request.js';
import { type HandOffBody, ticketCommands, type TicketCommandName, type TicketCommands } from './commands.js';
import { type Contract, DAY, entryTier, MINUTE, nextTier, type PinnedContract, termsOf } from '../contract/contract.js';
import { type EscalationChain, evolveChains, nextOf } from '../escalation/escalation-chains.js';
import type { EscalationStep, EscalationTarget } from '../contract/escalation-policy.js';
import { missingFromHandOff, type HandOff } from '../contract/hand-off.js';
import { present, same } from '../plain-json.js';
import { completeRootCause, missingFromResolution } from './resolution.js';
import { ended } from '../sla/sla-clock.js';
import { type Person, rank, type Relation, type SkipReason, type Tier } from '../vocabulary.js';
import { type RootCause, type HandedOver, linkedBy, resolvedAt } from '../events/ticket.js';
import { ticketEvents, type TicketEvents } from '../events/ticket-events.js';
import { restatements } from '../sla/sla-restatement.js';
import { type PinnedClocks, rebased, toldMoment, untoldMoments } from '../sla/sla-terms.js';
import { type ClockedTicket, type ClockedTicketState, clockedTicketEvents } from './clocked-ticket.js';

/** How far the clocks of two machines may differ, in milliseconds, before what happened is out of order or in the future. */
export const CLOCK_SKEW = MINUTE;

/** More would make every event of the ticket slow to read, and of a parent slow to follow. */
const MOST_LINKS = 500;

type TicketDecision = Decision<TicketEvents>;
type Decide<Name extends TicketCommandName> = (
  command: TicketCommands[Name],
  ticket: ClockedTicket,
  context: DecisionContext,
  contract: Contract,
  given?: Given<Name>,
) => TicketDecision;

/** What a command needs from outside the ticket: what it is opened under (none: the default contract); its clocks under what is agreed with its client now. */
type Given<Name> = Name extends 'OpenTicket' ? PinnedContract : Name extends 'RestateSla' ? PinnedClocks : undefined;

/** What each command leads to, on a ticket that exists. */
const decideTicket: { readonly [Name in Exclude<TicketCommandName, 'OpenTicket'>]: Decide<Name> } = {
  TriageTicket(command, ticket, _context, contract) {
    const barred =
      unlessActive(ticket) ?? unlessInCategories(command.category, contract) ?? unlessInServices(command, contract, ticket.service);
    if (barred) return barred;
    const impact = command.impact ?? ticket.impact;
    const urgency = command.urgency ?? ticket.urgency;
    const triaged = present({
      category: command.category,
      impact,
      urgency,
      priority: contract.priorities[impact][urgency],
      service: command.service ?? ticket.service,
      component:
        command.component ?? (command.service === undefined ? ticket.component : componentOf(command.service, ticket.component, contract)),
      majorIncident: command.majorIncident ?? ticket.majorIncident,
      securityIncident: command.securityIncident ?? ticket.securityIncident,
      skills: command.skills === undefined ? ticket.skills : asSkills(command.skills),
    });
    const known = Object.fromEntries(Object.keys(triaged).map((field) => [field, ticket[field as keyof ClockedTicket]]));
    return same(triaged, present(known)) ? [] : [event('TicketTriaged', triaged)];
  },

  AssignTicket({ team, assignee }, ticket) {
    const barred = unlessActive(ticket);
    if (barred) return barred;
    if (team === undefined && assignee === undefined) {
      return refuse('assignment-empty', 'An assignment names a team, a person or both', [
        { field: 'team', message: 'name a team, an assignee or both' },
        { field: 'assignee', message: 'name a team, an assignee or both' },
      ]);
    }
    const quiet = (team ?? ticket.team) === ticket.team && assignee?.id === ticket.assignee?.id && assignee?.name === ticket.assignee?.name;
    return quiet
      ? []
      : [event('TicketAssigned', present({ tier: ticket.tier, team: team ?? ticket.team, assignee: assignee && person(assignee) }))];
  },

  UnassignTicket({ reason, from, ...cause }, ticket, context) {
    const because = cause.because ?? 'requested';
    const barred = unlessActive(ticket);
    if (barred) return because === 'requested' ? barred : [];
    const { tier, assignee } = ticket;
    if (assignee === undefined || (from !== undefined && from !== assignee.id)) return [];
    const touches = ticket.touching.filter(({ agent }) => agent.id === assignee.id);
    const team = ticket.teamChosen ? undefined : ticket.team;
    return [
      ...touches.map((touch) => stopped(touch, context)),
      event('TicketUnassigned', present({ tier, team, assignee, because, reason })),
    ];
  },

  AssignAutomatically({ request, found }, ticket, _context, contract) {
    const asked = assignmentRequest(ticket, contract);
    if (asked === undefined || !same(asked, request)) return [];
    const { tier } = ticket;
    const { skills } = asked;
    if ('agent' in found) {
      const { agent, team, shift, rule, candidates, openTickets } = found;
      const automatic = { rule, candidates, openTickets, shift, skills };
      return [event('TicketAssigned', { tier, team, assignee: person(agent), automatic })];
    }
    const { because, teams, retryAt } = found;
    return ticket.nobodyFound === because ? [] : [event('AssignmentFoundNobody', present({ tier, because, teams, skills, retryAt }))];
  },

  StartWork({ agent }, ticket, context) {
    const barred = unlessWorkable(ticket);
    if (barred) return barred;
    const who = agent ? person(agent) : actorAsPerson(context);
    if (ticket.work.status === 'in-progress' && ticket.work.agent.id === who.id) return [];
    return [event('WorkStarted', present({ tier: ticket.tier, team: ticket.team, agent: who }))];
  },

  RecordDiagnosticStep({ action, outcome }, ticket) {
    return unlessActive(ticket) ?? [event('DiagnosticStepRecorded', { tier: ticket.tier, action, outcome })];
  },

  AttachEvidence({ name, kind, url, mediaType, sha256, bytes }, ticket) {
    const barred = ticket.work.status === 'resolved' ? undefined : unlessActive(ticket);
    if (barred) return barred;
    // An attachment's name is the hash of its content.
    if (url.startsWith('attachment:') && url !== `attachment:${sha256}`) {
      return refuse('attachment-mismatch', `${url} is not the content with the SHA-256 ${sha256}`, [
        { field: 'sha256', message: 'must be the one that the url names' },
      ]);
    }
    const evidence = { name, kind, url, mediaType, sha256, bytes };
    const known = ticket.evidence.find((other) => other.name === name);
    if (known === undefined) return [event('EvidenceAttached', evidence)];
    return same(known, evidence)
      ? []
      : refuse('evidence-exists', `Evidence named ${name} is already attached, with other content: evidence is not replaced`, [
          { field: 'name', message: 'must be new to this ticket' },
        ]);
  },

  EscalateToTier({ tier, team, reason, handoff = {} }, ticket, context, contract) {
    const barred = unlessWorkable(ticket);
    if (barred) return barred;
    if (rank(tier) <= rank(ticket.tier))
      return refuse('not-an-escalation', `The ticket is at ${ticket.tier}: ${tier} is not higher. Use a de-escalation or an assignment`, [
        { field: 'tier', message: `must be above ${ticket.tier}` },
      ]);
    if (!contract.tiers.includes(tier)) return tierNotInContract(tier, contract);
    const next = nextTier(contract, ticket.tier);
    const skipped = tier === next ? undefined : skipReason(ticket, tier);
    if (tier !== next && skipped === undefined) {
      return refuse(
        'tier-skipped',
        `From ${ticket.tier} the work goes to ${next}. Only a major incident, a security incident or a recurrence that L2 has fixed before goes straight to L3`,
        [{ field: 'tier', message: `must be ${next}` }],
      );
    }
    const handOff = complete(handoff, ticket);
    const missing = missingFromHandOff(ticket.tier, tier, handOff, contract.handOffs);
    if (missing.length > 0)
      return refuse(
        'hand-off-incomplete',
        `The hand-off from ${ticket.tier} to ${tier} lacks ${missing.length === 1 ? 'an item' : `${missing.length} items`}`,
        missing,
      );
    return [
      event(
        'TicketEscalated',
        present({
          escalationId: deterministicId('escalation', context.commandId),
          from: ticket.tier,
          fromTeam: ticket.team,
          to: tier,
          toTeam: team,
          reason,
          skipped,
          handOff,
        }),
      ),
    ];
  },

  AcceptEscalation({ agent }, ticket, context) {
    const who = agent ? person(agent) : actorAsPerson(context);
    if (ticket.work.status === 'in-progress' && ticket.settledEscalation?.how === 'accepted' && ticket.work.agent.id === who.id) return [];
    const handedOver = pending(ticket);
    if (isRefusal(handedOver)) return handedOver;
    return [
      event('EscalationAccepted', present({ escalationId: handedOver.escalationId, tier: ticket.tier, team: ticket.team, agent: who })),
    ];
  },

  ReturnEscalation({ reason }, ticket, _context, contract) {
    if (ticket.work.status === 'open' && ticket.settledEscalation?.how === 'returned') return [];
    const handedOver = pending(ticket);
    if (isRefusal(handedOver)) return handedOver;
    const pingPong = ticket.returns + 1;
    const returned = event(
      'EscalationReturned',
      present({
        escalationId: handedOver.escalationId,
        from: ticket.tier,
        to: handedOver.from,
        toTeam: handedOver.fromTeam,
        reason,
        pingPong,
      }),
    );
    if (pingPong <= contract.pingPongLimit) return [returned];
    const told = `Returned ${pingPong} times; the contract bears ${contract.pingPongLimit}`;
    return [returned, event('HierarchicalEscalationRaised', { tier: handedOver.from, cause: 'ping-pong-limit', reason: told })];
  },

  DeescalateToTier({ tier, team, reason, solution }, ticket, _context, contract) {
    const barred = unlessWorkable(ticket);
    if (barred) return barred;
    if (rank(tier) >= rank(ticket.tier))
      return refuse('not-a-de-escalation', `The ticket is at ${ticket.tier}: ${tier} is not lower`, [
        { field: 'tier', message: `must be below ${ticket.tier}` },
      ]);
    if (!contract.tiers.includes(tier)) return tierNotInContract(tier, contract);
    const { kind, text, article } = solution;
    return [
      event(
        'TicketDeescalated',
        present({ from: ticket.tier, fromTeam: ticket.team, to: tier, toTeam: team, reason, solution: present({ kind, text, article }) }),
      ),
    ];
  },

  PutOnHold({ reason, note, until }, ticket) {
    const barred = unlessActive(ticket);
    if (barred) return barred;
    if (ticket.work.status === 'on-hold') {
      return ticket.work.reason === reason
        ? []
        : refuse('ticket-on-hold', `The ticket is on hold for ${ticket.work.reason}: resume it first`);
    }
    return [event('TicketPutOnHold', present({ reason, note, until: until === undefined ? undefined : parseInstant(until) }))];
  },

  Resume(_command, ticket) {
    const barred = unlessActive(ticket);
    if (barred) return barred;
    return ticket.work.status === 'on-hold' ? [event('TicketResumed', { after: ticket.work.reason })] : [];
  },

  ResolveTicket({ category, article, cause, fix, workaround }, ticket) {
    const resolution = present({ tier: ticket.tier, category: category ?? ticket.category, article, cause, fix, workaround });
    if (ticket.work.status === 'resolved' && ticket.resolution !== undefined && same(ticket.resolution, resolution)) return [];
    const barred = unlessActive(ticket) ?? unlessAccepted(ticket);
    if (barred) return barred;
    if (rank(ticket.tier) >= rank('L3'))
      return refuse('root-cause-required', `${ticket.tier} resolves with a root cause: use ResolveWithRootCause`);
    const missing = missingFromResolution(ticket.tier, resolution);
    if (missing.length > 0) return refuse('resolution-incomplete', `The resolution at ${ticket.tier} is incomplete`, missing);
    return [...endOfHold(ticket), event('TicketResolved', present({ ...resolution, team: ticket.team }))];
  },

  ResolveWithRootCause(command, ticket) {
    const rootCause = completeRootCause(command.rootCause, ticket.revisions);
    if (isFaults(rootCause))
      return unlessActive(ticket) ?? unlessAccepted(ticket) ?? refuse('root-cause-incomplete', 'The root cause is incomplete', rootCause);
    if (ticket.work.status === 'resolved' && ticket.rootCause !== undefined && same(ticket.rootCause, rootCause)) return [];
    const barred = unlessActive(ticket) ?? unlessAccepted(ticket);
    if (barred) return barred;
    return [...endOfHold(ticket), event('TicketResolvedWithRootCause', present({ tier: ticket.tier, team: ticket.team, rootCause }))];
  },

  ReopenTicket({ reason }, ticket, { effectiveAt }, contract) {
    const barred = unlessOver(ticket);
    if (barred) return barred;
    const resolved = resolvedAt(ticket.work);
    if (resolved === undefined) return ticket.cycle > 1 ? [] : refuse('not-resolved', 'Only a resolved ticket can be reopened');
    if (epochMillis(effectiveAt) - epochMillis(resolved) > contract.reopenWindow) {
      return refuse(
        'reopen-window-passed',
        `A ticket can be reopened within ${contract.reopenWindow / DAY} days of its resolution. Open a new one that follows it`,
      );
    }
    return [event('TicketReopened', present({ reason, tier: ticket.tier, team: ticket.team, cycle: ticket.cycle + 1 }))];
  },

  CloseTicket({ note }, ticket) {
    if (ticket.work.status === 'closed') return [];
    const barred = unlessOver(ticket);
    if (barred) return barred;
    return ticket.work.status === 'resolved'
      ? [event('TicketClosed', present({ note }))]
      : refuse('not-resolved', 'Only a resolved ticket can be closed');
  },

  CancelTicket({ reason }, ticket, context) {
    if (ticket.work.status === 'cancelled') return [];
    return unlessActive(ticket) ?? [...untoldOf(ticket, context), event('TicketCancelled', { reason })];
  },

  ClaimTicket({ agent }, ticket, context) {
    const barred = unlessActive(ticket) ?? unlessAccepted(ticket);
    if (barred) return barred;
    const who = agent ? person(agent) : actorAsPerson(context);
    const { assignee } = ticket;
    if (assignee === undefined) return [event('TicketAssigned', present({ tier: ticket.tier, team: ticket.team, assignee: who }))];
    return assignee.id === who.id ? [] : refuse('already-claimed', `${assignee.name ?? assignee.id} has the ticket already`);
  },

  EscalateHierarchically({ to, reason }, ticket) {
    return unlessActive(ticket) ?? [event('HierarchicalEscalationRaised', { tier: ticket.tier, cause: 'requested', to, reason })];
  },

  RequestConsultation({ tier, team, question }, ticket, context, contract) {
    const barred = unlessActive(ticket);
    if (barred) return barred;
    if (!contract.tiers.includes(tier)) return tierNotInContract(tier, contract);
    if (tier === ticket.tier) {
      return refuse('consultation-of-own-tier', `The ticket is at ${tier} itself: ask a colleague, and note the answer`, [
        { field: 'tier', message: `must not be ${tier}` },
      ]);
    }
    if (ticket.consultations.some((open) => open.tier === tier && open.question === question)) return [];
    const consultationId = deterministicId('consultation', context.commandId);
    return [event('ConsultationRequested', present({ consultationId, from: ticket.tier, to: tier, toTeam: team, question }))];
  },

  AnswerConsultation({ consultationId, answer, article }, ticket, context) {
    const open = consultationId === undefined ? ticket.consultations[0] : ticket.consultations.find(({ id }) => id === consultationId);
    if (open === undefined) return refuse('no-consultation-open', 'No such consultation waits for an answer');
    const barred = unlessOver(ticket);
    if (barred) return barred;
    return [event('ConsultationAnswered', present({ consultationId: open.id, by: actorAsPerson(context), answer, article }))];
  },

  SendPublicReply({ text }, ticket, context) {
    return unlessOver(ticket) ?? [event('PublicReplySent', { author: actorAsPerson(context), text })];
  },

  AddInternalNote({ text }, ticket, context) {
    return unlessOver(ticket) ?? [event('InternalNoteAdded', { author: actorAsPerson(context), text })];
  },

  RecordRequesterReply({ text, author }, ticket) {
    const barred = unlessOver(ticket);
    if (barred) return barred;
    const replied = event('RequesterReplied', { author: author ? person(author) : ticket.reporter, text });
    return ticket.work.status === 'on-hold' && ticket.work.reason === 'customer' ? [replied, ...endOfHold(ticket)] : [replied];
  },

  RecordVendorReply({ text, ...named }, ticket) {
    const barred = unlessOver(ticket);
    if (barred) return barred;
    const vendor = named.vendor ?? ticket.vendorCase?.vendor;
    const caseReference = named.caseReference ?? ticket.vendorCase?.caseReference;
    if (vendor !== undefined && caseReference !== undefined) return [event('VendorReplied', { vendor, caseReference, text })];
    return refuse(
      'no-vendor-case',
      'The ticket was never handed to a vendor: name the vendor and its case',
      Object.entries({ vendor, caseReference }).flatMap(([field, value]) =>
        value === undefined ? [{ field, message: 'must be named' }] : [],
      ),
    );
  },

  DeclareMajorIncident({ reason }, ticket) {
    return unlessActive(ticket) ?? (ticket.majorIncident ? [] : [event('MajorIncidentDeclared', { reason })]);
  },

  StandDownMajorIncident({ reason }, ticket) {
    return ticket.majorIncident ? (unlessOver(ticket) ?? [event('MajorIncidentStoodDown', { reason })]) : [];
  },

  PlanOnsiteVisit({ agent, location, plannedFor }, ticket, context) {
    const barred = unlessActive(ticket);
    if (barred) return barred;
    if (ticket.onsiteVisit !== undefined)
      return refuse('onsite-visit-open', `A visit is ${ticket.onsiteVisit.status} already: complete it first`);
    const at = parseInstant(plannedFor);
    if (at === undefined)
      return refuse('invalid-body', 'The visit needs a date-time with an offset', [
        { field: 'plannedFor', message: 'must be a date-time with an offset' },
      ]);
    return [
      event('OnsiteVisitPlanned', {
        visitId: deterministicId('onsite-visit', context.commandId),
        agent: person(agent),
        location,
        plannedFor: at,
      }),
    ];
  },

  BeginOnsiteVisit(_command, ticket) {
    const barred = unlessActive(ticket);
    if (barred) return barred;
    if (ticket.onsiteVisit === undefined) return refuse('no-onsite-visit', 'No visit is planned');
    return ticket.onsiteVisit.status === 'begun' ? [] : [event('OnsiteVisitBegun', { visitId: ticket.onsiteVisit.id })];
  },

  CompleteOnsiteVisit({ outcome }, ticket) {
    const barred = unlessActive(ticket);
    if (barred) return barred;
    if (ticket.onsiteVisit?.status !== 'begun')
      return refuse('no-onsite-visit', ticket.onsiteVisit === undefined ? 'No visit is planned' : 'The visit has not begun');
    const done = event('OnsiteVisitDone', { visitId: ticket.onsiteVisit.id, outcome });
    return ticket.work.status === 'on-hold' && ticket.work.reason === 'onsite-visit' ? [done, ...endOfHold(ticket)] : [done];
  },

  RecordTouchTime({ minutes, agent, activity }, ticket, context) {
    const who = agent ? person(agent) : actorAsPerson(context);
    return unlessOver(ticket) ?? [event('TouchTimeRecorded', present({ tier: ticket.tier, agent: who, minutes, activity }))];
  },

  StartTouchTime({ agent }, ticket, context) {
    const barred = unlessActive(ticket);
    if (barred) return barred;
    const who = agent ? person(agent) : actorAsPerson(context);
    return ticket.touching.some((touch) => touch.agent.id === who.id) ? [] : [event('TouchTimeStarted', { tier: ticket.tier, agent: who })];
  },

  StopTouchTime({ agent, activity }, ticket, context) {
    const who = agent ? person(agent) : actorAsPerson(context);
    const touch = ticket.touching.find((one) => one.agent.id === who.id);
    if (touch === undefined) return unlessOver(ticket) ?? [];
    if (context.effectiveAt < touch.since) {
      return refuse('out-of-order', `The time of ${who.name ?? who.id} began at ${touch.since}: it cannot have ended before`, [
        { field: 'effectiveAt', message: `must not be before ${touch.since}` },
      ]);
    }
    return [stopped(touch, context, activity)];
  },

  RecordSatisfaction({ score, comment }, ticket) {
    if (resolvedAt(ticket.work) === undefined)
      return unlessOver(ticket) ?? refuse('not-resolved', 'Satisfaction is asked for once the ticket is resolved');
    if (ticket.judgedCycles.includes(ticket.cycle))
      return refuse('satisfaction-recorded', 'This resolution was judged already: one answer counts');
    return [event('SatisfactionRecorded', present({ cycle: ticket.cycle, score, comment }))];
  },

  RecordSlaMoments(_command, ticket, context) {
    return untoldOf(ticket, context);
  },

  RunEscalations({ onCall }, ticket, context, contract) {
    const events: Decided<TicketEvents>[] = [];
    for (const chain of ticket.sla?.chains ?? []) {
      events.push(...runChain(chain, ticket, contract, onCall, context));
      // The others are to see the ticket where it is then.
      if (events.at(-1)?.type === 'TicketEscalated') break;
    }
    return events;
  },

  AcknowledgeEscalation({ chain, by, note }, ticket, context) {
    const chains = ticket.sla?.chains ?? [];
    const named = chains.filter(({ id }) => chain === undefined || id === chain);
    const atWork = named.filter(({ ended }) => ended === undefined);
    const open = atWork.filter(({ acknowledged }) => acknowledged === undefined).map(({ id }) => id);
    if (open.length > 0)
      return [event('EscalationAcknowledged', present({ chains: open, by: by ? person(by) : actorAsPerson(context), note }))];
    const done = named.some(({ acknowledged }) => acknowledged !== undefined);
    return done ? [] : refuse('no-escalation-at-work', 'No escalation policy that could be acknowledged is at work on the ticket');
  },

  RebaseSlaTerms({ contract, effectiveFrom }, ticket) {
    const goesOn = unlessActive(ticket) === undefined && ticket.sla !== undefined;
    if (!goesOn || contract.version <= (ticket.contract?.version ?? 0)) return [];
    // What happened since the terms began has happened under the old ones.
    const effectiveAt = effectiveFrom > ticket.movedAt ? effectiveFrom : ticket.movedAt;
    return [{ ...event('SlaTermsRebased', rebased(ticket.sla, contract, effectiveAt)), effectiveAt }];
  },

  RestateSla({ reason, clock }, ticket, _context, _contract, hindsight) {
    const barred = unlessOver(ticket);
    if (barred) return barred;
    const { sla } = ticket;
    if (clock !== undefined && !sla?.clocks.some((one) => one.kind === clock && ended(one))) {
      return refuse('no-clock-ended', `No ${clock} clock of the ticket has ended: there is no verdict to restate`, [
        { field: 'clock', message: 'must be a kind of which a clock has ended' },
      ]);
    }
    // Without the contract as it is known now nothing is known to be otherwise.
    if (sla === undefined || hindsight === undefined) return [];
    return restatements(sla, hindsight, clock).map((restated) => event('SlaRestated', { ...restated, reason }));
  },

  LinkTicket({ ticketId, relation, mirrored }, ticket, { id }) {
    const barred = unlessOver(ticket);
    if (barred) return barred;
    if (ticketId === id) return refuse('relation-to-itself', 'A ticket has no relation to itself');
    if (hasLink(ticket, ticketId, relation)) return [];
    const [parent] = linkedBy('child-of', ticket);
    const family = relation === 'child-of' || relation === 'parent-of';
    // One level: then there are no circles, and following the parent ends.
    if (family && parent !== undefined)
      return refuse('has-a-parent', `The ticket is a child of ${parent}; a child has one parent and no children`);
    if (relation === 'child-of' && linkedBy('parent-of', ticket).length > 0)
      return refuse('has-children', 'The ticket has children; a parent has no parent');
    if (ticket.links.length >= MOST_LINKS) return refuse('too-many-links', `A ticket has at most ${MOST_LINKS} links`);
    return [event('TicketLinked', present({ ticketId, relation, mirrored }))];
  },

  UnlinkTicket({ ticketId, relation, reason, mirrored }, ticket) {
    const barred = unlessOver(ticket);
    if (barred) return barred;
    return hasLink(ticket, ticketId, relation) ? [event('TicketUnlinked', present({ ticketId, relation, reason, mirrored }))] : [];
  },

  MergeTicket({ into, reason }, ticket, { id }) {
    if (ticket.work.status === 'merged' && ticket.work.into === into) return [];
    const barred = unlessActive(ticket);
    if (barred) return barred;
    if (into === id) return refuse('relation-to-itself', 'A ticket cannot be merged into itself');
    if (ticket.mergingInto === into) return [];
    return (
      unlessMerging(ticket) ??
      (linkedBy('parent-of', ticket).length > 0
        ? refuse('has-children', 'The ticket has children: they would lose their parent')
        : [event('TicketMergeRequested', { into, reason })])
    );
  },

  AbsorbTicket({ ticketId, summary, reporter, reason }, ticket, { id }) {
    if (ticket.absorbed.includes(ticketId)) return [];
    const barred = unlessActive(ticket) ?? unlessMerging(ticket);
    if (barred) return barred;
    if (ticketId === id) return refuse('relation-to-itself', 'A ticket cannot be merged into itself');
    return [event('TicketAbsorbed', { ticketId, summary, reporter: person(reporter), reason })];
  },

  CompleteMerge({ into }, ticket, context) {
    if (ticket.work.status === 'merged' && ticket.work.into === into) return [];
    const barred = unlessOver(ticket);
    if (barred) return barred;
    return ticket.mergingInto === into
      ? [...untoldOf(ticket, context), event('TicketMerged', { into })]
      : refuse('no-merge-pending', 'The ticket is not about to be merged there');
  },

  RefuseRelation({ ticketId, relation, code, message }, ticket) {
    const holds = relation === 'merged-into' ? ticket.mergingInto === ticketId : hasLink(ticket, ticketId, relation);
    return holds && unlessOver(ticket) === undefined ? [event('TicketRelationRefused', { ticketId, relation, code, message })] : [];
  },

  SplitTicket({ summary, description, category, service, component, reason }, ticket, context, contract) {
    const barred =
      unlessActive(ticket) ?? unlessInCategories(category, contract) ?? unlessInServices({ service, component }, contract, ticket.service);
    if (barred) return barred;
    if (ticket.links.length >= MOST_LINKS) return refuse('too-many-links', `A ticket has at most ${MOST_LINKS} links`);
    const into = deterministicId('split', context.commandId);
    return [event('TicketSplit', present({ into, summary, description, category, service, component, reason }))];
  },

  ResolveWithParent({ parent, category, article, cause, fix, workaround }, ticket) {
    // Whatever its hand-offs and holds: what ailed it is gone. One that is over already stays as it is.
    if (unlessActive(ticket) !== undefined) return [];
    const { tier, team } = ticket;
    return [
      ...endOfHold(ticket),
      event('TicketResolved', present({ tier, team, category: ticket.category ?? category, article, cause, fix, workaround, parent })),
    ];
  },
};

/** Notes about the work may come late; everything else must not come before what has already happened. */
const lateAllowed: ReadonlySet<TicketCommandName> = new Set([
  'RecordDiagnosticStep',
  'AttachEvidence',
  'RequestConsultation',
  'AnswerConsultation',
  'AddInternalNote',
  'RecordVendorReply',
  'RecordTouchTime',
  'StartTouchTime',
  'StopTouchTime',
  'RecordSatisfaction',
  'RecordSlaMoments',
  'RunEscalations',
  'AcknowledgeEscalation',
  'RebaseSlaTerms',
  'LinkTicket',
  'UnlinkTicket',
  'MergeTicket',
  'AbsorbTicket',
  'CompleteMerge',
  'RefuseRelation',
  'SplitTicket',
]);

/** What a ticket is opened with, under a contract. */
function openTicket(command: TicketCommands['OpenTicket'], state: ClockedTicketState, offered: PinnedContract | undefined): TicketDecision {
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
    articlesShown,
    follows,
  } = command;
  const contract = termsOf(present({ contract: offered }));
  const tier = command.tier ?? entryTier(contract);
  if (!contract.tiers.includes(tier)) return tierNotInContract(tier, contract);
  const barred = unlessInCategories(category, contract) ?? unlessInServices(command, contract);
  if (barred) return barred;
  if (state !== null) return refuse('ticket-exists', 'The ticket exists already');
  const priority = contract.priorities[impact][urgency];
  return [
    event(
      'TicketOpened',
      present({
        client,
        kind,
        summary,
        description,
        reporter: person(reporter),
        channel,
        impact,
        urgency,
        priority,
        tier,
        team,
        service,
        component,
        category,
        articlesShown,
        follows,
        contract: offered,
      }),
    ),
  ];
}

type TicketCommandDefinitions = {
  readonly [Name in TicketCommandName]: CommandDefinition<
    ClockedTicketState,
    Decided<TicketEvents>,
    TicketCommands[Name],
    string,
    Given<Name>
  >;
};

function existing<Name extends Exclude<TicketCommandName, 'OpenTicket'>>(name: Name) {
  return (command: TicketCommands[Name], state: ClockedTicketState, context: DecisionContext, given?: Given<Name>): TicketDecision => {
    if (state === null) return refuse('ticket-not-found', 'There is no such ticket');
    if (!lateAllowed.has(name) && epochMillis(context.effectiveAt) < epochMillis(state.movedAt) - CLOCK_SKEW) {
      return refuse('out-of-order', `The ticket has moved on at ${state.movedAt}; what happened before that can no longer be told`, [
        { field: 'effectiveAt', message: `must not be before ${state.movedAt}` },
      ]);
    }
    return endingTouches((decideTicket[name] as Decide<Name>)(command, state, context, termsOf(state), given), state, context);
  };
}

const needs: { readonly [Name in TicketCommandName]?: string } = { OpenTicket: 'contract-in-force', RestateSla: 'clocks-in-hindsight' };

function definition<Name extends TicketCommandName>(name: Name, decide: TicketCommandDefinitions[Name]['decide']) {
  const external = Object.hasOwn(ticketCommands, name) ? ticketCommands[name as keyof typeof ticketCommands] : undefined;
  return {
    ...(external && {
      body: external.body,
      route: external.route === '' ? 'POST /v1/tickets' : `POST /v1/tickets/{id}/${external.route}`,
    }),
    ...(needs[name] && { needs: needs[name] }),
    refuses: [] as readonly string[],
    decide,
  };
}

/** A ticket. It goes by the contract that it was opened under, or was rebased to, which its own events hold. One stream a ticket: `ticket-<id>`. */
export const ticket = {
  category: 'ticket',
  noun: 'ticket',
  initial: null,
  client: (state) => state?.client ?? '',
  events: clockedTicketEvents,
  commands: {
    OpenTicket: definition('OpenTicket', (command, state, _context, offered) => openTicket(command, state, offered)),
    ...Object.fromEntries(
      (Object.keys(decideTicket) as Exclude<TicketCommandName, 'OpenTicket'>[]).map((name) => [name, definition(name, existing(name))]),
    ),
  } as TicketCommandDefinitions,
} satisfies Aggregate<ClockedTicketState>;

/** A stretch of touch time that nobody stopped ends with the work, in the same append and before it: each start has its stop. */
function endingTouches(decision: TicketDecision, { touching }: ClockedTicket, context: DecisionContext): TicketDecision {
  if (isRefusal(decision) || touching.length === 0 || !decision.some(({ type }) => ticketEvents[type].endsTouch)) return decision;
  return [...touching.map((touch) => stopped(touch, context)), ...decision];
}

function stopped({ agent, tier, since }: ClockedTicket['touching'][number], { effectiveAt }: DecisionContext, activity?: string) {
  const seconds = Math.max(0, Math.round((epochMillis(effectiveAt) - epochMillis(since)) / 1000));
  return event('TouchTimeStopped', present({ tier, agent, startedAt: since, seconds, activity }));
}

/** Cancelled or merged: nothing follows in its stream. */
function unlessOver({ work }: ClockedTicket): Refusal | undefined {
  switch (work.status) {
    case 'cancelled':
      return refuse('ticket-cancelled', 'The ticket was cancelled');
    case 'merged':
      return refuse('ticket-merged', `The ticket goes on in ${work.into}`);
    default:
      return undefined;
  }
}

function unlessMerging({ mergingInto }: ClockedTicket): Refusal | undefined {
  return mergingInto === undefined ? undefined : refuse('merge-pending', `The ticket is about to be merged into ${mergingInto}`);
}

function hasLink({ links }: ClockedTicket, ticketId: string, relation: Relation): boolean {
  return links.some((link) => link.ticketId === ticketId && link.relation === relation);
}

/** A contract that lists categories knows no others; what lies below one of them is in it. */
function unlessInCategories(category: string | undefined, { categories }: Contract): Refusal | undefined {
  if (category === undefined || categories === undefined) return undefined;
  if (categories.some((known) => category === known || category.startsWith(`${known}/`))) return undefined;
  return refuse('category-not-in-contract', `The contract has no category ${category}`, [
    { field: 'category', message: 'must be one of the categories of the contract, or below one' },
  ]);
}

/** A contract that lists services knows no others, and no other components of them. */
function unlessInServices(
  { service, component }: { readonly service?: string; readonly component?: string },
  { services }: Contract,
  before?: string,
): Refusal | undefined {
  if (services === undefined) return undefined;
  if (service !== undefined && !Object.hasOwn(services, service))
    return refuse('configuration-item-not-in-contract', `The contract has no service ${service}`, [
      { field: 'service', message: 'must be one of the services of the contract' },
    ]);
  const of = service ?? before;
  if (component === undefined || isOf(of, component, services)) return undefined;
  return refuse('configuration-item-not-in-contract', `The contract has no component ${component}${of === undefined ? '' : ` of ${of}`}`, [
    { field: 'component', message: `must be a component of ${of ?? 'one of the services of the contract'}` },
  ]);
}

function isOf(service: string | undefined, component: string, services: NonNullable<Contract['services']>): boolean {
  const candidates = service === undefined ? Object.values(services) : Object.hasOwn(services, service) ? [services[service]] : [];
  return candidates.some((components) => components?.includes(component));
}

/** The component that a ticket had, as long as it is one of the service that the ticket is about now. */
function componentOf(service: string, component: string | undefined, { services }: Contract): string | undefined {
  return component === undefined || services === undefined || isOf(service, component, services) ? component : undefined;
}

function tierNotInContract(tier: Tier, contract: Contract): Refusal {
  return refuse('tier-not-in-contract', `The contract has no ${tier}`, [
    { field: 'tier', message: `must be one of ${contract.tiers.join(', ')}` },
  ]);
}

function unlessActive(ticket: ClockedTicket): Refusal | undefined {
  switch (ticket.work.status) {
    case 'resolved':
      return refuse('already-resolved', 'The ticket is resolved: reopen it first');
    case 'closed':
      return refuse('ticket-closed', 'The ticket is closed: reopen it, or open a new one that follows it');
    default:
      return unlessOver(ticket);
  }
}

function unlessAccepted({ work, tier }: ClockedTicket): Refusal | undefined {
  const active = work.status === 'on-hold' ? work.paused : work;
  return active.status === 'escalated'
    ? refuse('escalation-pending', `The hand-off to ${tier} waits to be accepted or returned`)
    : undefined;
}

/** Neither done with, nor waiting for acceptance, nor on hold. */
function unlessWorkable(ticket: ClockedTicket): Refusal | undefined {
  if (ticket.work.status === 'on-hold') return refuse('ticket-on-hold', `The ticket is on hold for ${ticket.work.reason}: resume it first`);
  return unlessActive(ticket) ?? unlessAccepted(ticket);
}

function pending(ticket: ClockedTicket): HandedOver | Refusal {
  if (ticket.work.status === 'escalated') return ticket.work.handedOver;
  if (ticket.work.status === 'on-hold' && ticket.work.paused.status === 'escalated')
    return refuse('ticket-on-hold', `The ticket is on hold for ${ticket.work.reason}: resume it first`);
  return unlessActive(ticket) ?? refuse('no-escalation-pending', 'No hand-off waits to be accepted or returned');
}

function skipReason(ticket: ClockedTicket, to: Tier): SkipReason | undefined {
  if (to !== 'L3') return undefined;
  if (ticket.majorIncident) return 'major-incident';
  if (ticket.securityIncident) return 'security-incident';
  return ticket.resolvedBy.includes('L2') ? 'recurrence' : undefined;
}

/** A hand-off with what the ticket already holds: recorded steps, attached logs and diagnostic data. */
function complete(given: HandOffBody, ticket: ClockedTicket): HandOff {
  const attached = (kind: 'log' | 'diagnostic-data'): string[] =>
    ticket.evidence.filter((evidence) => evidence.kind === kind).map((evidence) => evidence.url);
  const steps = (given.stepsTried ?? []).map(({ action, outcome }) => ({ action, outcome }));
  return present({
    summary: given.summary,
    errorMessages: filled(given.errorMessages ?? []),
    logs: filled([...attached('log'), ...(given.logs ?? [])]),
    stepsTried: filled([...ticket.stepsTried, ...steps]),
    stepsToReproduce: filled(given.stepsToReproduce ?? []),
    notReproducibleBecause: given.notReproducibleBecause,
    diagnosticData: filled([...attached('diagnostic-data'), ...(given.diagnosticData ?? [])]),
    environment: given.environment,
    vendor: given.vendor && { vendor: given.vendor.vendor, caseReference: given.vendor.caseReference, contract: given.vendor.contract },
  });
}

/**
 * What a chain does by an instant: at most one level, after steps that found nobody. A hand-off that waits, a hold, or a tier with nobody
 * above keeps it from handing the work on; those whom the step tells are told all the same.
 */
function runChain(
  chain: EscalationChain,
  ticket: ClockedTicket,
  contract: Contract,
  onCall: Readonly<Record<string, Person>>,
  context: DecisionContext,
): readonly Decided<TicketEvents>[] {
  const { commandId, effectiveAt: now } = context;
  const due = nextOf(chain);
  if (due === undefined || due > now || chain.next === undefined) return [];
  const { id, policy } = chain;
  if (chain.acknowledged !== undefined) {
    return [{ ...event('EscalationAcknowledgementLapsed', { chain: id, policy: policy.name }), effectiveAt: due }];
  }
  const place = { chain: id, policy: policy.name, ...chain.next };
  const step = policy.steps[chain.next.step] as EscalationStep;
  const targets = step.targets.flatMap((target) => resolved(target, ticket, onCall));
  const handOn = step.escalateToNextTier
    ? handOnAutomatically(ticket, contract, chain, deterministicId('escalation', commandId, id))
    : undefined;
  if (targets.length === 0 && (handOn === undefined || isRefusal(handOn))) {
    const skipped = event('EscalationStepSkipped', { ...place, because: handOn?.refused ?? 'nobody-to-tell' });
    const facts = { effectiveAt: due, recordedAt: now };
    const [after] = evolveChains(contract, [chain], skipped, facts, ticket.sla ?? null, ticket.revisions);
    // It falls through: the next step is due when this one was, not after its delay.
    const rest = after && { ...after, from: due, policy: { ...policy, steps: policy.steps.map((one) => ({ ...one, after: 0 })) } };
    return [{ ...skipped, effectiveAt: due }, ...(rest ? runChain(rest, ticket, contract, onCall, context) : [])];
  }
  const notHandedOn = isRefusal(handOn) ? handOn.refused : undefined;
  return [
    { ...event('EscalationStepDispatched', present({ ...place, targets, notHandedOn })), effectiveAt: due },
    ...(handOn === undefined || isRefusal(handOn) ? [] : [handOn]),
  ];
}

/** Whom a step tells as things stand now; nobody when there is none. */
function resolved(
  target: EscalationTarget,
  { assignee }: ClockedTicket,
  onCall: Readonly<Record<string, Person>>,
): readonly EscalationTarget[] {
  if (target.kind === 'assignee') return assignee === undefined ? [] : [{ kind: 'person', person: assignee }];
  if (target.kind !== 'on-call') return [target];
  const someone = Object.hasOwn(onCall, target.schedule) ? onCall[target.schedule] : undefined;
  return someone === undefined ? [] : [{ kind: 'person', person: someone }];
}

/** The hand-off that a policy makes of what the ticket holds, with what it lacks. */
function handOnAutomatically(
  ticket: ClockedTicket,
  contract: Contract,
  { id, policy }: EscalationChain,
  escalationId: string,
): Decided<TicketEvents> | Refusal {
  const barred = unlessWorkable(ticket);
  if (barred) return barred;
  const to = nextTier(contract, ticket.tier);
  if (to === undefined) return refuse('tier-not-in-contract', `The contract has no tier above ${ticket.tier}`);
  const handOff = complete(present({ summary: ticket.summary, vendor: to === 'L4' ? ticket.vendorCase : undefined }), ticket);
  if (to === 'L4' && handOff.vendor === undefined) return refuse('no-vendor-case', 'It is not known which vendor would take it');
  const lacks = missingFromHandOff(ticket.tier, to, handOff, contract.handOffs).map(({ field }) => field.replace('handoff.', ''));
  return event(
    'TicketEscalated',
    present({
      escalationId,
      from: ticket.tier,
      fromTeam: ticket.team,
      to,
      reason: `Policy ${policy.name}: nobody saw to it in time`,
      handOff,
      automatic: { policy: policy.name, chain: id, lacks },
    }),
  );
}

/** What its clocks have shown and was not told. After a cancellation or a merge nothing comes, so it is told before them. */
function untoldOf({ sla }: ClockedTicket, { effectiveAt }: DecisionContext): readonly Decided<TicketEvents>[] {
  return sla === undefined ? [] : untoldMoments(sla, effectiveAt).map(toldMoment);
}

function endOfHold({ work }: ClockedTicket): EventOf<TicketEvents>[] {
  return work.status === 'on-hold' ? [event('TicketResumed', { after: work.reason })] : [];
}

function event<Type extends keyof TicketEvents>(type: Type, data: TicketEvents[Type]): EventOf<TicketEvents> {
  return { type, data } as EventOf<TicketEvents>;
}

function person({ id, name }: Person): Person {
  return present({ id, name });
}

function actorAsPerson({ actor }: DecisionContext): Person {
  return person(actor);
}

function filled<Item>(items: readonly Item[]): readonly Item[] | undefined {
  return items.length > 0 ? items : undefined;
}

function isFaults(value: RootCause | readonly Fault[]): value is readonly Fault[] {
  return Array.isArray(value);
}
