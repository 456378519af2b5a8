#!/usr/bin/env node
// `npx tierline`: committed, so that npm can link it before the first build and its executable bit survives every build.
import { existsSync } from 'node:fs';

const program = new URL('../dist/bundled/apps/cli/src/main.js', import.meta.url);
if (existsSync(program)) {
  await import(program.href);
} else {
  console.error('tierline is not built yet. Run `npm ci` (or, in a checkout that has its packages, `npm run build`) first.');
  process.exitCode = 1;
}
