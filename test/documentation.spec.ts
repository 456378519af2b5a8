import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Aggregate } from '#eventsourcing';
import { httpProblems } from '#http';
import { aggregates, jsonSchemas, projectionGroups, publishedSchemas, ticket, ticketEvents } from '#ticketing';
import { fieldsPage } from './fields-page.js';
import { kpisPage } from './kpis-page.js';
import { ticketProblems } from '../apps/api/src/ticket-problems.js';

const root = new URL('../', import.meta.url);
const page = (path: string) => readFileSync(new URL(path, root), 'utf8');

function sources(folder: string): string[] {
  return readdirSync(new URL(folder, root), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? sources(`${folder}${entry.name}/`)
      : entry.name.endsWith('.ts') && !entry.name.endsWith('.spec.ts')
        ? [page(folder + entry.name)]
        : [],
  );
}

describe('the documentation', () => {
  const commands = page('docs/commands.md');

  it('lists every command with its route', () => {
    const routed = aggregates.flatMap(({ commands }: Aggregate) =>
      Object.entries(commands).flatMap(([name, { route }]) => (route === undefined ? [] : [{ name, route }])),
    );
    expect(routed.length).toBeGreaterThan(100);
    for (const { name, route } of routed) expect(commands).toContain(`| ${name} | \`${route.replace('POST ', '')}\` |`);
  });

  it('lists every type of event, those of tickets as they are declared, and no other', () => {
    const rows = [...page('docs/events.md').matchAll(/^\| (`[A-Z].*?) \| (.+) \|$/gm)];
    const says = new Map(rows.map(([, types = '', text]) => [types, text]));
    for (const [type, event] of Object.entries(ticketEvents)) expect([type, says.get(`\`${type}\``)]).toEqual([type, event.says]);
    const others = aggregates.filter((one) => one !== ticket).flatMap(({ events }) => Object.keys(events));
    const listed = rows.flatMap(([, types = '']) => types.replaceAll('`', '').split(', '));
    expect(listed.sort()).toEqual([...Object.keys(ticketEvents), ...others, 'PolicyReacted', 'AuditorRead'].sort());
  });

  it('lists every code of a problem', () => {
    for (const code of Object.keys({ ...httpProblems, ...ticketProblems })) expect(commands).toContain(`\`${code}\``);
  });

  it('knows every code that the domain refuses with', () => {
    const refusals = ['libs/ticketing/src/', 'libs/ticketing-app/src/', 'libs/eventsourcing/src/']
      .flatMap(sources)
      .flatMap((text) => [...text.matchAll(/\brefuse\(\s*'([^']+)'/g)].map(([, code]) => code));
    expect(refusals.length).toBeGreaterThan(20);
    for (const code of refusals) expect(Object.keys({ ...httpProblems, ...ticketProblems })).toContain(code);
  });

  it('has every field of every schema', () => {
    const fields = fieldsPage();
    if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(new URL('docs/fields.md', root), fields);
    expect(page('docs/fields.md')).toBe(fields);
  });

  it('lists every collection, those with a view for readers by the name of the view', () => {
    const reporting = page('docs/reporting.md');
    for (const { name, alias = name } of projectionGroups.flatMap(({ faces }) => faces)) expect(reporting).toContain(`\n| \`${alias}\` | `);
  });

  it('has every KPI with its formula', () => {
    const kpis = kpisPage();
    if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(new URL('docs/kpis.md', root), kpis);
    expect(page('docs/kpis.md')).toBe(kpis);
  });

  it('lists every term of a contract', () => {
    const { Contract } = jsonSchemas(publishedSchemas, (name) => name);
    const terms = Object.keys(Contract?.properties ?? {});
    expect(terms.length).toBeGreaterThan(16);
    for (const term of terms) expect(page('docs/contracts.md')).toContain(`| \`${term}\` |`);
  });

  it('names every environment variable', () => {
    const source = page('libs/platform/src/config.ts') + page('libs/platform/src/oidc-config.ts');
    const variables = [...source.matchAll(/(?:read|named)\(\s*'([A-Z0-9_]+)'/g)].map(([, name]) => name);
    expect(variables.length).toBeGreaterThan(30);
    for (const variable of variables) expect(page('docs/configuration.md')).toContain(`| \`${variable}\` |`);
  });

  it('names tests that are there for the rules of the domain', () => {
    const proved = [...page('docs/rules.md').matchAll(/^\| .+ \| \[(\S+)\]\(\S+\) \| (.+) \|$/gm)];
    expect(proved.length).toBeGreaterThan(50);
    for (const [, spec = '', test = ''] of proved) {
      // As it stands in the source: as the name of a test, in quotes of either kind.
      const named = [`'${test.replaceAll("'", "\\'")}'`, `"${test}"`].some((name) => page(spec).includes(name));
      expect({ spec, test, named }).toEqual({ spec, test, named: true });
    }
  });

  it('has a row for each sentence that was decided once the product ran', () => {
    const [, decided = ''] = /\n(- .*)\n/s.exec(page('docs/decisions.md')) ?? [];
    const sentences = decided.split('\n').flatMap((topic) => topic.replace(/^- /, '').split(/(?<=\.)\s+(?=[A-Z`(])/));
    expect(sentences.length).toBeGreaterThan(35);
    const rules = page('docs/rules.md');
    for (const sentence of sentences) expect(rules).toContain(`| ${sentence} | [`);
  });

  it('has no links to files that are not there', () => {
    const files = [
      'README.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      ...readdirSync(new URL('docs/', root))
        .filter((file) => file.endsWith('.md'))
        .map((file) => `docs/${file}`),
    ];
    for (const file of files) {
      for (const [, target] of page(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g))
        expect({ file, target, exists: existsSync(new URL(target ?? '', new URL(file, root))) }).toEqual({ file, target, exists: true });
    }
  });
});
