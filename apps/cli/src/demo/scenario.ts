import { createHash } from 'node:crypto';
import { deterministicId, instantFrom, type Actor, type Instant } from '#eventsourcing';
import type { PublicCommandName, SaveTicketFilter, TicketCommands } from '#ticketing';

/** One command of the demo day: sender, content, ticket and time. */
export interface DemoCommand<Name extends PublicCommandName = PublicCommandName> {
  /** Its story: identifies a ticket across two runs on one day. */
  readonly story: string;
  readonly name: Name;
  /** Its body. @param idOf the ticket of another story, opened before */
  readonly body: (idOf: (story: string) => string) => Omit<TicketCommands[Name], 'effectiveAt'>;
  /** Content to upload as an attachment first. */
  readonly attachment?: string;
  readonly by: Actor;
  readonly at: Instant;
  /** The same for the same story and step of the same day, so that running the demo again changes nothing. */
  readonly idempotencyKey: string;
}

type Body<Name extends PublicCommandName> = ReturnType<DemoCommand<Name>['body']>;

const agent = (id: string, name: string): Actor => ({ id, kind: 'agent', name });

const ada = agent('ada.moreau', 'Ada Moreau');
const ben = agent('ben.okafor', 'Ben Okafor');
const carla = agent('carla.jansen', 'Carla Jansen');
const dmitri = agent('dmitri.petrov', 'Dmitri Petrov');
const emi = agent('emi.tanaka', 'Emi Tanaka');
const farah = agent('farah.aziz', 'Farah Aziz');
const grace = agent('grace.lindqvist', 'Grace Lindqvist');
const henrik = agent('henrik.solheim', 'Henrik Solheim');
const ines = agent('ines.duarte', 'Ines Duarte');
const monitoring: Actor = { id: 'monitoring', kind: 'system', name: 'Monitoring' };

/** The teams behind the tiers. */
const desk = 'service-desk';
const network = 'network-operations';
const servers = 'server-operations';
const workplace = 'workplace-engineering';
const applications = 'application-engineering';
const platform = 'platform-engineering';

const spoolerLog = `08:02:11 FIN-2 job 4711 queued, 3 pages, fonts embedded
08:02:12 FIN-2 job 4711 error 0x00000709: Operation could not be completed
08:02:12 FIN-2 job 4711 back in the queue
08:05:40 FIN-2 job 4712 queued, 1 page
08:05:41 FIN-2 job 4712 error 0x00000709: Operation could not be completed
`;

/** The filter of the ticket list saved by the desk: unassigned tickets, most pressing first. */
export const savedFilter = {
  name: 'unassigned-at-the-desk',
  body: {
    query: { tier: 'L1', status: 'open', assigned: 'false', sort: 'priority' },
    description: 'What nobody at the desk has yet',
  } satisfies SaveTicketFilter,
  by: ines,
};

/** The last day from Monday to Friday before an instant, as `2026-11-20`. */
export function lastWorkingDay(now: Instant): string {
  const day = new Date(now);
  do day.setUTCDate(day.getUTCDate() - 1);
  while (day.getUTCDay() === 0 || day.getUTCDay() === 6);
  return day.toISOString().slice(0, 10);
}

/** A day of a service desk, in the order in which it happened: some 40 tickets of five clients over all tiers. */
export function demoDay(day: string): DemoCommand[] {
  return [...stories(day)].flatMap((story) => story.commands).sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0));
}

/** Collects the commands of one ticket. Times are of the demo day, as `09:30`, in UTC. */
class Story {
  readonly commands: DemoCommand[] = [];

  constructor(
    private readonly day: string,
    private readonly name: string,
  ) {}

  opened(at: string, by: Actor, body: Body<'OpenTicket'>): this {
    return this.step(at, by, 'OpenTicket', body);
  }

  step<Name extends PublicCommandName>(at: string, by: Actor, name: Name, body: Body<Name>): this {
    return this.#add(at, by, name, () => body);
  }

  #add<Name extends PublicCommandName>(at: string, by: Actor, name: Name, body: DemoCommand<Name>['body'], attachment?: string): this {
    const command: DemoCommand<Name> = {
      story: this.name,
      name,
      body,
      ...(attachment === undefined ? {} : { attachment }),
      by,
      at: instantFrom(Date.parse(`${this.day}T${at}:00Z`)),
      idempotencyKey: deterministicId('demo', this.day, this.name, String(this.commands.length)),
    };
    this.commands.push(command as unknown as DemoCommand);
    return this;
  }

  linked(at: string, by: Actor, relation: Body<'LinkTicket'>['relation'], story: string): this {
    return this.#add(at, by, 'LinkTicket', (idOf) => ({ ticketId: idOf(story), relation }));
  }

  merged(at: string, by: Actor, into: string, reason: string): this {
    return this.#add(at, by, 'MergeTicket', (idOf) => ({ into: idOf(into), reason }));
  }

  /** A small file that is uploaded. */
  uploaded(at: string, by: Actor, name: string, kind: 'log', content: string): this {
    const sha256 = createHash('sha256').update(content).digest('hex');
    const evidence = { name, kind, url: `attachment:${sha256}`, mediaType: 'text/plain', sha256, bytes: Buffer.byteLength(content) };
    return this.#add(at, by, 'AttachEvidence', () => evidence, content);
  }

  tried(at: string, by: Actor, action: string, outcome: string): this {
    return this.step(at, by, 'RecordDiagnosticStep', { action, outcome });
  }

  attached(at: string, by: Actor, name: string, kind: 'log' | 'screenshot' | 'diagnostic-data' | 'configuration', bytes: number): this {
    const url = `https://evidence.example.com/${this.day}/${this.name}/${name}`;
    const mediaType = name.endsWith('.png') ? 'image/png' : 'text/plain';
    return this.step(at, by, 'AttachEvidence', { name, kind, url, mediaType, sha256: contentHash(url), bytes });
  }

  /** Up to L2, with everything that the hand-off contract requires; steps and logs on the ticket are included automatically. */
  toL2(at: string, by: Actor, team: string, reason: string, summary: string, errorMessage: string): this {
    return this.step(at, by, 'EscalateToTier', { tier: 'L2', team, reason, handoff: { summary, errorMessages: [errorMessage] } });
  }

  toL3(at: string, by: Actor, team: string, reason: string, handoff: NonNullable<Body<'EscalateToTier'>['handoff']>): this {
    return this.step(at, by, 'EscalateToTier', { tier: 'L3', team, reason, handoff });
  }

  accepted(at: string, by: Actor): this {
    return this.step(at, by, 'AcceptEscalation', {});
  }

  closed(at: string, note = 'Confirmed by the user'): this {
    return this.step(at, ines, 'CloseTicket', { note });
  }
}

/** Most evidence of the demo is stored elsewhere; its hash is derived from its URL, so that it is the same in every run. */
function contentHash(url: string): string {
  return [0, 1].map((part) => deterministicId('demo-evidence', url, String(part)).replaceAll('-', '')).join('');
}

function* stories(day: string): Generator<Story> {
  const story = (name: string): Story => new Story(day, name);
  yield* deskWork(day);
  yield* waitingAtTheDesk(day);
  yield* technicalWork(story);
  yield* expertWork(story);
  yield* exceptions(story);
  yield* conversations(day, story);
}

type DeskCall = readonly [
  name: string,
  at: string,
  client: string,
  who: Actor,
  channel: Body<'OpenTicket'>['channel'],
  reporter: readonly [id: string, name: string],
  summary: string,
  category: string,
  urgency: Body<'OpenTicket'>['urgency'],
  article: string,
  done: string,
];

/** Most of a service desk's day: solved at L1 with a known procedure. */
const deskCalls: readonly DeskCall[] = [
  ['password-1', '07:42', 'northwind', ada, 'phone', ['j.doe', 'Jane Doe'], 'Password expired over the holiday', 'access/password', 'high', 'KB-0003', '07:51'],
  ['vpn-token', '07:55', 'fabrikam', ben, 'phone', ['m.rossi', 'Marta Rossi'], 'VPN asks for a token, new phone', 'access/vpn', 'high', 'KB-0011', '08:14'],
  ['shared-mailbox', '08:05', 'litware', carla, 'email', ['s.klein', 'Sven Klein'], 'Needs the shared mailbox of accounts payable', 'access/mailbox', 'low', 'KB-0020', '08:40'],
  ['headset', '08:18', 'northwind', ada, 'chat', ['l.wong', 'Li Wong'], 'Headset is not heard in meetings', 'hardware/audio', 'medium', 'KB-0031', '08:33'],
  ['printer-driver', '08:31', 'tailspin', ben, 'portal', ['o.berg', 'Olga Berg'], 'Printer on floor 2 prints blank pages', 'hardware/printer', 'medium', 'KB-0107', '09:05'],
  ['locked-account', '08:52', 'adventure-works', carla, 'phone', ['p.nunez', 'Pablo Nunez'], 'Account locked after wrong passwords', 'access/password', 'high', 'KB-0003', '08:59'],
  ['excel-macro', '09:04', 'litware', ada, 'email', ['h.otto', 'Hanna Otto'], 'Macros are blocked in the budget sheet', 'software/office', 'medium', 'KB-0058', '09:41'],
  ['second-screen', '09:17', 'fabrikam', ben, 'walk-in', ['t.ito', 'Takeshi Ito'], 'Second screen stays black at the dock', 'hardware/display', 'low', 'KB-0034', '09:26'],
  ['calendar-rights', '09:33', 'northwind', carla, 'chat', ['e.novak', 'Eva Novak'], "Cannot see the assistant's calendar", 'software/mail', 'low', 'KB-0022', '09:49'],
  ['password-2', '10:12', 'tailspin', ada, 'phone', ['r.singh', 'Ravi Singh'], 'Forgot the password of the HR portal', 'access/password', 'medium', 'KB-0004', '10:19'],
  ['mobile-mail', '10:40', 'adventure-works', ben, 'phone', ['c.dupont', 'Claire Dupont'], 'Mail on the phone asks for a certificate', 'access/mobile', 'medium', 'KB-0041', '11:12'],
  ['browser-cache', '11:08', 'litware', carla, 'chat', ['a.meyer', 'Anke Meyer'], 'Order form shows old prices', 'software/browser', 'medium', 'KB-0060', '11:22'],
  ['meeting-room', '11:25', 'northwind', ada, 'phone', ['b.field', 'Bob Field'], 'Screen of meeting room 4 does not wake', 'hardware/display', 'high', 'KB-0036', '11:44'],
  ['license', '13:02', 'fabrikam', ben, 'portal', ['g.conti', 'Giulia Conti'], 'Needs a licence of the drawing program', 'software/licence', 'low', 'KB-0071', '13:48'],
  ['onboarding', '13:20', 'tailspin', carla, 'portal', ['hr.team', 'HR'], 'Account for a new colleague starting on Monday', 'access/onboarding', 'medium', 'KB-0002', '14:25'],
  ['spam', '14:06', 'adventure-works', ada, 'email', ['n.kaya', 'Nil Kaya'], 'Wanted mail ends up as spam', 'software/mail', 'low', 'KB-0025', '14:21'],
];

function* deskWork(day: string): Generator<Story> {
  for (const [name, at, client, who, channel, [id, reporter], summary, category, urgency, article, done] of deskCalls) {
    const kind = category.startsWith('access/') && urgency === 'low' ? 'service-request' : 'incident';
    const story = new Story(day, name)
      .opened(at, who, { client, kind, summary, reporter: { id, name: reporter }, channel, impact: 'low', urgency, team: desk, category })
      .step(minutesAfter(at, 2), who, 'StartWork', {})
      .step(done, who, 'ResolveTicket', { category, article });
    yield done < '12:00' ? story.closed(minutesAfter(done, 45)) : story;
  }
}

/** Left at the end of the day: not begun, waiting for someone, or opened after self-service articles that did not help. */
function* waitingAtTheDesk(day: string): Generator<Story> {
  const story = (name: string): Story => new Story(day, name);
  yield story('slow-laptop')
    .opened('15:10', ben, { client: 'litware', kind: 'incident', summary: 'Laptop is slow since the last update', reporter: { id: 'k.wolf', name: 'Karl Wolf' }, channel: 'email', impact: 'low', urgency: 'medium', team: desk })
    .step('15:30', ben, 'TriageTicket', { category: 'hardware/laptop' })
    .step('15:32', ines, 'AssignTicket', { assignee: { id: carla.id, name: 'Carla Jansen' } });
  yield story('scan-to-mail')
    .opened('16:02', carla, { client: 'northwind', kind: 'incident', summary: 'Scans do not arrive by mail', reporter: { id: 'j.doe', name: 'Jane Doe' }, channel: 'phone', impact: 'medium', urgency: 'medium', team: desk, service: 'scanning' });
  yield story('badge')
    .opened('16:21', ada, { client: 'tailspin', kind: 'service-request', summary: 'Badge for the archive', reporter: { id: 'r.singh', name: 'Ravi Singh' }, channel: 'portal', impact: 'low', urgency: 'low', team: desk });
  yield story('crm-timeout')
    .opened('16:40', ben, { client: 'fabrikam', kind: 'incident', summary: 'CRM times out when a quote is saved', reporter: { id: 'm.rossi', name: 'Marta Rossi' }, channel: 'chat', impact: 'medium', urgency: 'high', team: desk, service: 'crm' })
    .step('16:45', ben, 'StartWork', {})
    .tried('16:52', ben, 'Saved a quote in a private window', 'Times out too; reading works')
    .linked('16:55', ben, 'relates-to', 'slow-erp-report');
  yield story('new-screen')
    .opened('11:30', carla, { client: 'adventure-works', kind: 'service-request', summary: 'Larger screen for the design office', reporter: { id: 'p.nunez', name: 'Pablo Nunez' }, channel: 'email', impact: 'low', urgency: 'low', team: desk })
    .step('11:45', carla, 'StartWork', {})
    .step('11:50', carla, 'PutOnHold', { reason: 'customer', note: 'Asked for the approval of the cost centre' });
  yield story('desk-phone')
    .opened('12:35', ada, { client: 'litware', kind: 'incident', summary: 'Desk phone loses calls after a minute', reporter: { id: 'h.otto', name: 'Hanna Otto' }, channel: 'walk-in', impact: 'low', urgency: 'high', team: desk, service: 'telephony' })
    .step('12:40', ada, 'StartWork', {})
    .tried('12:48', ada, 'Changed the cable', 'Calls are still lost')
    .step('13:00', ada, 'PutOnHold', { reason: 'onsite-visit', note: 'A technician exchanges the phone tomorrow at nine' });
  yield story('self-service-vpn')
    .opened('15:48', { id: 's.klein', kind: 'requester', name: 'Sven Klein' }, { client: 'litware', kind: 'incident', summary: 'VPN drops in the train', reporter: { id: 's.klein', name: 'Sven Klein' }, channel: 'portal', impact: 'low', urgency: 'low', tier: 'L0', articlesShown: ['KB-0011', 'KB-0012'] });
  yield story('self-service-quota')
    .opened('14:55', { id: 'o.berg', kind: 'requester', name: 'Olga Berg' }, { client: 'tailspin', kind: 'incident', summary: 'Mailbox is full though I deleted mail', reporter: { id: 'o.berg', name: 'Olga Berg' }, channel: 'portal', impact: 'low', urgency: 'medium', tier: 'L0', articlesShown: ['KB-0024'] });
}

/** L2: accepted, returned for lack of evidence, fixed, handed back with a procedure, or still in its queue. */
function* technicalWork(story: (name: string) => Story): Generator<Story> {
  yield story('invoice-printing')
    .opened('08:10', ada, { client: 'northwind', kind: 'incident', summary: 'Cannot print invoices', description: 'Since this morning every invoice stays in the queue of printer FIN-2.', reporter: { id: 'f.lang', name: 'Fay Lang' }, channel: 'phone', impact: 'medium', urgency: 'high', team: desk, service: 'printing', component: 'printer-FIN-2' })
    .step('08:16', ada, 'StartWork', {})
    .tried('08:22', ada, 'Restarted the print spooler', 'Jobs still stay in the queue')
    .uploaded('08:27', ada, 'spooler.log', 'log', spoolerLog)
    .toL2('08:31', ada, workplace, 'Needs access to the print server', 'Invoices stay in the queue of FIN-2; other printers work', '0x00000709: Operation could not be completed')
    .accepted('08:50', farah)
    .tried('09:10', farah, 'Compared the drivers of FIN-1 and FIN-2', 'FIN-2 has 4.1, FIN-1 has 4.2')
    .step('09:35', farah, 'ResolveTicket', { category: 'hardware/printer', cause: 'Driver 4.1 loses jobs with embedded fonts', fix: 'Installed driver 4.2 on the print server' })
    .closed('10:30');
  yield story('invoice-printing-mail')
    .opened('08:14', ben, { client: 'northwind', kind: 'incident', summary: 'Invoices do not print', reporter: { id: 'f.lang', name: 'Fay Lang' }, channel: 'email', impact: 'medium', urgency: 'high', team: desk, service: 'printing' })
    .merged('08:18', ben, 'invoice-printing', 'Fay Lang wrote before she called');
  yield story('wifi-warehouse')
    .opened('08:25', ben, { client: 'adventure-works', kind: 'incident', summary: 'Scanners in the warehouse lose the network', reporter: { id: 'w.lead', name: 'Wim de Boer' }, channel: 'phone', impact: 'high', urgency: 'high', team: desk, service: 'wifi' })
    .step('08:30', ben, 'StartWork', {})
    .tried('08:41', ben, 'Restarted one scanner', 'Works for some minutes, then drops again')
    .step('08:48', ben, 'EscalateToTier', { tier: 'L2', team: network, reason: 'Several scanners at once: not a device', handoff: { summary: 'Scanners drop from the network in aisles 3 to 7', errorMessages: ['none shown; the display says offline'], logs: ['the scanner keeps none'] } })
    .step('09:05', dmitri, 'ReturnEscalation', { reason: 'Which access points? Please add the names and times of two drops' })
    .tried('09:20', ben, 'Noted drops with the foreman', 'AP-W-12 at 09:11 and AP-W-13 at 09:14')
    .attached('09:24', ben, 'controller-export.log', 'log', 48_200)
    .toL2('09:28', ben, network, 'With access points and times', 'Drops on AP-W-12 and AP-W-13 in aisles 3 to 7', 'deauthenticated: reason 4 (inactivity)')
    .accepted('09:34', dmitri)
    .step('10:20', dmitri, 'ResolveTicket', { category: 'network/wifi', cause: 'Inactivity timer of the new controller profile is 30 s', workaround: 'Set it to 600 s for the warehouse' })
    .closed('13:00', 'No drops for two hours');
  yield story('file-share')
    .opened('09:12', carla, { client: 'litware', kind: 'incident', summary: 'Project share is read-only for the whole team', reporter: { id: 'a.meyer', name: 'Anke Meyer' }, channel: 'email', impact: 'medium', urgency: 'high', team: desk, service: 'file-service' })
    .step('09:25', carla, 'StartWork', {})
    .tried('09:31', carla, 'Checked the group of the team', 'All are members')
    .attached('09:33', carla, 'access-denied.log', 'log', 2_048)
    .toL2('09:40', carla, servers, 'Rights on the server are not ours to see', 'Members of PRJ-7 can read and not write', 'Access is denied (5)')
    .accepted('10:05', emi)
    .step('10:50', emi, 'DeescalateToTier', { tier: 'L1', team: desk, reason: 'The desk can do this with the new form', solution: { kind: 'procedure', text: 'Renew the expired share grant in the access form, section C', article: 'KB-0112' } })
    .step('11:00', carla, 'StartWork', {})
    .step('11:10', carla, 'ResolveTicket', { category: 'access/share', article: 'KB-0112' })
    .closed('12:00');
  yield story('backup-alert')
    .opened('07:35', monitoring, { client: 'fabrikam', kind: 'incident', summary: 'Nightly backup of the ERP database failed', reporter: { id: 'monitoring', name: 'Monitoring' }, channel: 'monitoring', impact: 'medium', urgency: 'high', tier: 'L2', entryReason: 'Backups are for L2: the rule of this alert says so', team: servers, service: 'erp', component: 'erp-db-1', category: 'server/backup' })
    .step('08:05', emi, 'StartWork', {})
    .tried('08:20', emi, 'Ran the backup by hand', 'Fails at 92 %: target volume is full')
    .step('08:55', emi, 'ResolveTicket', { cause: 'Retention job had been switched off', fix: 'Switched on; old sets removed; backup repeated' })
    .step('11:40', monitoring, 'ReopenTicket', { reason: 'The 11:30 log backup failed with the same message' })
    .step('11:50', emi, 'StartWork', {})
    .tried('12:10', emi, 'Looked for who switched the retention job off', 'A configuration run does so every four hours')
    .step('12:45', emi, 'ResolveTicket', { cause: 'Configuration run switches the retention job off', fix: 'Corrected the template and ran it' });
  yield story('slow-erp-report')
    .opened('10:22', ada, { client: 'fabrikam', kind: 'incident', summary: 'Month-end report takes an hour', reporter: { id: 'g.conti', name: 'Giulia Conti' }, channel: 'phone', impact: 'medium', urgency: 'medium', team: desk, service: 'erp' })
    .step('10:31', ada, 'StartWork', {})
    .tried('10:44', ada, 'Ran the report for one cost centre', 'Two minutes: it grows with the number of centres')
    .attached('10:46', ada, 'report-run.log', 'log', 9_900)
    .toL2('10:52', ada, servers, 'Needs a look at the database', 'Month-end report takes an hour for all cost centres', 'none; it only takes long')
    .accepted('11:15', emi)
    .step('13:05', emi, 'PutOnHold', { reason: 'planned-change', note: 'The index is built in the change window tonight' });
  yield story('vlan-request')
    .opened('13:40', ben, { client: 'northwind', kind: 'service-request', summary: 'Network outlet for the new label printer', reporter: { id: 'b.field', name: 'Bob Field' }, channel: 'portal', impact: 'low', urgency: 'low', team: desk, service: 'lan' })
    .step('13:50', ben, 'StartWork', {})
    .tried('13:58', ben, 'Looked the outlet up in the plan', 'Outlet 2.17 is free but not patched')
    .attached('14:00', ben, 'outlet-plan.log', 'log', 700)
    .toL2('14:05', ben, network, 'Patching and the VLAN are done by the network team', 'Outlet 2.17, VLAN for printers', 'none');
  yield story('mail-delay')
    .opened('14:20', carla, { client: 'adventure-works', kind: 'incident', summary: 'Mail to customers arrives an hour late', reporter: { id: 'n.kaya', name: 'Nil Kaya' }, channel: 'phone', impact: 'high', urgency: 'medium', team: desk, service: 'mail' })
    .step('14:26', carla, 'StartWork', {})
    .tried('14:35', carla, 'Sent a test mail to an outside address', 'Arrived after 52 minutes')
    .attached('14:38', carla, 'headers.log', 'log', 3_300)
    .toL2('14:42', carla, servers, 'The queue of the gateway has to be looked at', 'Outgoing mail waits an hour at the gateway', '451 4.7.1 greylisted')
    .accepted('15:01', emi)
    .tried('15:30', emi, 'Read the queue of the gateway', 'Our address is on the list of one provider');
}

/** L3 and L4: root causes, a vendor's defect, a recurrence that skips a tier. */
function* expertWork(story: (name: string) => Story): Generator<Story> {
  yield story('quote-rounding')
    .opened('08:02', carla, { client: 'tailspin', kind: 'incident', summary: 'Quotes are off by a cent', reporter: { id: 'r.singh', name: 'Ravi Singh' }, channel: 'email', impact: 'medium', urgency: 'medium', team: desk, service: 'webshop' })
    .step('08:12', carla, 'StartWork', {})
    .tried('08:25', carla, 'Repeated the quote of the customer', 'Total is 0.01 too high with three lines of 33.335')
    .attached('08:28', carla, 'quote.log', 'log', 1_400)
    .toL2('08:33', carla, workplace, 'Not a matter of settings', 'Totals are a cent too high for lines with half cents', 'none shown')
    .accepted('08:58', farah)
    .attached('09:20', farah, 'calculation-trace.txt', 'diagnostic-data', 22_000)
    .toL3('09:30', farah, applications, 'Rounding happens in code', {
      summary: 'Lines are rounded before they are added',
      errorMessages: ['none shown'],
      stepsToReproduce: ['Open the quote editor', 'Add three lines of 33.335', 'Compare the total with 100.00'],
      environment: 'webshop 7.4.1, price engine 2.9, PostgreSQL 16',
    })
    .accepted('10:10', grace)
    .step('12:30', grace, 'ResolveWithRootCause', {
      rootCause: {
        category: 'software-defect',
        analysis: { method: '5-whys', text: 'The total was wrong because lines were rounded; they were rounded because the export needs two digits; the export shared the function of the sum; nobody had a test with half cents.', citedEvents: [2, 7] },
        permanentFix: 'Price engine 2.9.1 rounds the sum only',
        preventiveActions: [{ action: 'Property test: the sum of lines equals the total', owner: 'grace.lindqvist' }],
        changeReference: 'CHG-2291',
        knowledgeArticle: { id: 'KB-0120', action: 'written' },
        lowerTierCanResolve: false,
      },
    })
    .closed('15:30');
  yield story('vpn-gateway-defect')
    .opened('08:40', ada, { client: 'fabrikam', kind: 'incident', summary: 'VPN drops every hour for the Milan office', reporter: { id: 'm.rossi', name: 'Marta Rossi' }, channel: 'phone', impact: 'high', urgency: 'high', team: desk, service: 'vpn', component: 'vpn-gw-2' })
    .step('08:46', ada, 'StartWork', {})
    .tried('08:55', ada, 'Reinstalled the client on one laptop', 'Drops again after an hour')
    .attached('08:58', ada, 'client.log', 'log', 64_000)
    .toL2('09:02', ada, network, 'All users of one gateway', 'Tunnels of vpn-gw-2 end after 3,600 s', 'IKE: rekey failed, no proposal chosen')
    .accepted('09:15', dmitri)
    .tried('09:50', dmitri, 'Compared the proposals of both gateways', 'Equal; gw-2 has the newer firmware')
    .attached('09:55', dmitri, 'gw-2-support-bundle.txt', 'diagnostic-data', 1_240_000)
    .toL3('10:05', dmitri, platform, 'Firmware of the gateway', {
      summary: 'Rekeying fails with firmware 11.2',
      errorMessages: ['IKE: rekey failed, no proposal chosen'],
      stepsToReproduce: ['Connect through vpn-gw-2', 'Wait 3,600 s'],
      environment: 'vpn-gw-2, firmware 11.2.0; vpn-gw-1, firmware 11.1.4',
    })
    .accepted('10:25', henrik)
    .tried('11:10', henrik, 'Read the release notes of 11.2', 'Default of rekeying changed; our setting is ignored')
    .step('11:20', henrik, 'EscalateToTier', { tier: 'L4', team: 'contoso-networks', reason: "Defect in the vendor's firmware", handoff: { summary: 'Firmware 11.2.0 ignores the rekey proposal', vendor: { vendor: 'Contoso Networks', caseReference: 'CN-448120', contract: 'UC-2026-04' } } })
    .accepted('11:45', agent('contoso.support', 'Contoso Networks support'))
    .step('12:00', henrik, 'PutOnHold', { reason: 'vendor', note: 'Contoso builds a corrected firmware; users were moved to vpn-gw-1' });
  yield story('archive-corruption')
    .opened('12:10', ben, { client: 'litware', kind: 'incident', summary: 'Some archived drawings cannot be opened', reporter: { id: 'k.wolf', name: 'Karl Wolf' }, channel: 'portal', impact: 'medium', urgency: 'low', team: desk, service: 'archive' })
    .step('12:20', ben, 'StartWork', {})
    .tried('12:34', ben, 'Opened five drawings of 2019', 'Two cannot be opened')
    .attached('12:36', ben, 'viewer.log', 'log', 8_100)
    .toL2('12:40', ben, servers, 'Files have to be compared with the backup', 'Some drawings of 2019 are damaged', 'Unexpected end of archive')
    .accepted('13:10', emi)
    .attached('13:55', emi, 'checksums.txt', 'diagnostic-data', 310_000)
    .toL3('14:10', emi, platform, 'Damaged on the way into the archive: a fault of the transfer', {
      summary: '212 files differ from their checksums, all from one transfer',
      errorMessages: ['Unexpected end of archive'],
      notReproducibleBecause: 'The transfer ran once, in March 2019; its host is gone',
      environment: 'archive 3.2, object store, transfer tool 0.9',
    });
  yield story('recurring-sync')
    .opened('07:50', carla, { client: 'adventure-works', kind: 'incident', summary: 'Stock levels are not updated in the shop', reporter: { id: 'c.dupont', name: 'Claire Dupont' }, channel: 'phone', impact: 'medium', urgency: 'high', tier: 'L2', entryReason: 'The shop called before: L2 knows the case', team: servers, service: 'stock-sync', category: 'application/sync' })
    .step('08:00', emi, 'StartWork', {})
    .step('08:25', emi, 'ResolveTicket', { cause: 'The sync job hung on a lock', workaround: 'Restarted the job' })
    .step('10:35', carla, 'ReopenTicket', { reason: 'Stock stands still again since ten' })
    .step('10:44', emi, 'StartWork', {})
    .attached('10:58', emi, 'lock-graph.txt', 'diagnostic-data', 14_500)
    .attached('11:00', emi, 'sync.log', 'log', 77_000)
    .tried('11:02', emi, 'Restarted the job', 'Hangs again after 20 minutes')
    .toL3('11:06', emi, applications, 'Restarting no longer helps: needs a permanent fix', {
      summary: 'Sync job and price import lock each other out',
      errorMessages: ['deadlock detected'],
      stepsToReproduce: ['Start the price import', 'Start the sync job within a minute'],
      environment: 'stock-sync 1.8, PostgreSQL 16',
    })
    .accepted('11:20', grace)
    .step('13:15', grace, 'DeescalateToTier', { tier: 'L2', team: servers, reason: 'Settings suffice until the release', solution: { kind: 'solution', text: 'Run the import at 05:00 and the sync at every full hour; the release of next week removes the lock', article: 'KB-0121' } })
    .step('13:25', emi, 'StartWork', {})
    .step('13:50', emi, 'ResolveTicket', { cause: 'Import and sync lock each other out', workaround: 'Schedules no longer overlap', article: 'KB-0121' });
  yield story('report-engine-memory')
    .opened('14:30', monitoring, { client: 'tailspin', kind: 'incident', summary: 'Report engine restarts every 40 minutes', reporter: { id: 'monitoring', name: 'Monitoring' }, channel: 'monitoring', impact: 'medium', urgency: 'medium', tier: 'L3', entryReason: 'Engine faults are for L3: the rule of this alert says so', team: applications, service: 'reporting', component: 'report-engine-1', category: 'application/memory' })
    .step('14:50', grace, 'StartWork', {})
    .attached('15:20', grace, 'heap-summary.txt', 'diagnostic-data', 940_000)
    .tried('15:45', grace, 'Compared two heaps', 'Fonts are loaded again for every report');
}

/** Exceptions: a major incident that skips a tier, a security incident, duplicates and mistakes. */
function* exceptions(story: (name: string) => Story): Generator<Story> {
  yield story('webshop-down')
    .opened('09:58', monitoring, { client: 'northwind', kind: 'incident', summary: 'Webshop answers with errors', reporter: { id: 'monitoring', name: 'Monitoring' }, channel: 'monitoring', impact: 'major', urgency: 'critical', team: desk, service: 'webshop', component: 'shop-lb' })
    .step('10:00', ada, 'StartWork', {})
    .step('10:02', ada, 'TriageTicket', { category: 'application/outage', majorIncident: true })
    .tried('10:03', ada, 'Opened the shop from outside', '503 on every page')
    .attached('10:04', ada, 'probe.log', 'log', 11_000)
    .attached('10:05', ada, 'metrics.txt', 'diagnostic-data', 52_000)
    .toL3('10:06', ada, platform, 'Major incident: the shop is down for all customers', {
      summary: 'All pages answer with 503 since 09:55',
      errorMessages: ['503 Service Unavailable'],
      stepsToReproduce: ['Open the shop'],
      environment: 'shop-lb, webshop 7.4.1, released at 09:50',
    })
    .accepted('10:08', henrik)
    .tried('10:15', henrik, 'Rolled webshop 7.4.1 back on one node', 'The node recovers')
    .step('10:24', ines, 'SendPublicReply', { text: 'The shop is coming back: we take the release of this morning back, node by node. Orders are not lost.' })
    .step('10:32', henrik, 'ResolveWithRootCause', {
      rootCause: {
        category: 'failed-change',
        analysis: { method: 'narrative', text: 'Release 7.4.1 opened a database connection for every request and used up the pool within five minutes. The load test had run with a warm pool only.', citedEvents: [3, 8] },
        permanentFix: 'Rolled back; 7.4.2 uses the pool',
        preventiveActions: [
          { action: 'Load test starts with a cold pool', owner: 'henrik.solheim' },
          { action: 'Roll out to one node first, and wait ten minutes', owner: 'ines.duarte' },
        ],
        changeReference: 'CHG-2288',
        knowledgeArticle: { id: 'KB-0119', action: 'written' },
        lowerTierCanResolve: true,
      },
    })
    .closed('14:00', 'Review held');
  yield story('webshop-down-call')
    .opened('10:04', ben, { client: 'northwind', kind: 'incident', summary: 'Customers call: the shop is down', reporter: { id: 'e.novak', name: 'Eva Novak' }, channel: 'phone', impact: 'high', urgency: 'critical', team: desk, service: 'webshop' })
    .linked('10:17', ben, 'child-of', 'webshop-down');
  yield story('webshop-down-checkout')
    .opened('10:11', carla, { client: 'northwind', kind: 'incident', summary: 'Checkout ends on an error page', reporter: { id: 'b.field', name: 'Bob Field' }, channel: 'email', impact: 'medium', urgency: 'high', team: desk, service: 'webshop' })
    .linked('10:18', carla, 'child-of', 'webshop-down');
  yield story('phishing')
    .opened('13:12', carla, { client: 'adventure-works', kind: 'incident', summary: 'Password given away on a false login page', reporter: { id: 'n.kaya', name: 'Nil Kaya' }, channel: 'phone', impact: 'low', urgency: 'critical', team: desk, service: 'identity' })
    .step('13:14', carla, 'StartWork', {})
    .step('13:15', carla, 'TriageTicket', { category: 'security/phishing', securityIncident: true })
    .tried('13:17', carla, 'Locked the account and ended its sessions', 'No foreign session left')
    .attached('13:19', carla, 'sign-ins.log', 'log', 6_400)
    .attached('13:20', carla, 'mail-source.txt', 'diagnostic-data', 18_000)
    .toL3('13:22', carla, platform, 'Security incident', {
      summary: 'Account locked at 13:16; one foreign sign-in at 13:09',
      errorMessages: ['none'],
      notReproducibleBecause: 'The page was taken down',
      environment: 'identity service, mail gateway',
    })
    .accepted('13:30', henrik)
    .tried('14:20', henrik, 'Searched the mailboxes for the same sender', 'Two more mails, both unread; removed');
  yield story('mistyped')
    .opened('15:05', ben, { client: 'fabrikam', kind: 'service-request', summary: 'test', reporter: { id: 't.ito', name: 'Takeshi Ito' }, channel: 'portal', impact: 'low', urgency: 'low', team: desk })
    .step('15:08', ben, 'CancelTicket', { reason: 'Opened by mistake' });
  yield story('keyboard')
    .opened('12:02', ada, { client: 'northwind', kind: 'incident', summary: 'Keys stick on the reception keyboard', reporter: { id: 'l.wong', name: 'Li Wong' }, channel: 'walk-in', impact: 'low', urgency: 'medium', team: desk, category: 'hardware/keyboard' })
    .step('12:05', ada, 'StartWork', {})
    .step('12:12', ada, 'ResolveTicket', { article: 'KB-0033' })
    .step('15:02', ada, 'ReopenTicket', { reason: 'Two keys still stick' })
    .step('15:06', ada, 'StartWork', {})
    .step('15:12', ada, 'PutOnHold', { reason: 'vendor', note: 'Replacement ordered' });
}

/** A desk's other work: talking, asking and on-site visits. */
function* conversations(day: string, story: (name: string) => Story): Generator<Story> {
  yield story('branch-offline')
    .opened('08:20', ben, { client: 'tailspin', kind: 'incident', summary: 'Nobody in the Milan branch gets online', reporter: { id: 'p.neri', name: 'Paola Neri' }, channel: 'phone', impact: 'major', urgency: 'high', team: desk, service: 'network', component: 'switch-mil-2' })
    .step('08:21', ben, 'ClaimTicket', {})
    .step('08:21', ben, 'StartTouchTime', {})
    .step('08:23', ben, 'DeclareMajorIncident', { reason: 'A whole branch of 60 people is offline' })
    .step('08:24', ben, 'SendPublicReply', { text: 'We see that the whole branch is offline and are on it. Next news by 08:45.' })
    .step('08:25', ben, 'EscalateHierarchically', { to: 'service-delivery-manager', reason: 'Milan opens its counters at 09:00' })
    .step('08:28', ben, 'TriageTicket', { category: 'network/outage' })
    .step('08:30', ben, 'RequestConsultation', { tier: 'L2', team: network, question: 'switch-mil-2 does not answer on its management address either. May we power it off and on?' })
    .step('08:34', emi, 'AnswerConsultation', { answer: 'Yes, its pair carries the server room. If it stays dark take the spare from the cupboard: KB-0064.', article: 'KB-0064' })
    .step('08:36', ben, 'PlanOnsiteVisit', { agent: { id: ada.id, name: 'Ada Moreau' }, location: 'Milan, 2nd floor, wiring cupboard', plannedFor: `${day}T08:50:00Z` })
    .step('08:37', ben, 'PutOnHold', { reason: 'onsite-visit', note: 'Ada is on her way to the cupboard' })
    .step('08:50', ada, 'BeginOnsiteVisit', {})
    .step('09:06', ada, 'CompleteOnsiteVisit', { outcome: 'Power supply dead; spare switch in place, all ports up' })
    .step('09:07', ben, 'SendPublicReply', { text: 'A switch has failed and was replaced: please try again.' })
    .step('09:12', { id: 'p.neri', kind: 'requester', name: 'Paola Neri' }, 'RecordRequesterReply', { text: 'Everybody is online again, thank you!' })
    .step('09:14', ben, 'StandDownMajorIncident', { reason: 'All 60 are online' })
    .step('09:15', ben, 'AddInternalNote', { text: 'The spare is in use: one more has to be ordered.' })
    .step('09:16', ben, 'ResolveTicket', { article: 'KB-0064' })
    .step('10:30', { id: 'p.neri', kind: 'requester', name: 'Paola Neri' }, 'RecordSatisfaction', { score: 5, comment: 'Fast, and we always knew what was going on' })
    .closed('11:00');
  yield story('desk-move')
    .opened('09:40', carla, { client: 'litware', kind: 'service-request', summary: 'Desk moved: the phone on the new one is silent', reporter: { id: 's.klein', name: 'Sven Klein' }, channel: 'chat', impact: 'low', urgency: 'medium', team: desk, category: 'hardware/phone' })
    .step('09:42', carla, 'StartWork', {})
    .step('09:47', carla, 'SplitTicket', { summary: 'Docking station of the new desk has no power supply', category: 'hardware/docking', reason: 'Another part, and another delivery' })
    .step('09:52', carla, 'ResolveTicket', { article: 'KB-0051' })
    .step('09:53', carla, 'RecordTouchTime', { minutes: 10, activity: 'Patched the new phone socket' });
}

function minutesAfter(time: string, minutes: number): string {
  return new Date(Date.parse(`2000-01-01T${time}:00Z`) + minutes * 60_000).toISOString().slice(11, 16);
}
