import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { httpProblems } from '#http';
import { ticketProblems } from './ticket-problems.js';

const libs = join(dirname(fileURLToPath(import.meta.url)), '../../../libs');

/** The codes in the sources of a library: first argument of each `refuse(…)`. */
function codesOf(library: string): string[] {
  return sourcesOf(join(libs, library, 'src')).flatMap((text) =>
    [...text.matchAll(/\brefuse\(\s*'([^']+)'/g)].map(([, code = '']) => code),
  );
}

function sourcesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'));
}

describe('problem codes', () => {
  const codes = new Set([...codesOf('eventsourcing'), ...codesOf('ticketing'), ...codesOf('ticketing-app')]);

  it('are found in the sources', () => {
    expect(codes.size).toBeGreaterThan(20);
  });

  it.each([...codes])('%s has a status and a title', (code) => {
    expect({ ...httpProblems, ...ticketProblems }).toHaveProperty([code]);
  });

  // What this interface alone refuses for is not in the libraries.
  const ours = sourcesOf(dirname(fileURLToPath(import.meta.url))).flatMap((text) =>
    [...text.matchAll(/\bnew Problem\(\s*'([^']+)'|ticketProblems\['([^']+)'\]/g)].map(([, one, other]) => one ?? other),
  );

  it.each(Object.keys(ticketProblems))('%s is in use', (code) => {
    expect([...codes, ...ours]).toContain(code);
  });
});
