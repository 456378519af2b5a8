import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { httpProblems } from '#platform';
import { ticketProblems } from './ticket-problems.js';

const libs = join(dirname(fileURLToPath(import.meta.url)), '../../../libs');

/** The codes in the sources of a library: first argument of each `refuse(…)`. */
function codesOf(library: string): string[] {
  const folder = join(libs, library, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(/\brefuse\(\s*'([^']+)'/g)].map(([, code = '']) => code));
}

describe('problem codes', () => {
  const codes = new Set([...codesOf('eventsourcing'), ...codesOf('ticketing'), ...codesOf('ticketing-nest')]);

  it('are found in the sources', () => {
    expect(codes.size).toBeGreaterThan(20);
  });

  it.each([...codes])('%s has a status and a title', (code) => {
    expect({ ...httpProblems, ...ticketProblems }).toHaveProperty([code]);
  });

  it.each(Object.keys(ticketProblems).filter((code) => !['queue-not-found', 'attachment-not-found', 'digest-mismatch'].includes(code)))('%s is in use', (code) => {
    expect([...codes]).toContain(code);
  });
});
