import { DerivedSecrets } from '#platform';

/** The secrets of webhooks, in the format of Standard Webhooks (`whsec_…`). */
export class WebhookSecrets {
  readonly #secrets: DerivedSecrets;

  /** @param file the key that they are derived from */
  constructor(file: string) {
    this.#secrets = new DerivedSecrets(file);
  }

  /** @throws Error if the file cannot be read or created, or contains no key */
  async of(webhook: string, version: number): Promise<string> {
    return `whsec_${(await this.#secrets.of(webhook, `secret ${version}`, 32)).toString('base64')}`;
  }
}
