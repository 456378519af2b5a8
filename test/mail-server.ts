import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';

/** What a mailbox does with its n-th message. */
export type Treatment = (nth: number) => 'take' | 'hang' | 'close' | { readonly code: number };

/** A mail server, and what came to it. */
export class MailServer {
  readonly treats = new Map<string, Treatment>();
  readonly #got: { readonly to: string; readonly raw: string }[] = [];
  readonly #sockets = new Map<number, Socket>();
  readonly #server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData: (stream, { envelope, remotePort }, done) => {
      let raw = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => (raw += chunk));
      stream.on('end', () => {
        const to = envelope.rcptTo[0]?.address ?? '';
        this.#got.push({ to, raw });
        const treated = this.treats.get(to)?.(this.at(to).length) ?? 'take';
        if (treated === 'take') done();
        else if (treated === 'close') this.#sockets.get(remotePort)?.destroy();
        else if (treated !== 'hang') done(Object.assign(new Error('not today'), { responseCode: treated.code }));
      });
    },
  });

  /** @param port any free one, unless given */
  async start(port = 0): Promise<this> {
    this.#server.server.on('connection', (socket: Socket) => this.#sockets.set(socket.remotePort ?? 0, socket));
    this.#server.on('error', () => {});
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server.server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}?tls=none`;
  }

  /** What came to a mailbox, taken or not. */
  at(to: string): readonly string[] {
    return this.#got.filter((one) => one.to === to).map(({ raw }) => raw);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.values()) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
