import { readdirSync } from 'node:fs';
import { policies } from './desk/policies.js';
import { projectionGroups } from './views/projections.js';

/** What the files of the domain export that looks like one kind of value, with the name it is exported by. */
async function exported(isFile: RegExp, isOne: (value: object) => boolean): Promise<readonly (readonly [string, object])[]> {
  const files = readdirSync(new URL('.', import.meta.url), { recursive: true, encoding: 'utf8' }).filter(
    (file) => isFile.test(file) && file.endsWith('.ts') && !/\.(spec|d)\.ts$|testing\//.test(file),
  );
  const modules = await Promise.all(files.map((file) => import(`./${file}`) as Promise<object>));
  return modules.flatMap((module) =>
    Object.entries(module).filter(
      (entry): entry is [string, object] => typeof entry[1] === 'object' && entry[1] !== null && isOne(entry[1]),
    ),
  );
}

describe('what the worker runs', () => {
  it('is every face of the views', async () => {
    const faces = await exported(/^views\//, (value) => 'indexes' in value && ('document' in value || 'entry' in value));
    const projected = new Set<object>(projectionGroups.flatMap((group) => group.faces));
    expect(faces.filter(([, face]) => !projected.has(face)).map(([name]) => name)).toEqual([]);
    expect(new Set(faces.map(([, face]) => face)).size).toBe(projected.size);
  });

  it('is every policy', async () => {
    const found = await exported(/-policies\.ts$/, (value) => 'react' in value && 'name' in value);
    const run = new Set<object>(policies);
    expect(found.filter(([, policy]) => !run.has(policy)).map(([name]) => name)).toEqual([]);
    expect(new Set(found.map(([, policy]) => policy)).size).toBe(run.size);
  });
});
