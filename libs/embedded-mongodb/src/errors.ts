/** The server's error codes used by this node, with their names (`src/mongo/base/error_codes.yml` of the server). */
const codeNames: Readonly<Record<number, string>> = {
  1: 'InternalError',
  2: 'BadValue',
  4: 'NoSuchKey',
  5: 'GraphContainsCycle',
  9: 'FailedToParse',
  11: 'UserNotFound',
  13: 'Unauthorized',
  14: 'TypeMismatch',
  15: 'Overflow',
  16: 'InvalidLength',
  17: 'ProtocolError',
  18: 'AuthenticationFailed',
  20: 'IllegalOperation',
  22: 'InvalidBSON',
  26: 'NamespaceNotFound',
  27: 'IndexNotFound',
  28: 'PathNotViable',
  34: 'CannotBackfillArray',
  40: 'ConflictingUpdateOperators',
  43: 'CursorNotFound',
  48: 'NamespaceExists',
  50: 'MaxTimeMSExpired',
  52: 'DollarPrefixedFieldName',
  53: 'InvalidIdField',
  54: 'NotSingleValueField',
  55: 'InvalidDBRef',
  56: 'EmptyFieldName',
  59: 'CommandNotFound',
  66: 'ImmutableField',
  67: 'CannotCreateIndex',
  72: 'InvalidOptions',
  73: 'InvalidNamespace',
  76: 'NoReplicationEnabled',
  85: 'IndexOptionsConflict',
  86: 'IndexKeySpecsConflict',
  91: 'ShutdownInProgress',
  96: 'OperationFailed',
  121: 'DocumentValidationFailure',
  115: 'CommandNotSupported',
  123: 'NotAReplicaSet',
  125: 'CommandFailed',
  165: 'ViewDepthLimitExceeded',
  146: 'ExceededMemoryLimit',
  166: 'CommandNotSupportedOnView',
  167: 'OptionNotSupportedOnView',
  168: 'InvalidPipelineOperator',
  171: 'CannotIndexParallelArrays',
  181: 'AmbiguousIndexKeyPattern',
  197: 'InvalidIndexSpecificationOption',
  207: 'InvalidUUID',
  224: 'QueryFeatureNotAllowed',
  237: 'CursorKilled',
  238: 'NotImplemented',
  241: 'ConversionFailure',
  276: 'IndexBuildAborted',
  292: 'QueryExceededMemoryLimitNoDiskUseAllowed',
  322: 'APIVersionError',
  323: 'APIStrictError',
  334: 'MechanismUnavailable',
  352: 'UnsupportedOpQueryCommand',
  366: 'DataCorruptionDetected',
  10334: 'BSONObjectTooLarge',
  11000: 'DuplicateKey',
  11601: 'Interrupted',
  12051: 'CursorInUse',
  13113: 'MergeStageNoMatchingDocument',
  14031: 'OutOfDiskSpace',
  17280: 'KeyTooLong',
};

/** An error as the server reports it: a numeric code, its name, and further fields of the reply. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly codeName: string;

  constructor(
    readonly code: number,
    message: string,
    /** Further fields of the error document, such as `keyPattern` and `keyValue` of a duplicate key. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.codeName = codeNames[code] ?? `Location${code}`;
  }
}

/** An error for a malformed operator, option or value: 2 BadValue. */
export const badValue = (message: string): ServerError => new ServerError(2, message);

/** An error for a specification that cannot be parsed: 9 FailedToParse. */
export const failedToParse = (message: string): ServerError => new ServerError(9, message);

/** An error for a field of the wrong type: 14 TypeMismatch. */
export const typeMismatch = (message: string): ServerError => new ServerError(14, message);

/** A record whose checksum does not match: 366 DataCorruptionDetected. */
export class DamagedRecordError extends ServerError {
  constructor(
    readonly key: Buffer,
    message: string,
  ) {
    super(366, message);
  }
}

/** The data of a directory cannot be read: it has another format, or is damaged in an essential place. */
export class DataUnreadable extends Error {
  readonly code = 'ERR_DATA_UNREADABLE';
  override readonly name = 'DataUnreadable';

  constructor(
    readonly directory: string,
    readonly reason: string,
  ) {
    super(`The data in ${directory} cannot be read: ${reason}.`);
  }
}

/** The data file is damaged or missing. */
export const dataDamaged = (directory: string, reason: string): DataUnreadable =>
  new DataUnreadable(
    directory,
    `${reason}. Restore a backup; or, where it holds read models, move the directory away and have them made anew from the events by \`tierline rebuild\``,
  );
