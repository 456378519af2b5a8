import { hkdfSync, randomBytes } from 'node:crypto';
import { keptSecret } from '#platform';

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
  const text = await keptSecret(file, () => randomBytes(KEY_BYTES).toString('hex'));
  const key = Buffer.from(text.trim(), 'hex');
  if (key.length !== KEY_BYTES) throw new Error(`${file} holds no key of webhooks: ${KEY_BYTES} bytes in hexadecimal`);
  return key;
}
