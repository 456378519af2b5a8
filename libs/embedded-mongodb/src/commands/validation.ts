import { Doc, show } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { withCollation } from '../query/collation.js';
import { compileFilter, operatorsIn, parseFilter, SORTS_BY_DISTANCE, type Predicate } from '../query/filter.js';
import type { Collection } from '../storage/store.js';
import { now } from './call.js';
import { Fields, typeError } from './fields.js';

export const bypass = (fields: Fields): boolean => fields.boolean('bypassDocumentValidation');

/** The validator of a collection, compiled once. */
export const validators = new WeakMap<Collection, Predicate | null>();

/** @param before what an update changes: with validationLevel moderate, a document that was invalid before may stay so */
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
    // If it depends on the current time, it is compiled each time.
    if (!enforced || !show(validator).includes('$$NOW')) validators.set(collection, test);
  }
  if (!test || test(doc) || (before && options.get('validationLevel') === 'moderate' && !test(before))) return;
  throw new ServerError(121, 'Document failed validation', {
    errInfo: Doc.from({ failingDocumentId: doc.get('_id'), details: Doc.from({ operatorName: 'validator' }) }),
  });
};

export const createOptions = ['validator', 'validationLevel', 'validationAction'];

/** @throws ServerError if a validator uses something that needs an index */
const checkAllowed = (query: Doc): void => {
  for (const operator of operatorsIn(query)) {
    if (operator === '$text') throw badValue('$text is not allowed in a collection validator');
    if (SORTS_BY_DISTANCE.has(operator)) throw new ServerError(5626500, `${operator} is not allowed in a collection validator`);
  }
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
