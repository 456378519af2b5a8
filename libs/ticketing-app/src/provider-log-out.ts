import { type EventStore, instantFrom, isRefusal } from '#eventsourcing';
import { credential, credentials, type Key } from '#ticketing';
import { asAuthentication } from './credentials.js';
import { type ReadModels, readByName, scopedSources } from './read-models.js';
import { runCommand } from './run-command.js';

/** A log-out at the identity provider: of one session there, or of all. */
export interface LoggedOutAtProvider {
  readonly subject?: string;
  readonly sid?: string;
  /** Sessions that began later continue, in milliseconds since 1970. */
  readonly at: number;
}

const PAGE = 200;

/** Ends the sessions that someone began through the identity provider. @returns how many; @throws as `runCommand` */
export async function endSessionsOfProvider(
  store: EventStore,
  models: ReadModels,
  { subject, sid, at }: LoggedOutAtProvider,
  correlationId: string,
): Promise<number> {
  const sources = scopedSources({ store, models }, { clients: 'all' });
  const where = {
    form: 'session',
    ...(subject !== undefined && { 'provider.subject': subject }),
    ...(sid !== undefined && { 'provider.sid': sid }),
    issuedAt: { $lte: instantFrom(at) },
    revokedAt: { $exists: false },
  };
  let ended = 0;
  for (let after: string | undefined, more = true; more;) {
    const page: { items: readonly Key[]; more: boolean } = await readByName<Key>(sources, {
      view: credentials.name,
      where,
      limit: PAGE,
      after,
    });
    for (const { key } of page.items) {
      const sent = {
        aggregate: credential,
        id: key,
        name: 'RevokeCredential',
        body: {},
        context: asAuthentication(correlationId),
      } as const;
      if (!isRefusal(await runCommand(store, sent))) ended++;
    }
    after = page.items.at(-1)?.key;
    ({ more } = page);
  }
  return ended;
}
