import { hkdfSync, randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

const KEY_BYTES = 32;

/**
 * The secrets of webhooks, as Standard Webhooks writes them (`whsec_…`). They are derived from one key in a file and stored nowhere: neither the log nor
 * a read model knows them.
 */
export class WebhookSecrets {
  #key: Promise<Buffer> | undefined;

  /** @param file the key; made, for its owner only, when the first secret is asked for and it is not there */
  constructor(private readonly file: string) {}

  /** @throws Error when the file cannot be read or made, or holds no key */
  async of(webhook: string, version: number): Promise<string> {
    this.#key ??= keyIn(this.file).catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    const secret = hkdfSync('sha256', await this.#key, webhook, `secret ${version}`, KEY_BYTES);
    return `whsec_${Buffer.from(secret).toString('base64')}`;
  }
}

async function keyIn(file: string): Promise<Buffer> {
  const key = (await readKey(file)) ?? (await makeKey(file));
  if (key.length !== KEY_BYTES) throw new Error(`${file} holds no key of webhooks: ${KEY_BYTES} bytes in hexadecimal`);
  return key;
}

async function readKey(file: string): Promise<Buffer | undefined> {
  try {
    return Buffer.from((await readFile(file, 'utf8')).trim(), 'hex');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** On disk when it returns. */
async function makeKey(file: string): Promise<Buffer> {
  const key = randomBytes(KEY_BYTES);
  await mkdir(dirname(file), { recursive: true });
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(`${key.toString('hex')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Another process was faster: it may still be writing.
    for (let tries = 0; tries < 50; tries++) {
      const theirs = await readKey(file);
      if (theirs?.length === KEY_BYTES) return theirs;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw error;
  }
}
