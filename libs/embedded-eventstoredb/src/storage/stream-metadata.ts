/** Who may do what with a stream: names of users and groups, or `$all` for any signed-in user. Defaults apply to missing ones. */
export interface StreamAcl {
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly delete?: readonly string[];
  readonly metaRead?: readonly string[];
  readonly metaWrite?: readonly string[];
}

/** The settings of a stream that affect its readers. */
export interface StreamMetadata {
  readonly maxCount?: number;
  /** Seconds. */
  readonly maxAge?: number;
  /** Events with lower revisions are gone for readers; `DELETED` after a soft delete. */
  readonly truncateBefore?: number;
  readonly acl?: StreamAcl;
}

/** `$tb` of a soft-deleted stream: 2^63 - 1, as the nearest double. */
export const DELETED = 2 ** 63;
export const SOFT_DELETE_JSON = '{"$tb":9223372036854775807}';

export const NO_METADATA: StreamMetadata = {};
/** A metadata stream keeps only its last event, whatever its metadata says. */
export const OF_METADATA_STREAM: StreamMetadata = { maxCount: 1 };

export const isMetadataStream = (stream: string): boolean => stream.startsWith('$$');
export const metadataStreamOf = (stream: string): string => `$$${stream}`;

const isInteger = (value: unknown, atLeast: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= atLeast;
const isRoles = (value: unknown): boolean =>
  typeof value === 'string' || (Array.isArray(value) && value.every((role) => typeof role === 'string'));

const KEYS: Readonly<Record<string, (value: unknown) => boolean>> = {
  $maxCount: (value) => isInteger(value, 1),
  $maxAge: (value) => isInteger(value, 1),
  $tb: (value) => isInteger(value, 0),
  $cacheControl: (value) => isInteger(value, 1),
  $acl: (value) => parseAcl(value) !== undefined,
};

/** Parses an access control list in metadata (`$acl`) or in `$settings`; undefined if it is invalid. */
export function parseAcl(value: unknown): StreamAcl | undefined {
  if (!isObject(value) || !Object.values(value).every(isRoles)) return undefined;
  const roles = (key: string): readonly string[] | undefined => (value[key] === undefined ? undefined : ([value[key]].flat() as string[]));
  const [read, write, remove, metaRead, metaWrite] = ['$r', '$w', '$d', '$mr', '$mw'].map(roles);
  return {
    ...(read && { read }),
    ...(write && { write }),
    ...(remove && { delete: remove }),
    ...(metaRead && { metaRead }),
    ...(metaWrite && { metaWrite }),
  };
}

/** Parses metadata as the server does: one invalid key invalidates all of it. */
export function parseStreamMetadata(data: Buffer, json: boolean): StreamMetadata {
  const value = json ? parseObject(data.toString('utf8')) : undefined;
  if (!value) return NO_METADATA;
  for (const [key, valid] of Object.entries(KEYS)) if (value[key] !== undefined && !valid(value[key])) return NO_METADATA;
  return {
    ...(value['$maxCount'] !== undefined && { maxCount: value['$maxCount'] as number }),
    ...(value['$maxAge'] !== undefined && { maxAge: value['$maxAge'] as number }),
    ...(value['$tb'] !== undefined && { truncateBefore: value['$tb'] as number }),
    ...(value['$acl'] !== undefined && { acl: parseAcl(value['$acl']) as StreamAcl }),
  };
}

/**
 * The metadata that restores a soft-deleted stream: its current one, truncated before its next revision. Undefined if it is not a JSON
 * object.
 */
export function revivedMetadata(data: Buffer, nextRevision: number): string | undefined {
  const metadata = parseObject(data.toString('utf8'));
  return metadata && JSON.stringify({ ...metadata, $tb: nextRevision });
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The JSON object in the text; undefined if it is something else. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
