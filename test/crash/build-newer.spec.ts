import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

describe('what npm start builds', () => {
  const tree = mkdtempSync(join(tmpdir(), 'tierline-tree-'));
  afterAll(() => rmSync(tree, { recursive: true }));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  /** How often it has been built, once `npm start` has looked. */
  const builds = (): number => {
    execFileSync(process.execPath, ['bin/build-newer.js'], { cwd: tree });
    return existsSync(join(tree, 'builds')) ? readFileSync(join(tree, 'builds'), 'utf8').length : 0;
  };
  const touch = (path: string, seconds: number) => utimesSync(join(tree, path), Date.now() / 1000 + seconds, Date.now() / 1000 + seconds);

  it('is what is newer than the last build, which `npm ci` has made', () => {
    mkdirSync(join(tree, 'bin'));
    copyFileSync('bin/build-newer.js', join(tree, 'bin/build-newer.js'));
    const { prebuild, postbuild } = scripts;
    const build = `node -e "fs.appendFileSync('builds', '.')"`;
    write('package.json', JSON.stringify({ type: 'module', scripts: { prebuild, build, postbuild } }));
    const sources = ['apps/api/src/main.ts', 'apps/api/src/main.spec.ts', 'libs/http/src/json/body.ts', 'tsconfig.json'];
    for (const source of [
      ...sources,
      'bin/bundle.js',
      'apps/cli/src/main.ts',
      'apps/cli/mappings/log.yaml',
      'apps/api/log-in/page.js',
      'libs/reports/src/index.ts',
      'libs/reports/templates/report.eta',
    ])
      write(source, '');
    expect(builds()).toBe(1);
    expect(builds()).toBe(1);
    touch('libs/http/src/json/body.ts', 1);
    expect(builds()).toBe(2);
    for (const source of ['libs/http/src/json/body.ts', 'tsconfig.json']) touch(source, -60);
    touch('apps/api/src/main.spec.ts', 60);
    expect(builds()).toBe(2);
    touch('tsconfig.json', 60);
    expect(builds()).toBe(3);
    touch('tsconfig.json', -60);
    touch('apps/cli/mappings/log.yaml', 60);
    expect(builds()).toBe(4);
    touch('apps/cli/mappings/log.yaml', -60);
  });

  it('is everything where the last build failed', () => {
    touch('tsconfig.json', -60);
    write('package.json', JSON.stringify({ type: 'module', scripts: { ...scripts, build: 'exit 1' } }));
    touch('apps/api/src/main.ts', 60);
    expect(builds).toThrow();
    expect(builds).toThrow();
  });
});
