import type { EventStoreDB } from '#eventstoredb';
import type { Mongo } from '#mongo';
import { type Config, ConfigError, type JsonLog, keyIn } from '#platform';
import type { AttachmentKeys, PersonalKeys } from '#privacy';
import { CannotStart, keyUnusable } from './cannot-start.js';
import { type Closable, opening } from './opening.js';

/** Connections to both stores. */
export interface Connections extends Closable {
  readonly store: EventStoreDB;
  readonly mongo: Mongo;
  /** Keys for encrypting personal data. */
  readonly keys: PersonalKeys;
  /** Keys for encrypting attachments. */
  readonly attachments: AttachmentKeys;
}

/**
 * Connects to the configured stores, and checks that both answer.
 * @throws ConfigError if either is not configured; CannotStart if one does not answer
 */
export async function connectStores(
  {
    eventStoreUrl,
    mongodbUrl,
    personalKeyFile,
    personalKeyFileBefore,
  }: Pick<Config, 'eventStoreUrl' | 'mongodbUrl' | 'personalKeyFile' | 'personalKeyFileBefore'>,
  log: JsonLog,
): Promise<Connections> {
  if (eventStoreUrl === undefined || mongodbUrl === undefined) {
    const unset = [
      ...(eventStoreUrl === undefined ? ['TIERLINE_EVENTSTORE_URL'] : []),
      ...(mongodbUrl === undefined ? ['TIERLINE_MONGODB_URL'] : []),
    ];
    throw new ConfigError(unset.map((field) => ({ field, message: 'must be set: only `npm start` has embedded stores' })));
  }
  // Only programs that connect load the clients: the main thread of `npm start` does not.
  const [{ SEAL_STREAM }, { EventStoreDB }, { connectMongo }] = await Promise.all([
    import('#eventsourcing'),
    import('#eventstoredb'),
    import('#mongo'),
  ]);
  return opening(async (onClose) => {
    const onRetry = (what: string, error: unknown) => log.warn({ err: error }, `${what}: trying again`);
    const events = readable('EventStoreDB', 'TIERLINE_EVENTSTORE_URL', () => EventStoreDB.connect(eventStoreUrl, { onRetry }));
    onClose(() => events.close());
    await answers(events).catch(noAnswer('EventStoreDB', 'TIERLINE_EVENTSTORE_URL', eventStoreUrl));
    const mongo = await connectMongo(mongodbUrl).catch(noAnswer('MongoDB', 'TIERLINE_MONGODB_URL', mongodbUrl));
    onClose(() => mongo.close());
    const { AttachmentKeys, forgetErased, MasterKeyFile, PersonalEvents, PersonalKeys } = await import('#privacy');
    if (personalKeyFileBefore !== undefined)
      await keyIn(personalKeyFileBefore).catch((error: Error) => {
        throw keyUnusable('PERSONAL_KEY_FILE_BEFORE', error);
      });
    const keys = await PersonalKeys.wrapped(mongo)
      .then((wrapped) => MasterKeyFile.open(personalKeyFile, personalKeyFileBefore, wrapped))
      .then((master) => PersonalKeys.open(mongo, master))
      .catch((error: Error) => {
        throw new CannotStart(`Personal data cannot be read (${error.message}). Is PERSONAL_KEY_FILE right?`, { cause: error });
      });
    const attachments = await AttachmentKeys.open(mongo, keys);
    // The same connection, for reading personal data.
    const store = EventStoreDB.connect(eventStoreUrl, { onRetry, personal: new PersonalEvents(keys, attachments), landmarks: SEAL_STREAM });
    onClose(() => store.close());
    const closing = new AbortController();
    void forgetErased(store, closing.signal);
    onClose(async () => closing.abort());
    return { store, mongo, keys, attachments };
  });
}

/** Reads one event at most: connecting alone sends nothing. */
async function answers(store: EventStoreDB): Promise<void> {
  for await (const _event of store.readStream('health-check')) return;
}

/** A client's complaint about a connection string quotes it, password and all. */
function readable<Connection>(what: string, variable: string, connect: () => Connection): Connection {
  try {
    return connect();
  } catch {
    throw new CannotStart(`The connection string of ${what} cannot be read. Is ${variable} right?`);
  }
}

/** A message without the parts of a connection string before and after its hosts. */
export function withoutSecrets(message: string, url: string): string {
  const [, userInfo = ''] = /^[^/]*\/\/(.*)@/s.exec(url) ?? [];
  const [user = '', ...password] = userInfo.split(':');
  const options = url.includes('?') ? url.slice(url.indexOf('?') + 1).split('&') : [];
  const parts = [url, userInfo, password.join(':'), ...options.map((option) => option.slice(option.indexOf('=') + 1)), user];
  return parts
    .flatMap((part) => [part, decoded(part)])
    .filter((part) => part.length > 3)
    .reduce((text, part) => text.replaceAll(part, '…'), message);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const noAnswer =
  (what: string, variable: string, url: string) =>
  (error: Error): never => {
    throw new CannotStart(
      `${what} does not answer (${withoutSecrets(error.message, url)}). Is ${variable} right, and is the server running?`,
      { cause: error },
    );
  };
