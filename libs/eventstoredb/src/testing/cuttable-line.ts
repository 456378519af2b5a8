import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP line to a server that can be cut, or go dead unnoticed. */
export interface CuttableLine {
  readonly port: number;
  /** Ends all connections and accepts no more. */
  cut(): Promise<void>;
  /** Stops forwarding, on old and new connections alike. */
  freeze(): void;
  /** Holds back what arrives on its current connections until it is released: like a slow server. */
  hold(): void;
  release(): void;
  /** As at first. What was swallowed is lost: its connections are closed. */
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** @param delayMs delay of everything on its way to the server */
export async function cuttableLine(targetPort: number, delayMs = 0): Promise<CuttableLine> {
  const sockets = new Set<Socket>();
  let frozen = false;
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      const pass = (data: Buffer) => void (frozen || to.write(data));
      if (from === near && delayMs > 0) from.on('data', (data) => setTimeout(pass, delayMs, data));
      else from.on('data', pass);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  const hangUp = () => {
    for (const socket of sockets) socket.destroy();
  };
  const port = await listen(0);
  const cut = async () => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    hangUp();
    await closed;
  };
  return {
    port,
    cut,
    freeze: () => {
      frozen = true;
    },
    hold: () => {
      for (const socket of sockets) socket.pause();
    },
    release: () => {
      for (const socket of sockets) socket.resume();
    },
    mend: async () => {
      if (frozen) hangUp();
      frozen = false;
      if (!server.listening) await listen(port);
    },
    close: cut,
  };
}
