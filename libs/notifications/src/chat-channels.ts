import * as v from 'valibot';
import { ConfigError, configFile } from '#platform';
import type { Networks } from '#webhooks';

const channelSchema = v.strictObject({
  /** Format of its incoming webhook. */
  format: v.picklist(['slack', 'teams']),
  url: v.pipe(
    v.string(),
    v.regex(/^https?:\/\/[^\s@/?#]+(?:[/?][^\s#]*)?$/, 'must be an address such as https://hooks.slack.com/services/…'),
    v.check((url) => URL.canParse(url)),
  ),
  /** The clients whose tickets may be posted there; default: all. */
  clients: v.optional(v.array(v.string())),
});

/** A chat channel with an incoming webhook. Its URL is secret. */
export type ChatChannel = v.InferOutput<typeof channelSchema>;

const channelsSchema = v.record(v.pipe(v.string(), v.nonEmpty()), channelSchema);

/**
 * The chat channels in a file, by name.
 * @param networks where requests may go: a channel at a forbidden address is refused
 * @throws ConfigError that contains no URL
 */
export async function chatChannels(file: string, networks: Networks): Promise<ReadonlyMap<string, ChatChannel>> {
  const { success, output, issues = [] } = v.safeParse(channelsSchema, await configFile('CHAT_CHANNELS_FILE', file));
  const places = new Set(issues.map((issue) => v.getDotPath(issue) ?? 'its beginning'));
  if (!success) throw wrong(`is wrong at ${[...places].join(', ')}`);
  const channels = Object.entries(output);
  const forbidden = channels.filter(([, { url }]) => networks.forbids(new URL(url)) !== undefined).map(([name]) => `${name}.url`);
  if (forbidden.length > 0)
    throw wrong(`names addresses that no request may go to, at ${forbidden.join(', ')}: public ones by TLS, and those in WEBHOOK_NETWORKS`);
  return new Map(channels);
}

function wrong(message: string): ConfigError {
  return new ConfigError([{ field: 'CHAT_CHANNELS_FILE', message }]);
}
