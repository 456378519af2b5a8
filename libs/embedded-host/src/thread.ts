import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';

/** An error passed between threads, which would otherwise lose its class and fields. */
interface PortableError {
  readonly className: string;
  readonly name: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Started = { readonly port: number } | { readonly error: PortableError };
interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}
type Return = { readonly id: number } & ({ readonly result: unknown } | { readonly error: PortableError });

type Method = (...args: never[]) => Promise<unknown>;

/** What a thread can serve: a port, and asynchronous methods with cloneable arguments and results. */
export interface ThreadNode {
  readonly port: number;
  close(): Promise<void>;
}

type MethodName<Node> = { [Key in keyof Node]: Node[Key] extends Method ? Key : never }[keyof Node] & string;

type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * Runs a node in a worker thread.
 *
 * @param name of the thread, for diagnostics
 * @param file the compiled module that calls `serveThread`
 * @param options passed to the node; must be cloneable
 * @param methods the node's methods, including `close`
 * @param errors classes that are restored for errors of the node; any other error arrives as an `Error` with the same name, message and
 * fields
 * @returns the node, once it is listening
 * @throws the errors of the node's start
 */
export async function startInThread<Node extends ThreadNode>(
  name: string,
  file: URL,
  options: unknown,
  methods: readonly MethodName<Node>[],
  errors: readonly ErrorClass[],
): Promise<Node> {
  // Process flags such as --input-type or --eval do not apply to this file.
  const worker = new Worker(file, { workerData: options, name, execArgv: [] });
  const pending = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let ended: Error | undefined;
  let started = false;
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve())).then(() => {
    ended ??= new Error(`${name} has been closed`);
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
  });
  const failed = new Promise<never>((_, reject) => {
    worker.on('error', (error: Error) => {
      ended = error;
      // After the start no one may be waiting for a rejection: the failure must still be visible.
      if (started) process.emitWarning(`${name} has stopped: ${error.stack ?? error.message}`);
      reject(error);
    });
    void exited.then(() => reject(ended as Error));
  });
  failed.catch(() => undefined);
  const [message] = (await Promise.race([once(worker, 'message'), failed])) as [Started];
  if ('error' in message) {
    await exited;
    throw revived(message.error, errors);
  }
  started = true;
  worker.on('message', (returned: Return) => {
    const call = pending.get(returned.id);
    pending.delete(returned.id);
    if ('error' in returned) call?.reject(revived(returned.error, errors));
    else call?.resolve(returned.result);
  });
  let calls = 0;
  const call = (method: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      const id = ++calls;
      pending.set(id, { resolve, reject });
      worker.postMessage({ id, method, args } satisfies Call);
    });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= ended ? exited : call('close', []).then(() => exited));
  const remote = Object.fromEntries(methods.map((method) => [method, (...args: unknown[]) => call(method, args)]));
  return { ...remote, port: message.port, close } as unknown as Node;
}

/** The body of a worker thread: starts a node with the options given to `startInThread`, and serves its methods until it is closed. */
export async function serveThread<Options, Node extends ThreadNode>(start: (options: Options) => Promise<Node>): Promise<void> {
  const port = parentPort;
  if (!port) throw new Error('serveThread must be called in a worker thread');
  let node: Node;
  try {
    node = await start(workerData as Options);
  } catch (error) {
    port.postMessage({ error: portable(error) } satisfies Started);
    port.close();
    return;
  }
  const methods = node as unknown as Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;
  const serve = async ({ id, method, args }: Call): Promise<void> => {
    try {
      const result = await methods[method]?.(...args);
      port.postMessage({ id, result } satisfies Return);
    } catch (error) {
      port.postMessage({ id, error: portable(error) } satisfies Return);
    }
    if (method === 'close') port.close();
  };
  port.on('message', (call: Call) => void serve(call));
  port.postMessage({ port: node.port } satisfies Started);
}

function portable(thrown: unknown): PortableError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, ...fields } = error;
  return { className: error.constructor.name, name, message, fields: cloneable(fields) };
}

/** The cause of an error and other objects may contain values that cannot be cloned; they are dropped. */
function cloneable(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value === null || !['object', 'function', 'symbol'].includes(typeof value)),
  );
}

function revived({ className, name, message, fields }: PortableError, classes: readonly ErrorClass[]): Error {
  const error = new Error(message);
  const known = classes.find((candidate) => candidate.name === className);
  if (known) Object.setPrototypeOf(error, known.prototype as object);
  return Object.assign(error, { name }, fields);
}
