import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from '@swc/core';

const root = resolve(import.meta.dirname, '..');
const PACKAGES = ['embedded-host', 'embedded-eventstoredb', 'embedded-mongodb'] as const;

type PackageName = (typeof PACKAGES)[number];

export interface CompiledPackages {
  /** The URL of a package's entry, to be imported by another process or thread. */
  entry(name: PackageName): string;
  /** The folder of a package's compiled files. */
  folder(name: PackageName): string;
  remove(): void;
}

/**
 * The embedded nodes' packages as JavaScript in a folder of their own, for specs that need them in another process or in a
 * worker thread, which do not read TypeScript. Compiled from the sources at hand: no build has to come before the tests.
 */
export function compilePackages(): CompiledPackages {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'compiled-packages-'));
  const packageFolder = (name: PackageName): string => join(folder, 'node_modules/@tierline', name);
  for (const name of PACKAGES) {
    const sources = join(root, 'libs', name, 'src');
    for (const file of readdirSync(sources, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.endsWith('.spec.ts') || file.startsWith('testing')) continue;
      const { code } = transformSync(readFileSync(join(sources, file), 'utf8'), {
        filename: file,
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      });
      const target = join(packageFolder(name), 'dist', file.replace(/\.ts$/, '.js'));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, code);
    }
    const manifest = { name: `@tierline/${name}`, type: 'module', exports: './dist/index.js' };
    writeFileSync(join(packageFolder(name), 'package.json'), JSON.stringify(manifest));
  }
  return {
    folder: (name) => join(packageFolder(name), 'dist'),
    entry: (name) => pathToFileURL(join(packageFolder(name), 'dist/index.js')).href,
    remove: () => rmSync(folder, { recursive: true }),
  };
}
