import { isNumber } from '../bson/order.js';
import { badValue, ServerError } from '../errors.js';
import { wholeOf } from '../query/collation.js';
import { Fields, typeError } from './fields.js';

const LONGEST_SPAN = 365 * 24 * 60 * 60;

/** Length of a bucket. @returns seconds */
const secondsIn = (options: Fields, key: string): number | undefined => {
  const value = options.doc.get(key) ?? null;
  if (value === null) return undefined;
  if (!isNumber(value)) throw typeError(`${options.name}.${key}`, value, 'int');
  const seconds = wholeOf(value);
  if (seconds < 1 || seconds > LONGEST_SPAN)
    throw badValue(`BSON field '${key}' value must be from 1 to ${LONGEST_SPAN}, actual value '${seconds}'`);
  return seconds;
};

/**
 * Refuses a time series collection, which this node does not support: malformed options with the server's codes.
 *
 * @param strict whether field names are checked, as by `create` but not by `$out`
 * @throws ServerError 238 if the options are valid
 */
export const refuseTimeSeries = (outer: Fields, strict: boolean): void => {
  const given = outer.document('timeseries');
  if (!given) return;
  const options = new Fields(`${outer.name}.timeseries`, given).only([
    'timeField',
    'metaField',
    'granularity',
    'bucketMaxSpanSeconds',
    'bucketRoundingSeconds',
  ]);
  const [time, meta] = [options.string('timeField'), options.string('metaField')];
  const granularity = options.oneOf('granularity', ['seconds', 'minutes', 'hours']);
  const [span, rounding] = [secondsIn(options, 'bucketMaxSpanSeconds'), secondsIn(options, 'bucketRoundingSeconds')];
  options.need(time, 'timeField');
  const names = strict ? [time, meta].filter((name) => name !== undefined) : [];
  if (names.some((name) => name.includes('\0'))) throw badValue('fields of time series cannot contain null bytes');
  if (names.some((name) => name.includes('.'))) throw new ServerError(72, `fields of time series cannot contain '.'`);
  if (strict && (meta === '_id' || meta === time)) throw new ServerError(72, `'metaField' can be neither '_id' nor the 'timeField'`);
  if (span !== rounding) throw new ServerError(72, `'bucketMaxSpanSeconds' and 'bucketRoundingSeconds' must be the same`);
  if (span !== undefined && granularity !== undefined)
    throw new ServerError(72, `'bucketMaxSpanSeconds' cannot be combined with 'granularity'`);
  throw new ServerError(238, `${options.name} is not supported by this node`);
};
