import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { compilePackages } from '../../../test/compiled-packages.js';
import { DirectoryLocked, lockDirectory } from './index.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'directory-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('is held once in a process, until it is released', async () => {
  const unlock = await lockDirectory(directory);
  const second = lockDirectory(join(directory, '.'));
  await expect(second).rejects.toThrow(DirectoryLocked);
  await expect(second).rejects.toMatchObject({
    code: 'ERR_DIRECTORY_LOCKED',
    pid: process.pid,
    message: expect.stringContaining(directory) as string,
  });
  await unlock();
  await (
    await lockDirectory(directory)
  )();
});

it('does not mistake another process with the same pid for the dead holder', async () => {
  const owner = open<{ pid: number; started: string }, string>({ path: join(directory, 'owner'), encoding: 'json' });
  await owner.put('owner', { pid: process.ppid, started: 'another boot/12345' });
  await owner.close();
  await (
    await lockDirectory(directory)
  )();
});

it('goes to exactly one of several processes, and to the next one when that is killed', async () => {
  const packages = compilePackages();
  const script = `
    import { lockDirectory } from ${JSON.stringify(packages.entry('embedded-host'))};
    lockDirectory(${JSON.stringify(directory)}).then(() => { console.log('held'); setInterval(() => {}, 1000); }, (error) => console.log(error.code, error.pid));`;
  const start = () => spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const first = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const child = start();
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      return { child, said: said.toString().trim() };
    }),
  );
  const holders = first.filter(({ said }) => said === 'held');
  expect(holders).toHaveLength(1);
  const holder = holders[0]?.child;
  for (const { said } of first.filter(({ child }) => child !== holder)) expect(said).toBe(`ERR_DIRECTORY_LOCKED ${holder?.pid}`);
  const gone = once(holder as NonNullable<typeof holder>, 'exit');
  holder?.kill('SIGKILL');
  await gone;
  await (
    await lockDirectory(directory)
  )();
  packages.remove();
});
