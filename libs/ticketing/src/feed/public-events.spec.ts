import type { StoredEvent } from '#eventsourcing';
import { publishedEvent } from '../published-event.js';
import { cloudEventType, publicEvent, publicEventType, publicEventTypes } from './public-events.js';

const stored = (stream: string, type: string, data: object): StoredEvent => ({
  id: '00000000-0000-4000-8000-000000000001',
  type,
  data,
  stream,
  revision: 3,
  position: { commit: 355n, prepare: 355n },
  metadata: {
    commandId: 'c',
    commandType: 'x',
    correlationId: 'call-7',
    causationId: 'cause',
    actor: { id: 'ada', kind: 'agent', name: 'Ada' },
    client: 'northwind',
    effectiveAt: '2026-11-20T09:00:00.000Z',
    recordedAt: '2026-11-20T09:05:00.000Z',
    schemaVersion: 1,
  } as StoredEvent['metadata'],
});

describe('the name of an event for other services', () => {
  it.each([
    ['TicketEscalated', 'com.tierline.ticket.escalated.v1'],
    ['SlaBreached', 'com.tierline.sla.breached.v1'],
    ['WorkStarted', 'com.tierline.ticket.work-started.v1'],
    ['ContractAgreed', 'com.tierline.contract.agreed.v1'],
    ['OnCallOverridden', 'com.tierline.oncall.overridden.v1'],
    ['AgentLeft', 'com.tierline.agent.left.v1'],
    ['AlertDeduplicated', 'com.tierline.alert.deduplicated.v1'],
    ['AlertsTruncated', 'com.tierline.alert.truncated.v1'],
    ['AutomationLeaseExpired', 'com.tierline.automation.lease-expired.v1'],
    ['MajorIncidentOpened', 'com.tierline.majorincident.opened.v1'],
    ['TicketJoinedMajorIncident', 'com.tierline.majorincident.ticket-joined.v1'],
    ['IncidentReviewed', 'com.tierline.majorincident.reviewed.v1'],
    ['MajorIncidentDeclared', 'com.tierline.ticket.major-incident-declared.v1'],
    ['TicketLinkedToProblem', 'com.tierline.ticket.linked-to-problem.v1'],
  ] as const)('%s is %s', (type, name) => {
    expect(cloudEventType(type)).toBe(name);
    expect([publicEventType(name), publicEventType(type)]).toEqual([type, type]);
  });

  it('is another one for each type', () => {
    expect(new Set(publicEventTypes.map(cloudEventType)).size).toBe(publicEventTypes.length);
    expect(publicEventType('com.tierline.ticket.nothing.v1')).toBeUndefined();
  });
});

describe('an event as other services read it', () => {
  it('is declared with what of it they read, and with what is personal in it', () => {
    const evolve = (count: number) => count + 1;
    // @ts-expect-error what other services read is not said
    publishedEvent<number, object>({ personal: null, evolve });
    // @ts-expect-error what is personal is not said
    publishedEvent<number, object>({ publicData: 'all', evolve });
    // @ts-expect-error a type that is hidden is said to be public
    publishedEvent<number, object>({ publicData: 'none', personal: null, evolve });
    expect(publishedEvent<number, object, 'none'>({ publicData: 'none', personal: null, evolve })).toMatchObject({ publicData: 'none' });
  });

  it('is a CloudEvent that says what happened to what, when, and who did it', () => {
    expect(publicEvent(stored('ticket-7', 'TicketClosed', { note: 'done' }))).toEqual({
      specversion: '1.0',
      id: '00000000-0000-4000-8000-000000000001',
      source: '/tierline',
      type: 'com.tierline.ticket.closed.v1',
      subject: 'ticket/7',
      time: '2026-11-20T09:00:00.000Z',
      datacontenttype: 'application/json',
      dataschema: 'urn:tierline:schema:com.tierline.ticket.closed.v1',
      recordedtime: '2026-11-20T09:05:00.000Z',
      position: '355/355',
      revision: 3,
      client: 'northwind',
      actorid: 'ada',
      actorkind: 'agent',
      correlationid: 'call-7',
      causationid: 'cause',
      data: { note: 'done' },
    });
  });

  it('keeps inside what is the desk’s or the client’s own', () => {
    const note = publicEvent(stored('ticket-7', 'InternalNoteAdded', { author: { id: 'ada' }, text: 'the password is hunter2' }));
    expect(note?.data).toEqual({ author: { id: 'ada' } });
    const opened = publicEvent(
      stored('ticket-7', 'TicketOpened', { client: 'northwind', contract: { version: 4, terms: {}, tzdata: 'x' } }),
    );
    expect(opened?.data).toEqual({ client: 'northwind', contractVersion: 4 });
    const asked = { task: 'f1', client: 'northwind', ticketId: '7', action: 'reset-password', leaseUntil: '2026-11-20T10:00:00.000Z' };
    expect(publicEvent(stored('automation-f1', 'AutomationAsked', { ...asked, input: { initial: 'hunter2' } }))).toMatchObject({
      type: 'com.tierline.automation.asked.v1',
      subject: 'automation/f1',
      data: asked,
    });
    expect(publicEvent(stored('automation-f1', 'AutomationAsked', { ...asked, input: {} }))?.data).not.toHaveProperty('input');
    const fact = { fingerprint: 'f', status: 'firing', startsAt: '2026-11-20T09:00:00.000Z' };
    const alerted = publicEvent(stored('alert-c1', 'AlertOpened', { fact, ticketId: '7', opening: { description: 'all labels' } }));
    expect(alerted?.data).toEqual({ fact, ticketId: '7' });
  });

  it('is none for what nobody else is told', () => {
    expect(publicEvent(stored('ticket-7', 'ImportedNoteRecorded', { text: 'x' }))).toBeUndefined();
    expect(publicEvent(stored('filter-x', 'TicketFilterSaved', {}))).toBeUndefined();
    expect(publicEvent(stored('alertsource-x', 'AlertSourceDefined', {}))).toBeUndefined();
    expect(publicEvent(stored('ticket-7', 'constructor', {}))).toBeUndefined();
    expect(publicEvent(stored('other-7', 'TicketClosed', {}))).toBeUndefined();
  });
});
