import * as v from 'valibot';
import { ConfigError, configFile } from '#platform';

const channelSchema = v.strictObject({
  /** What its incoming webhook understands. */
  format: v.picklist(['slack', 'teams']),
  url: v.pipe(
    v.string(),
    v.regex(/^https?:\/\/[^\s@/?#]+(?:[/?][^\s#]*)?$/, 'must be an address such as https://hooks.slack.com/services/…'),
  ),
  /** The clients whose tickets may be told there; all of them, unless said. */
  clients: v.optional(v.array(v.string())),
});

/** A chat channel that messages are posted to by an incoming webhook. Its address is a secret. */
export type ChatChannel = v.InferOutput<typeof channelSchema>;

const channelsSchema = v.record(v.pipe(v.string(), v.nonEmpty()), channelSchema);

/** The chat channels in a file, by name. @throws ConfigError that names no address */
export async function chatChannels(file: string): Promise<ReadonlyMap<string, ChatChannel>> {
  const { success, output, issues = [] } = v.safeParse(channelsSchema, await configFile('CHAT_CHANNELS_FILE', file));
  if (success) return new Map(Object.entries(output));
  const message = `is wrong at ${issues.map((issue) => v.getDotPath(issue) ?? 'its beginning').join(', ')}`;
  throw new ConfigError([{ field: 'CHAT_CHANNELS_FILE', message }]);
}
