import { jest } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compilePackages } from '../../../test/compiled-packages.js';
import { BackupExists, PortUnavailable, startInThread, type ThreadNode } from './index.js';

interface Adder extends ThreadNode {
  add(a: number, b: number): Promise<number>;
  backup(directory: string): Promise<void>;
  crash(): Promise<void>;
}

const packages = compilePackages();
const folder = mkdtempSync(join(tmpdir(), 'embedded-host-thread-'));
const file = pathToFileURL(join(folder, 'adder.mjs'));
beforeAll(() =>
  writeFileSync(
    file,
    `import { BackupExists, PortUnavailable, serveThread } from ${JSON.stringify(packages.entry('embedded-host'))};
     await serveThread(async ({ port }) => {
       if (port < 0) throw new PortUnavailable('Adder', '127.0.0.1', port, 'it is negative');
       if (port === 0) throw Object.assign(new RangeError('zero'), { code: 'EZERO', cause: { fn: () => 1 } });
       return {
         port,
         add: async (a, b) => a + b,
         backup: async (directory) => { throw new BackupExists(directory); },
         crash: async () => { setTimeout(() => { throw new Error('crashed'); }); await new Promise(() => {}); },
         close: async () => {},
       };
     });`,
  ),
);
afterAll(() => {
  packages.remove();
  rmSync(folder, { recursive: true });
});

const start = (port: number): Promise<Adder> =>
  startInThread<Adder>('adder', file, { port }, ['add', 'backup', 'crash', 'close'], [BackupExists, PortUnavailable]);

it('calls methods in the thread, but not after it has been closed', async () => {
  const node = await start(7);
  expect(node.port).toBe(7);
  expect(await Promise.all([node.add(1, 2), node.add(3, 4)])).toEqual([3, 7]);
  await Promise.all([node.close(), node.close()]);
  await expect(node.add(1, 2)).rejects.toThrow('adder has been closed');
});

it('restores errors with their class', async () => {
  await expect(start(-1)).rejects.toBeInstanceOf(PortUnavailable);
  await expect(start(-1)).rejects.toMatchObject({ code: 'ERR_PORT_UNAVAILABLE', port: -1, reason: 'it is negative' });
  await expect(start(0)).rejects.toMatchObject({ name: 'RangeError', message: 'zero', code: 'EZERO' });
  const node = await start(7);
  await expect(node.backup('/there')).rejects.toBeInstanceOf(BackupExists);
  await expect(node.backup('/there')).rejects.toMatchObject({ directory: '/there' });
  await node.close();
});

it('rejects pending calls when the thread crashes, and reports it', async () => {
  const warnings = jest.spyOn(process, 'emitWarning').mockReturnValue();
  const node = await start(7);
  await expect(node.crash()).rejects.toThrow('crashed');
  expect(warnings).toHaveBeenCalledWith(expect.stringContaining('adder has stopped: Error: crashed'));
  warnings.mockRestore();
  await expect(node.add(1, 2)).rejects.toThrow('crashed');
  await node.close();
});
