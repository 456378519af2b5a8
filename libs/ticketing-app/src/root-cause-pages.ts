import type { Actor, Instant } from '#eventsourcing';
import { escapeHtml, spelledOut } from '#platform';
import type { ReportedEvent, RootCauseReport } from '#ticketing';

/** A part of a report, before it becomes Markdown or HTML. Its texts are as people wrote them. */
type Block =
  | { readonly heading: string }
  | { readonly paragraph: string }
  | { readonly facts: readonly (readonly [name: string, value: string])[] }
  | { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] }
  | { readonly code: string };

const time = (at: Instant) => `${at.slice(0, 10)} ${at.slice(11, 19)}`;
const who = ({ id, name, kind }: Actor) => `${name ?? id} (${kind})`;

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
] as const;

/** The two largest units of a duration of a minute or more. */
function durationInWords(milliseconds: number): string {
  let rest = milliseconds;
  const parts = UNITS.flatMap(([size, unit]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? [] : [`${count} ${unit}`];
  });
  return parts.slice(0, 2).join(' ');
}

/** A table, or nothing without rows. */
function table(heading: string, columns: readonly string[], rows: readonly (readonly string[])[], none: string): readonly Block[] {
  return [{ heading }, rows.length === 0 ? { paragraph: none } : { columns, rows }];
}

/** Subject → its name on a page: `P1`, `T1`, `T2`. The table of the proof lists the names. */
function namesOf({ proof: { streams } }: RootCauseReport): ReadonlyMap<string, string> {
  const counts: Record<string, number> = {};
  return new Map(
    streams.map(({ stream }) => {
      const letter = stream.startsWith('problem-') ? 'P' : 'T';
      counts[letter] = (counts[letter] ?? 0) + 1;
      return [stream.replace('-', '/'), `${letter}${counts[letter]}`];
    }),
  );
}

const SUBJECT = /(ticket|problem)[/ ]([0-9a-f-]{36})/g;

function blocksOf(report: RootCauseReport): readonly Block[] {
  const { timeline, whys, analyses, changes, prevention, knowledge, proof } = report;
  const names = namesOf(report);
  const named = (text: string) => text.replace(SUBJECT, (whole, kind: string, id: string) => names.get(`${kind}/${id}`) ?? whole);
  const reference = ({ subject, revision }: ReportedEvent) => `${named(subject)}/${revision}`;
  const withEvidence = (evidence: RootCauseReport['whys'][number]['evidence']) =>
    evidence
      .map(({ reference, event }) =>
        event === undefined ? reference : `${named(reference)} (${time(event.happenedAt)}: ${named(event.what)})`,
      )
      .join('\n');
  const count =
    report.ticketsLeftOut === 0 ? `${report.tickets}` : `${report.tickets}, of which the last ${report.ticketsLeftOut} are left out`;
  const texts = (name: string, found: readonly { readonly text: string }[]) => found.map(({ text }) => [name, text] as const);
  return [
    {
      facts: [
        ['Of', report.subject],
        ['Client', report.client],
        ['Status', report.status],
        ['Opened', time(report.openedAt)],
        ...(report.endedAt === undefined ? [] : [['Ended', time(report.endedAt)] as const]),
        ['Tickets', count],
        ...(report.prevented === undefined ? [] : [['Would have been prevented', `${report.prevented} (linked after the first)`] as const]),
        ...texts('Root cause', report.rootCauses),
        ...texts('Workaround', report.workarounds),
      ],
    },
    ...table(
      'What happened',
      ['Happened (UTC)', 'Known', 'What', 'By', 'Event'],
      timeline.map((one) => [
        time(one.happenedAt),
        time(one.knownAt) === time(one.happenedAt) ? '' : time(one.knownAt),
        named(one.what),
        who(one.by),
        reference(one),
      ]),
      'No events recorded.',
    ),
    ...(report.leftOut === 0 ? [] : [{ paragraph: `Events in the histories that are left out here: ${report.leftOut}.` }]),
    ...table(
      'Why it happened',
      ['', 'Why', 'Because', 'Evidence'],
      whys.map(({ why, because, evidence }, index) => [`${index + 1}`, why, because, withEvidence(evidence)]),
      analyses.length === 0 ? 'No analysis is recorded.' : 'See the analyses.',
    ),
    ...analyses.flatMap(({ subject, method, text, evidence }): readonly Block[] => [
      { paragraph: `Analysis of ${named(subject)} (${method}): ${text}` },
      ...(evidence.length === 0 ? [] : [{ paragraph: `It cites:\n${withEvidence(evidence)}` }]),
    ]),
    ...table(
      'What was changed',
      ['When (UTC)', 'Change', 'What', 'Before', 'After', 'By', 'Held'],
      changes.map(({ at, change, description = '', before = '', after = '', by, held }) => [
        time(at),
        change,
        description,
        before,
        after,
        who(by),
        held ? 'yes' : 'no',
      ]),
      'No change is recorded.',
    ),
    ...table(
      'Prevention',
      ['Action', 'What', 'Owner', 'Due (UTC)', 'State', 'Outcome'],
      prevention.map(({ action, description = '', owner, dueAt, state = '', outcome = '', change }) => [
        action,
        description,
        owner.name ?? owner.id,
        dueAt === undefined ? '' : time(dueAt),
        state,
        change === undefined ? outcome : `${outcome} (${change})`,
      ]),
      'No preventive action is planned.',
    ),
    ...table(
      'Who knew what, and when',
      ['Who', 'From (UTC)', 'By their action', 'Events recorded by then'],
      knowledge.people.map(({ who: person, since, act, known }) => [who(person), time(since), named(act.what), `${known}`]),
      'Nobody has acted on it.',
    ),
    ...(knowledge.toldLate.length === 0
      ? [{ paragraph: 'Everything was recorded within a minute of when it happened.' }]
      : [
          { paragraph: 'Known a minute or more after it happened:' },
          {
            columns: ['Known (UTC)', 'Happened', 'Later by', 'What', 'Told by'],
            rows: knowledge.toldLate.map(({ event, after }) => [
              time(event.knownAt),
              time(event.happenedAt),
              durationInWords(after),
              named(event.what),
              who(event.sentBy ?? event.by),
            ]),
          },
        ]),
    { heading: 'Proof' },
    {
      paragraph: `Based solely on the events up to position ${proof.position} of the log: the same events produce the same report. The hash of the last event of each stream seals all earlier ones.`,
    },
    {
      columns: ['Here', 'Stream', 'Last event', 'Hash'],
      rows: proof.streams.map(({ stream, revision, hash = '' }) => [named(stream.replace('-', '/')), stream, `${revision}`, hash]),
    },
    { facts: [['Digest of this report', report.digest]] },
    { paragraph: 'To check it against the sealed log, with this report as JSON in report.json:' },
    { code: proof.verify.join('\n') },
  ];
}

/** A root cause report as Markdown (GFM). */
export function reportAsMarkdown(report: RootCauseReport): string {
  const blocks = blocksOf(report).map((block) => {
    if ('heading' in block) return `## ${block.heading}`;
    if ('paragraph' in block) return asMarkdown(block.paragraph, '  \n');
    if ('facts' in block) return block.facts.map(([name, value]) => `- **${name}:** ${asMarkdown(value, '<br>')}`).join('\n');
    if ('code' in block) return block.code.replace(/^/gm, '    ');
    const row = (cells: readonly string[]) => `| ${cells.map((cell) => asMarkdown(cell, '<br>')).join(' | ')} |`;
    return [row(block.columns), `|${' --- |'.repeat(block.columns.length)}`, ...block.rows.map(row)].join('\n');
  });
  return `${[`# Root cause report: ${asMarkdown(report.title, ' ')}`, ...blocks].join('\n\n')}\n`;
}

/** Text that Markdown shows as it is. Characters that control the display are spelled out. */
function asMarkdown(text: string, lineEnd: string): string {
  return shown(text)
    .replace(/[\\`*_[\]<>|~&]/g, (sign) => `\\${sign}`)
    .replace(/^(\s*)([#+-]|\d+(?=[.)]))/gm, (_, space: string, start: string) =>
      /\d/.test(start) ? `${space}${start}\\` : `${space}\\${start}`,
    )
    .replace(/\n/g, lineEnd);
}

/** A root cause report as a self-contained, printable page. */
export function reportAsHtml(report: RootCauseReport): string {
  const blocks = blocksOf(report).map((block) => {
    if ('heading' in block) return `<h2>${asHtml(block.heading)}</h2>`;
    if ('paragraph' in block) return `<p>${asHtml(block.paragraph)}</p>`;
    if ('facts' in block)
      return `<dl>${block.facts.map(([name, value]) => `<dt>${asHtml(name)}</dt><dd>${asHtml(value)}</dd>`).join('')}</dl>`;
    if ('code' in block) return `<pre>${asHtml(block.code)}</pre>`;
    const row = (cells: readonly string[], tag: 'th' | 'td') =>
      `<tr>${cells.map((cell) => `<${tag} dir="auto">${asHtml(cell)}</${tag}>`).join('')}</tr>`;
    return `<div class="wide"><table><thead>${row(block.columns, 'th')}</thead><tbody>${block.rows.map((cells) => row(cells, 'td')).join('\n')}</tbody></table></div>`;
  });
  const title = asHtml(`Root cause report: ${report.title}`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<h1>${title}</h1>
${blocks.join('\n')}
</body>
</html>
`;
}

function asHtml(text: string): string {
  return escapeHtml(shown(text)).replace(/\n/g, '<br>');
}

/** Characters that could control or disguise the display are spelled out. */
function shown(text: string): string {
  return spelledOut(text.replace(/\r\n?/g, '\n'));
}

/** Style of the page. Pages served with a Content-Security-Policy allow it by its hash. */
export const REPORT_STYLE = `
@page { size: A4 landscape; margin: 14mm }
:root { color-scheme: light }
body { font: 14px/1.45 system-ui, "Segoe UI", Roboto, sans-serif; color: #1b1f24; background: #fff; max-width: 1200px; margin: 2rem auto; padding: 0 1.5rem }
h1 { font-size: 1.6rem; margin: 0 0 1rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid #d0d7de; break-after: avoid }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0 0 1rem }
dt { color: #57606a }
dd { margin: 0; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100%; font-size: 12.5px; font-variant-numeric: tabular-nums }
thead { display: table-header-group }
th, td { text-align: start }
th { font-weight: 600; color: #57606a; background: #f6f8fa; white-space: nowrap }
th, td { padding: .35rem .6rem; border: 1px solid #d8dee4; vertical-align: top; overflow-wrap: anywhere }
td:first-child { white-space: nowrap }
@media screen and (max-width: 48rem) { .wide { overflow-x: auto } .wide table { min-width: 44rem } }
tr { break-inside: avoid }
pre { background: #f6f8fa; padding: .75rem 1rem; overflow: auto; font-size: 12.5px }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 10.5pt } table { font-size: 8.5pt } pre { white-space: pre-wrap } }
`;
