import type { StateFace } from '#eventsourcing';
import { requestFormSchema, type RequestFormState } from '../self-service/request-form.js';
import { documentSchema } from './stored.js';

/** One document per form, by its name. */
export const requestForms: StateFace<RequestFormState> = {
  name: 'request_forms',
  version: 1,
  schema: () => documentSchema(requestFormSchema, 'Name of the form'),
  document: (state) => state,
  indexes: [{ key: { service: 1, client: 1 } }],
};
