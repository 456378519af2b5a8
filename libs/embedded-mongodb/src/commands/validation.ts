import { Arr, Doc, show, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { withCollation } from '../query/collation.js';
import { compileFilter, parseFilter, type Predicate } from '../query/filter.js';
import type { Collection } from '../storage/store.js';
import { now } from './call.js';
import { Fields, typeError } from './fields.js';

export const bypass = (fields: Fields): boolean => fields.boolean('bypassDocumentValidation');

/** The validator of a collection, compiled once. */
export const validators = new WeakMap<Collection, Predicate | null>();

/** @param before what an update changes: where it was not valid already, validationLevel moderate lets it stay so */
export const validate = (collection: Collection, doc: Doc, bypassed: boolean, before?: Doc): void => {
  const { options } = collection;
  if (bypassed || !options.size) return;
  let test = validators.get(collection);
  if (test === undefined) {
    const validator = options.get('validator');
    const enforced =
      validator instanceof Doc &&
      validator.size > 0 &&
      options.get('validationLevel') !== 'off' &&
      options.get('validationAction') !== 'warn';
    test = enforced ? withCollation(collection.collation, () => compileFilter(parseFilter(validator, { NOW: now() }))) : null;
    // Where it speaks of the present, it is another one each time.
    if (!enforced || !show(validator).includes('$$NOW')) validators.set(collection, test);
  }
  if (!test || test(doc) || (before && options.get('validationLevel') === 'moderate' && !test(before))) return;
  throw new ServerError(121, 'Document failed validation', {
    errInfo: Doc.from({ failingDocumentId: doc.get('_id'), details: Doc.from({ operatorName: 'validator' }) }),
  });
};

export const createOptions = ['validator', 'validationLevel', 'validationAction'];

/** @throws ServerError where a validator has what needs an index */
const checkAllowed = (query: Value): void => {
  if (query instanceof Arr) query.values.forEach(checkAllowed);
  if (!(query instanceof Doc)) return;
  query.keys.forEach((key, index) => {
    if (key === '$text') throw badValue('$text is not allowed in a collection validator');
    if (key === '$near' || key === '$nearSphere' || key === '$geoNear')
      throw new ServerError(5626500, `${key} is not allowed in a collection validator`);
    // What other operators hold is a value, or an expression.
    if (!key.startsWith('$') || ['$and', '$or', '$nor', '$not', '$elemMatch'].includes(key)) checkAllowed(query.values[index] as Value);
  });
};

export const checkValidation = (options: Doc): void => {
  const validator = options.get('validator');
  if (validator !== undefined && !(validator instanceof Doc)) throw typeError('create.validator', validator, 'object');
  if (validator instanceof Doc) {
    checkAllowed(validator);
    compileFilter(parseFilter(validator, { NOW: now() }));
  }
  const fields = new Fields('create', options);
  fields.oneOf('validationLevel', ['off', 'strict', 'moderate']);
  fields.oneOf('validationAction', ['error', 'warn']);
};
