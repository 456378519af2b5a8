// Builds where a source is newer than the last build. `npm start` does so first; on a built tree it takes no time.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** When a file was last changed; undefined where there is none. */
const changedAt = (path) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs;

/** Folders that are copied as they are. */
const COPIED = ['apps/api/log-in', 'apps/cli/mappings', 'libs/reports/templates'];

/** Everything that the build reads. */
function sources() {
  const folders = ['apps', 'libs'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(parent, name)),
  );
  return [
    ...['bin/bundle.js', 'package-lock.json', 'nest-cli.json', 'tsconfig.json', 'tsconfig.build.json'],
    ...COPIED.flatMap((folder) => readdirSync(join(root, folder)).map((file) => join(folder, file))),
    ...folders.flatMap((folder) => [
      join(folder, 'tsconfig.build.json'),
      ...readdirSync(join(root, folder, 'src'), { recursive: true })
        .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
        .map((file) => join(folder, 'src', file)),
    ]),
  ];
}

// `npm run build` leaves this file behind, with the time at which it began.
const builtAt = changedAt('dist/.built') ?? -Infinity;
if (sources().some((path) => changedAt(path) > builtAt)) {
  const { status } = spawnSync('npm', ['run', 'build', '--silent'], {
    cwd: root,
    // Standard output belongs to what is started; the compiler's complaints are no part of it.
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}
