import { parseVerifierKey } from '#audit';
import type { S3Bucket } from '#blobs';
import type { Fault } from '#eventsourcing';
import { type HttpConfig, readHttp } from './http-config.js';
import { type NotificationConfig, readNotifications } from './notification-config.js';
import { type LogInConfig, readLogIn } from './log-in-config.js';
import { type OidcConfig, readOidc } from './oidc-config.js';
import { listOf, network, path, port, PORT_RULE, type Read, requireBoth, webAddress, word } from './values.js';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The configuration. Each field is one environment variable; see `loadConfig` for names and defaults. */
export interface Config extends HttpConfig {
  /** The key for signing cursors; created if missing. */
  readonly cursorKeyFile: string;
  /** Where the embedded stores keep their data. */
  readonly dataDir: string;
  /** Where attachments are stored, unless in a bucket. */
  readonly attachmentsDir: string;
  /** Parent of the folders that reports are delivered to. */
  readonly reportsDir: string;
  /** The bucket for attachments. */
  readonly s3?: S3Bucket;
  /** Connection string of EventStoreDB; without one an embedded node is started. */
  readonly eventStoreUrl?: string;
  /** Connection string of MongoDB; without one an embedded node is started. */
  readonly mongodbUrl?: string;
  readonly embeddedEventStoreDBPort: number;
  readonly embeddedMongoDBPort: number;
  /** Number of partitions, and so of possible workers, when views and policies are created: a power of two. */
  readonly partitions: number;
  /** How the log is sealed. */
  readonly sealing: SealingConfig;
  /** The identity provider for people and programs, in addition to this product's own keys and links. */
  readonly oidc?: OidcConfig;
  /** The master key of personal data; created if missing. */
  readonly personalKeyFile: string;
  /** The previous master key, until `tierline keys rewrap` is done. */
  readonly personalKeyFileBefore?: string;
  readonly webhooks: WebhookConfig;
  readonly logIn: LogInConfig;
  readonly notifications: NotificationConfig;
  readonly logLevel: LogLevel;
}

export interface WebhookConfig {
  /** Key for deriving the secrets of webhooks; created if missing. */
  readonly keyFile: string;
  /** Private networks that events may be sent to, in CIDR notation. */
  readonly networks: readonly string[];
}

export interface SealingConfig {
  /** Minutes between two tree heads while the log grows; 0: only on demand. */
  readonly everyMinutes: number;
  /** The signing key; created if missing. */
  readonly keyFile: string;
  /** The file that tree heads are appended to. */
  readonly headsFile: string;
  /** A folder in a git repository, where each tree head becomes a commit. */
  readonly headsGit?: string;
  /** Co-signer of tree heads: its URL, and its public key as in signed notes. */
  readonly witness?: { readonly url: string; readonly key: string };
}

/** The environment is invalid. The message names every fault, one per line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly faults: readonly Fault[]) {
    super(`The configuration is wrong:\n${faults.map(({ field, message }) => `  ${field} ${message}`).join('\n')}`);
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The configuration of the process, read once at boot. A variable that is empty counts as unset. The default ports of the embedded
 * stores lie off the ones of the real servers (2113 and 27017), so that both can run on one machine.
 *
 * | variable | default |
 * |---|---|
 * | `HOST` | `127.0.0.1` |
 * | `PORT` | `3000` |
 * | `ALLOWED_ORIGINS` | none |
 * | `TRUST_PROXY` | no proxy |
 * | `TLS_CERT_FILE`, `TLS_KEY_FILE` | no TLS |
 * | `HEADERS_TIMEOUT` | `10` seconds |
 * | `REQUEST_TIMEOUT` | `60` |
 * | `KEEP_ALIVE_TIMEOUT` | `72` |
 * | `RATE_LIMIT` | `6000` requests a minute |
 * | `RATE_LIMIT_SERVICES` | `300000` |
 * | `RATE_LIMIT_ADDRESSES` | `3000` |
 * | `FAILED_LOG_INS` | `100` |
 * | `RATE_LIMITS_SHARED` | `false` |
 * | `CURSOR_KEY_FILE` | `cursor-key` in `DATA_DIR` |
 * | `DATA_DIR` | `./data` |
 * | `ATTACHMENTS_DIR` | `attachments` in `DATA_DIR` |
 * | `REPORTS_DIR` | `reports` in `DATA_DIR` |
 * | `S3_BUCKET` | attachments are kept in `ATTACHMENTS_DIR` |
 * | `S3_URL` | Amazon's |
 * | `S3_REGION` | `us-east-1` |
 * | `S3_ACCESS_KEY_ID`, `S3_SECRET_ACCESS_KEY` | what Amazon's client finds |
 * | `TIERLINE_EVENTSTORE_URL`, or `EVENTSTORE_URL` | embedded node |
 * | `TIERLINE_MONGODB_URL`, or `MONGODB_URL` | embedded node |
 * | `EMBEDDED_EVENTSTOREDB_PORT` | `12113` |
 * | `EMBEDDED_MONGODB_PORT` | `17017` |
 * | `PARTITIONS` | `1` |
 * | `SEAL_EVERY_MINUTES` | `60` |
 * | `SEALING_KEY_FILE` | `sealing-key` in `DATA_DIR` |
 * | `TREE_HEADS_FILE` | `tree-heads.ndjson` in `DATA_DIR` |
 * | `TREE_HEADS_GIT` | no repository |
 * | `WITNESS_URL`, `WITNESS_KEY` | no witness |
 * | `OIDC_…` | no identity provider: see `readOidc` |
 * | `PERSONAL_KEY_FILE` | `personal-key` in `DATA_DIR` |
 * | `PERSONAL_KEY_FILE_BEFORE` | – |
 * | `LOG_IN_KEY_FILE` | `log-in-key` in `DATA_DIR` |
 * | `SECOND_FACTOR_ROLES` | none |
 * | `PASSKEY_ORIGINS` | `http://localhost:` and the port; with a certificate `https://` |
 * | `PASSKEY_RP_ID` | the host of the first of them |
 * | `WEBHOOK_KEY_FILE` | `webhook-key` in `DATA_DIR` |
 * | `WEBHOOK_NETWORKS` | none but public addresses |
 * | `SMTP_URL`, `MAIL_FROM` | no e-mail |
 * | `CHAT_CHANNELS_FILE` | no chat channels |
 * | `MAILBOX_URL`, `MAIL_SENDERS_FILE` | no mailbox is polled |
 * | `LOG_LEVEL` | `info` |
 *
 * @throws ConfigError that names every fault, not just the first
 */
export function loadConfig(env: Environment): Config {
  const faults: Fault[] = [];
  const read: Read = (name, fallback, parse, rule) => {
    const text = env[name]?.trim();
    if (text === undefined || text === '') return fallback;
    const value = parse(text);
    // Secrets appear nowhere, not even in a fault; a connection string, or an attempt at one, may contain a password anywhere.
    if (value === undefined)
      faults.push({ field: name, message: /_(KEY(?!_FILE)|SECRET|URL)/.test(name) ? rule : `${rule}, not ${JSON.stringify(text)}` });
    return value ?? fallback;
  };

  const bucket = read('S3_BUCKET', undefined, bucketName, 'must be the name of a bucket');
  const endpoint = read('S3_URL', undefined, webAddress, 'must be an address such as http://localhost:9000');
  const region = read('S3_REGION', 'us-east-1', word, 'must be a region such as eu-central-1');
  const accessKeyId = read('S3_ACCESS_KEY_ID', undefined, word, 'must be a key, without spaces');
  const secretAccessKey = read('S3_SECRET_ACCESS_KEY', undefined, word, 'must be a key, without spaces');
  const s3Set = Object.entries({ S3_URL: endpoint, S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey }).filter(
    ([, value]) => value !== undefined,
  );
  const isUnset = (name: string) => (env[name]?.trim() ?? '') === '';
  if (isUnset('S3_BUCKET') && s3Set.length > 0)
    faults.push({ field: 'S3_BUCKET', message: `is required where there is ${s3Set.map(([name]) => name).join(', ')}` });
  requireBoth('S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY', isUnset, faults);

  // A genuine EventStoreDB takes every variable with the prefix EVENTSTORE_ for an option, and does not start with an unknown one.
  const named = (name: string, former: string) => (isUnset(name) && !isUnset(former) ? former : name);
  const eventStoreUrl = read(
    named('TIERLINE_EVENTSTORE_URL', 'EVENTSTORE_URL'),
    undefined,
    urlOf(['esdb:', 'esdb+discover:']),
    'must be a connection string such as esdb://localhost:2113?tls=false',
  );
  const mongodbUrl = read(
    named('TIERLINE_MONGODB_URL', 'MONGODB_URL'),
    undefined,
    urlOf(['mongodb:', 'mongodb+srv:']),
    'must be a connection string such as mongodb://localhost:27017/tierline',
  );
  const dataDir = read('DATA_DIR', './data', path, 'must be a path');
  const headsGit = read('TREE_HEADS_GIT', undefined, path, 'must be a path');
  const personalKeyFileBefore = read('PERSONAL_KEY_FILE_BEFORE', undefined, path, 'must be a path');
  const witnessUrl = read('WITNESS_URL', undefined, webAddress, 'must be an address such as https://witness.example');
  const witnessKey = read('WITNESS_KEY', undefined, verifierKey, 'must be a public key such as witness.example+0a1b2c3d+AQID…');
  requireBoth('WITNESS_URL', 'WITNESS_KEY', isUnset, faults);
  const oidc = readOidc(read, isUnset, faults);
  const http = readHttp(read, isUnset, faults);
  const config: Config = {
    ...http,
    cursorKeyFile: read('CURSOR_KEY_FILE', `${dataDir}/cursor-key`, path, 'must be a path'),
    dataDir,
    attachmentsDir: read('ATTACHMENTS_DIR', `${dataDir}/attachments`, path, 'must be a path'),
    reportsDir: read('REPORTS_DIR', `${dataDir}/reports`, path, 'must be a path'),
    ...(bucket === undefined
      ? {}
      : {
          s3: {
            bucket,
            region,
            ...(endpoint === undefined ? {} : { endpoint }),
            ...(accessKeyId === undefined || secretAccessKey === undefined ? {} : { credentials: { accessKeyId, secretAccessKey } }),
          },
        }),
    ...(eventStoreUrl === undefined ? {} : { eventStoreUrl }),
    ...(mongodbUrl === undefined ? {} : { mongodbUrl }),
    embeddedEventStoreDBPort: read('EMBEDDED_EVENTSTOREDB_PORT', 12113, port, PORT_RULE),
    embeddedMongoDBPort: read('EMBEDDED_MONGODB_PORT', 17017, port, PORT_RULE),
    partitions: read('PARTITIONS', 1, powerOfTwo, 'must be a power of two from 1 to 64'),
    sealing: {
      everyMinutes: read('SEAL_EVERY_MINUTES', 60, minutes, 'must be a number of minutes up to a week, or 0'),
      keyFile: read('SEALING_KEY_FILE', `${dataDir}/sealing-key`, path, 'must be a path'),
      headsFile: read('TREE_HEADS_FILE', `${dataDir}/tree-heads.ndjson`, path, 'must be a path'),
      ...(headsGit === undefined ? {} : { headsGit }),
      ...(witnessUrl === undefined || witnessKey === undefined ? {} : { witness: { url: witnessUrl, key: witnessKey } }),
    },
    ...(oidc === undefined ? {} : { oidc }),
    personalKeyFile: read('PERSONAL_KEY_FILE', `${dataDir}/personal-key`, path, 'must be a path'),
    ...(personalKeyFileBefore === undefined ? {} : { personalKeyFileBefore }),
    logIn: readLogIn(read, faults, dataDir, `${http.tls === undefined ? 'http' : 'https'}://localhost:${http.port}`),
    webhooks: {
      keyFile: read('WEBHOOK_KEY_FILE', `${dataDir}/webhook-key`, path, 'must be a path'),
      networks: read('WEBHOOK_NETWORKS', [], (text) => listOf(text, network), 'must be networks such as 10.0.0.0/8,fd00::/8'),
    },
    notifications: readNotifications(read, isUnset, faults),
    logLevel: read('LOG_LEVEL', 'info', (text) => LOG_LEVELS.find((level) => level === text), `must be one of ${LOG_LEVELS.join(', ')}`),
  };
  const ports = new Map<number, string>();
  const used: readonly (readonly [string, number, boolean])[] = [
    ['PORT', config.port, true],
    ['EMBEDDED_EVENTSTOREDB_PORT', config.embeddedEventStoreDBPort, config.eventStoreUrl === undefined],
    ['EMBEDDED_MONGODB_PORT', config.embeddedMongoDBPort, config.mongodbUrl === undefined],
  ];
  for (const [name, number, inUse] of used) {
    if (number === 0 || !inUse) continue;
    const other = ports.get(number);
    if (other !== undefined) faults.push({ field: name, message: `must differ from ${other}: both are ${number}` });
    ports.set(number, name);
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}

function bucketName(text: string): string | undefined {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) ? text : undefined;
}

function powerOfTwo(text: string): number | undefined {
  return /^\d{1,2}$/.test(text) && [1, 2, 4, 8, 16, 32, 64].includes(Number(text)) ? Number(text) : undefined;
}

function minutes(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 10_080 ? Number(text) : undefined;
}

function verifierKey(text: string): string | undefined {
  return parseVerifierKey(text) === undefined ? undefined : text;
}

/** MongoDB's URLs may name several hosts, which `URL` cannot parse, so only the common parts are checked. */
function urlOf(schemes: readonly string[]) {
  return (text: string): string | undefined =>
    schemes.some((scheme) => text.startsWith(`${scheme}//`) && /^\/\/[^\s/?]+\S*$/.test(text.slice(scheme.length))) ? text : undefined;
}
