import { instantFrom } from '#eventsourcing';
import { type Contract, defaultContract, evolveClocks, type SlaClocks, type TicketEvents, WEEKDAYS } from '#ticketing';

const TICKETS = 10_000;
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

const life: readonly { readonly type: keyof TicketEvents; readonly data: object; readonly after: number }[] = [
  { type: 'TicketOpened', data: { priority: 'high', tier: 'L1' }, after: 0 },
  { type: 'WorkStarted', data: { tier: 'L1', agent: { id: 'ada' } }, after: 7 * MINUTE },
  { type: 'TicketPutOnHold', data: { reason: 'customer', note: 'away' }, after: 40 * MINUTE },
  { type: 'TicketResumed', data: { after: 'customer' }, after: 3 * DAY },
  { type: 'TicketEscalated', data: { from: 'L1', to: 'L2', handOff: {} }, after: 20 * MINUTE },
  { type: 'EscalationAccepted', data: { tier: 'L2', agent: { id: 'bob' } }, after: 55 * MINUTE },
  { type: 'TicketTriaged', data: { priority: 'medium' }, after: 5 * MINUTE },
  { type: 'TicketResolved', data: { tier: 'L2' }, after: DAY },
];

const target = { accept: 30 * MINUTE, work: 240 * MINUTE };
const perPriority = { critical: target, high: target, medium: target, low: target };
const alwaysOpen: Contract = { ...defaultContract, tierTargets: { L1: perPriority, L2: perPriority } };
const officeHours: Contract = {
  ...alwaysOpen,
  calendar: {
    zone: 'Europe/Rome',
    week: Object.fromEntries(
      WEEKDAYS.slice(0, 5).map((weekday) => [
        weekday,
        [
          { from: '08:00', to: '12:30' },
          { from: '13:30', to: '18:00' },
        ],
      ]),
    ),
  },
};

/** Folding the clocks of a ticket's life, in split office hours relative to a calendar that never closes. */
export function benchClocks(): Promise<void> {
  fold(officeHours);
  fold(alwaysOpen);
  const office = fold(officeHours);
  const always = fold(alwaysOpen);
  console.log(
    `clocks     ${Math.round(office.clocks / office.seconds)} clocks folded a second of processor time in office hours (${Math.round((TICKETS * life.length) / office.seconds)} events), ` +
      `${((always.seconds / office.seconds) * 100).toFixed(0)} % of the pace with a calendar that never closes`,
  );
  return Promise.resolve();
}

/** Lives that begin throughout ten years, so that every stretch of the calendar is used. In seconds of processor time: nothing waits. */
function fold(contract: Contract): { clocks: number; seconds: number } {
  let clocks = 0;
  const began = process.cpuUsage();
  for (let index = 0; index < TICKETS; index++) {
    let at = Date.UTC(2016, 0, 1) + ((index * 7919) % 3650) * DAY + (index % 1440) * MINUTE;
    let sla: SlaClocks | null = null;
    for (const { type, data, after } of life) {
      at += after;
      sla = evolveClocks(contract, sla, { type, data, metadata: { effectiveAt: instantFrom(at) } } as never);
    }
    clocks += sla?.clocks.length ?? 0;
  }
  const { user, system } = process.cpuUsage(began);
  return { clocks, seconds: (user + system) / 1_000_000 };
}
