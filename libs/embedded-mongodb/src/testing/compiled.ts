import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

/**
 * The library compiled into a folder of its own, for tests that need it in another process or thread, which do not
 * read TypeScript. Made from the sources at hand, so that no build has to come before the tests.
 */
export const compileLibrary = (name: string): { readonly index: string; remove(): void } => {
  const libs = fileURLToPath(new URL('../../..', import.meta.url));
  const folder = join(libs, '../node_modules/.cache', `embedded-mongodb-${name}-${process.pid}`);
  for (const lib of ['embedded-mongodb', 'directory-lock']) {
    const sources = join(libs, lib, 'src');
    mkdirSync(join(folder, lib), { recursive: true });
    for (const file of readdirSync(sources)) {
      if (!file.endsWith('.ts') || file.endsWith('.spec.ts')) continue;
      const { code } = transformSync(readFileSync(join(sources, file), 'utf8'), {
        filename: file,
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      });
      writeFileSync(join(folder, lib, file.replace(/\.ts$/, '.js')), code);
    }
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "imports": { "#*": "./*/index.js" } }');
  return { index: join(folder, 'embedded-mongodb/index.js'), remove: () => rmSync(folder, { recursive: true }) };
};
