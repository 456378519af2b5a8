/** Who may do what with a stream: names of users and groups, or `$all` for anyone who has signed in. What is left out the defaults decide. */
export interface StreamAcl {
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly delete?: readonly string[];
  readonly metaRead?: readonly string[];
  readonly metaWrite?: readonly string[];
}

/** The settings of a stream that change what its readers see. */
export interface StreamMetadata {
  readonly maxCount?: number;
  /** Seconds. */
  readonly maxAge?: number;
  /** Revisions below are gone for readers; `DELETED` after a soft delete. */
  readonly truncateBefore?: number;
  readonly acl?: StreamAcl;
}

/** `$tb` of a soft-deleted stream: 2^63 - 1, as near as a double comes. */
export const DELETED = 2 ** 63;
export const SOFT_DELETE_JSON = '{"$tb":9223372036854775807}';

export const NO_METADATA: StreamMetadata = {};
/** A metadata stream keeps its last event only, whatever is written about it. */
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

/** Reads an access control list as it stands in metadata (`$acl`) and in `$settings`; undefined when it is none. */
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

/** Reads metadata as the server does: one invalid key makes it ignore all of it. */
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

/** The metadata that revives a soft-deleted stream: what it has, truncated before its next revision. Undefined when it is no JSON object. */
export function revivedMetadata(data: Buffer, nextRevision: number): string | undefined {
  const metadata = parseObject(data.toString('utf8'));
  return metadata && JSON.stringify({ ...metadata, $tb: nextRevision });
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object that the text is in JSON; undefined when it is something else, or no JSON. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
