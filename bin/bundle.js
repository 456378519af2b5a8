// Writes each program as a few files instead of three thousand: most of a start is finding, reading and linking modules, in each thread anew.
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outdir = 'dist/bundled';

/** Names of Nest's that are imported only where somebody has installed them. */
const OPTIONAL = [
  '@fastify/multipart',
  '@fastify/static',
  '@fastify/view',
  '@nestjs/microservices',
  '@nestjs/microservices/*',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  '@nestjs/websockets/*',
  'class-transformer/storage',
];

/** Have native code, threads or files of their own. */
const APART = ['@tierline/*', 'lmdb', 'swagger-ui-dist'];

/**
 * Modules of ours find files by their own place: below `dist/bundled` as below `dist`, whichever file they have become part of. And classes,
 * Nest's too, keep their names, which are read (in the OpenAPI document, in errors, in the log), where another name has to be found for the
 * variable. `keepNames` would do so for each function as well, each time that it is made.
 */
const ourModules = {
  name: 'our modules',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/](dist[\\/](apps|libs)|node_modules[\\/]@nestjs)[\\/].*\.js$/ }, ({ path }) => {
      const place = JSON.stringify(`../../../${relative(join(root, 'dist'), path).replaceAll('\\', '/')}`);
      const contents = readFileSync(path, 'utf8')
        .replaceAll('import.meta.url', `new globalThis.URL(${place}, import.meta.url).href`)
        .replaceAll(
          /^(?:export |let \w+ = (?:\w+ = )?)?class (\w+)[^{]*\{/gm,
          (head, name) => `${head} static { Object.defineProperty(this, 'name', { value: '${name}', configurable: true }); }`,
        );
      return { contents, loader: 'js' };
    });
  },
};

rmSync(join(root, outdir), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: ['api', 'cli', 'standalone', 'worker'].map((app) => `dist/apps/${app}/src/main.js`),
  outbase: 'dist',
  outdir,
  bundle: true,
  // What is imported later stays in files of its own, and what two programs share is written once: as deep as the programs.
  splitting: true,
  chunkNames: 'apps/shared/src/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: [...OPTIONAL, ...APART],
  plugins: [ourModules],
  // What CommonJS modules expect to find.
  banner: {
    js: `import { createRequire as createRequire_ } from 'node:module'; import { dirname as dirname_ } from 'node:path'; import { fileURLToPath as fileURLToPath_ } from 'node:url';
const require = createRequire_(import.meta.url), __filename = fileURLToPath_(import.meta.url), __dirname = dirname_(__filename);`,
  },
  logLevel: 'warning',
});
