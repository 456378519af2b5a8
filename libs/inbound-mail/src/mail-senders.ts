import { isName } from '#eventsourcing';
import { ConfigError, configFile } from '#platform';

/** The client of each sender, by address or domain in lower case, from a JSON file. @throws ConfigError */
export async function mailSenders(file: string): Promise<ReadonlyMap<string, string>> {
  const read = await configFile('MAIL_SENDERS_FILE', file);
  const entries = typeof read === 'object' && read !== null && !Array.isArray(read) ? Object.entries(read) : undefined;
  if (entries !== undefined && entries.every((entry): entry is [string, string] => isName(entry[1], 100)))
    return new Map(entries.map(([sender, client]) => [sender.toLowerCase(), client]));
  throw new ConfigError([{ field: 'MAIL_SENDERS_FILE', message: 'must be an object with the client of each address or domain' }]);
}
