import { readFileSync } from 'node:fs';
import { Eta } from 'eta';
import { CLOCK_KINDS, PRIORITIES } from '#ticketing';
import { type ClientReport, HAND_OFF_KPIS, HEADLINE_KPIS, type ReportFigure } from '#ticketing-app';
import { courseChart, flowChart } from './charts.js';
import { CADENCES, date, dateAndTime, difference, duration, figure, percent, periodName, promise, spentOn } from './wording.js';

const TEMPLATE = new URL('../templates/report.eta', import.meta.url);

let template: ((content: object) => string) | undefined;

/** A report as a self-contained HTML page, to be read and printed. The same report always gives the same text. */
export function renderReport(report: ClientReport): string {
  if (template === undefined) {
    const eta = new Eta({ autoTrim: [false, 'nl'] });
    const compiled = eta.compile(readFileSync(TEMPLATE, 'utf8'));
    template = (content) => eta.render(compiled, content);
  }
  return template(contentOf(report));
}

/** Names of KPIs that are clearer to a client than their titles. */
const TITLES: Readonly<Record<string, string>> = {
  'ticket-volume': 'Tickets opened',
  backlog: 'Open at the end',
  'escalation-rate': 'Handed up',
  'return-rate': 'Hand-offs returned',
  'response-time': 'Acceptance took',
};

/** Whether higher is better, or lower; KPIs not listed are neutral. */
const BETTER: Readonly<Record<string, 'more' | 'less'>> = {
  'sla-compliance': 'more',
  'first-contact-resolution': 'more',
  csat: 'more',
  backlog: 'less',
  mtta: 'less',
  mttr: 'less',
  'reopen-rate': 'less',
  'return-rate': 'less',
  'ping-pong': 'less',
  'response-time': 'less',
};

/** The texts of the template. */
function contentOf(report: ClientReport): object {
  const { client, zone, every, from, to, since, position, evaluatedAt, figures, resolved, flow, course, breaches, restatements } = report;
  const byId = (ids: readonly string[]) => figures.filter(({ kpi }) => ids.includes(kpi.id));
  const opened = course.reduce((sum, bucket) => sum + bucket.opened, 0);
  const isQuiet = opened === 0 && course.every((bucket) => bucket.resolved === 0 && bucket.backlog === 0);
  return {
    client,
    zone,
    title: CADENCES[every].title,
    before: CADENCES[every].before,
    period: periodName(report),
    isQuiet,
    // Opened, resolved, open: side by side.
    tiles: byId(HEADLINE_KPIS).map(tile).toSpliced(1, 0, countTile('Tickets resolved', resolved)),
    courseChart: courseChart(course),
    courseUnit: every === 'day' ? 'hour' : 'day',
    sla: serviceLevels(report.sla),
    hasFlow: flow.tickets > 0,
    tickets: flow.tickets,
    flowChart: flowChart(flow),
    handOffs: byId(HAND_OFF_KPIS).map(tile),
    pairs: flow.pairs.map((pair) => ({
      from: [pair.from, pair.fromTeam].filter(Boolean).join(' · '),
      to: [pair.to, pair.toTeam].filter(Boolean).join(' · '),
      handOffs: pair.handOffs,
      accepted: pair.accepted,
      returned: pair.returned,
      quality: Math.round(pair.quality),
      wait: pair.acceptedAfter === null ? '–' : duration(pair.acceptedAfter),
    })),
    breaches: breaches.listed.map((breach) => ({
      ticket: shortId(breach.ticketId),
      priority: breach.priority,
      promise: promise(breach),
      at: dateAndTime(zone, breach.breachedAt),
      because: breach.because === undefined ? '–' : spentOn(breach.because.spentOn),
      share: breach.because === undefined ? '' : percent(breach.because.share),
    })),
    broken: breaches.total,
    since: since && date(zone, since),
    restatements: restatements.map((one) => ({
      ticket: shortId(one.ticketId),
      promise: promise(one),
      of: dateAndTime(zone, one.decidedAt),
      was: one.was ?? 'open',
      is: one.verdict,
      at: dateAndTime(zone, one.restatedAt),
    })),
    proof: {
      position,
      evaluatedAt,
      query: new URLSearchParams({ from, to, client, at: position, evaluatedAt }).toString(),
      figures: figures.map(({ kpi, digest, total }) => ({
        id: kpi.id,
        version: kpi.version,
        says: kpi.says,
        value: figure(kpi.unit, total.value),
        digest,
      })),
    },
  };
}

interface Tile {
  readonly title: string;
  readonly value: string;
  readonly detail: string;
  readonly change: string;
  readonly mood: 'better' | 'worse' | 'same';
}

function tile({ kpi: { id, title, unit }, total, before }: ReportFigure): Tile {
  const { value, numerator, denominator, p50 } = total;
  const detail =
    unit === 'milliseconds' && p50 !== undefined && p50 !== null
      ? `median ${duration(p50)}`
      : unit === 'share' && denominator
        ? `${numerator} of ${denominator}`
        : '';
  const change = difference(unit, value, before.value);
  const grew = (value ?? 0) - (before.value ?? 0);
  const better = BETTER[id];
  const mood =
    better === undefined || change === '' || change === 'unchanged' ? 'same' : grew > 0 === (better === 'more') ? 'better' : 'worse';
  return { title: TITLES[id] ?? title, value: figure(unit, value), detail, change, mood };
}

function countTile(title: string, { total, before }: ClientReport['resolved']): Tile {
  return { title, value: figure('tickets', total), detail: '', change: difference('tickets', total, before), mood: 'same' };
}

/** Priorities by kind of promise: how many were due, and how many were kept. */
function serviceLevels(groups: ClientReport['sla']) {
  const clocks = CLOCK_KINDS.filter((clock) => groups.some(({ key }) => key['clock'] === clock));
  const cell = (found: typeof groups) => {
    const [kept, all] = [sum(found, 'numerator'), sum(found, 'denominator')];
    return all === 0 ? null : { share: percent(kept / all), width: Math.round((100 * kept) / all), kept, all };
  };
  const row = (name: string, fits: (group: (typeof groups)[number]) => boolean) => ({
    name,
    cells: clocks.map((clock) => cell(groups.filter((group) => group.key['clock'] === clock && fits(group)))),
    total: cell(groups.filter(fits)),
  });
  const priorities = PRIORITIES.filter((priority) => groups.some(({ key }) => key['priority'] === priority));
  return {
    clocks: clocks.map((kind) => promise({ kind })),
    rows: [
      ...priorities.map((priority) => row(priority, ({ key }) => key['priority'] === priority)),
      ...(priorities.length > 1 ? [row('all', () => true)] : []),
    ],
  };
}

function sum(groups: ClientReport['sla'], field: 'numerator' | 'denominator'): number {
  return groups.reduce((total, group) => total + (group[field] ?? 0), 0);
}

/** Enough of an id to find the ticket. */
function shortId(id: string): string {
  return id.slice(0, 8);
}
