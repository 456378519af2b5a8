import { epochMillis, type Instant } from '#eventsourcing';
import type { Report, SpentOn } from '#ticketing';
import type { ClientReport, ReportFigure } from '#ticketing-app';

type Unit = ReportFigure['kpi']['unit'];

const number = (digits: number) => new Intl.NumberFormat('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const whole = number(0);
const oneDigit = number(1);
const NONE = '–';
/** A non-breaking space, and the minus sign. */
const [GAP, MINUS] = ['\u00a0', '\u2212'];

const MINUTE = 60_000;

/** A duration in its two largest units. */
export function duration(millis: number): string {
  if (millis < MINUTE) return `${whole.format(millis / 1_000)}${GAP}s`;
  const minutes = Math.round(millis / MINUTE);
  const parts = [
    [Math.floor(minutes / 1_440), 'd'],
    [Math.floor(minutes / 60) % 24, 'h'],
    [minutes % 60, 'min'],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  const told = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return told.map(([amount, unit]) => `${amount}${GAP}${unit}`).join(' ');
}

/** The value of a KPI. */
export function figure(unit: Unit, value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  if (unit === 'share') return percent(value);
  if (unit === 'milliseconds') return duration(value);
  return unit === 'cost' ? oneDigit.format(value) : whole.format(value);
}

export function percent(share: number): string {
  return `${(share === 1 ? whole : oneDigit).format(100 * share)}${GAP}%`;
}

/** The difference from the previous value: in percentage points, in per cent of a duration, otherwise absolute. */
export function difference(unit: Unit, now: number | null, before: number | null): string {
  if (now === null || before === null) return '';
  if (unit === 'milliseconds') return before === 0 ? '' : signed(oneDigit, (100 * (now - before)) / before, `${GAP}%`);
  return unit === 'share' ? signed(oneDigit, 100 * (now - before), `${GAP}points`) : signed(whole, now - before, '');
}

function signed(format: Intl.NumberFormat, value: number, unit: string): string {
  const text = format.format(Math.abs(value));
  return /[1-9]/.test(text) ? `${value > 0 ? '+' : MINUS}${text}${unit}` : 'unchanged';
}

/** The period of a report: a month, a week or a day, with its dates. */
export function periodName({ every, zone, from, to }: Pick<ClientReport, 'every' | 'zone' | 'from' | 'to'>): {
  readonly name: string;
  readonly dates: string;
} {
  const [first, last] = [date(zone, from), date(zone, (epochMillis(to) - 1) as number)];
  if (every === 'day')
    return { name: inZone(zone, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })(from), dates: first };
  if (every === 'month') return { name: inZone(zone, { month: 'long', year: 'numeric' })(from), dates: `${first} – ${last}` };
  return { name: `Week of ${first}`, dates: `${first} – ${last}` };
}

export const CADENCES: Readonly<Record<Report['every'], { readonly title: string; readonly before: string }>> = {
  day: { title: 'Daily service report', before: 'the day before' },
  week: { title: 'Weekly service report', before: 'the week before' },
  month: { title: 'Monthly service report', before: 'the month before' },
};

export function date(zone: string, at: Instant | number): string {
  return inZone(zone, { day: 'numeric', month: 'short', year: 'numeric' })(at);
}

export function dateAndTime(zone: string, at: Instant): string {
  return inZone(zone, { day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })(at);
}

function inZone(timeZone: string, options: Intl.DateTimeFormatOptions): (at: Instant | number) => string {
  const format = new Intl.DateTimeFormat('en-GB', { ...options, timeZone });
  return (at) => format.format(typeof at === 'number' ? at : epochMillis(at));
}

const CLOCKS: Readonly<Record<string, string>> = {
  response: 'First response',
  resolution: 'Resolution',
  'tier-accept': 'Acceptance',
  'tier-work': 'Work',
  vendor: 'Vendor',
};

/** A promise: of the whole ticket, of a tier, or of a vendor. */
export function promise({
  kind,
  tier,
  vendor,
}: {
  readonly kind: string;
  readonly tier?: string | undefined;
  readonly vendor?: string | undefined;
}): string {
  const where = tier ?? vendor;
  return `${CLOCKS[kind] ?? kind}${where === undefined ? '' : ` (${where})`}`;
}

/** What the time was spent on. */
export function spentOn(spent: SpentOn): string {
  const at = (tier: string, team: string | undefined) => (team === undefined ? tier : `${tier}, ${team}`);
  switch (spent.what) {
    case 'work':
      return `Work at ${at(spent.tier, spent.team)}`;
    case 'queue':
      return `Waiting to be picked up at ${at(spent.tier, spent.team)}`;
    case 'hand-off':
      return `Hand-off from ${spent.from} waiting at ${at(spent.to, spent.toTeam)}`;
    case 'vendor':
      return spent.vendor === undefined ? 'On hold for the vendor' : `On hold for ${spent.vendor}`;
    case 'customer':
      return 'On hold for the requester';
    case 'planned-change':
      return 'On hold for a planned change';
    case 'onsite-visit':
      return 'On hold for a visit on site';
    case 'resolved':
      return 'Resolved, then reopened';
    case 'closed-hours':
      return 'Outside service hours';
  }
}
