import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRunFile, removeRunFile, writeRunFile } from './run-file.js';

describe('the run file', () => {
  let dataDir = '';
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tierline-run-file-'));
  });
  afterEach(() => rm(dataDir, { recursive: true }));
  const content = {
    pid: 7,
    api: 'http://127.0.0.1:3000',
    eventStoreUrl: 'esdb://127.0.0.1:2113',
    mongodbUrl: 'mongodb://127.0.0.1/tierline',
  };

  it('is read as it was written last, and gone when removed', async () => {
    expect(await readRunFile(dataDir)).toBeUndefined();
    await writeRunFile(dataDir, { ...content, pid: 6 });
    await writeRunFile(dataDir, content);
    expect(await readRunFile(dataDir)).toEqual(content);
    expect(await readdir(dataDir)).toEqual(['tierline.json']);
    expect((await stat(join(dataDir, 'tierline.json'))).mode & 0o777).toBe(0o600);
    await removeRunFile(dataDir);
    await removeRunFile(dataDir);
    expect(await readRunFile(dataDir)).toBeUndefined();
  });

  it('counts as none when it is no JSON', async () => {
    await writeFile(join(dataDir, 'tierline.json'), '{"pid": 7');
    expect(await readRunFile(dataDir)).toBeUndefined();
  });
});
