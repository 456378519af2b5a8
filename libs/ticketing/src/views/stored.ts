import { getDescription, type GenericSchema, type ObjectEntries } from 'valibot';
import { jsonSchema } from '../json-schema.js';
import { about, count, open, text } from '../schema.js';

/** A document as stored: with the fields added by the projector. @param id meaning of its `_id` */
export function stored<const Entries extends ObjectEntries>(document: GenericSchema & { readonly entries: Entries }, id: string) {
  const whole = open({
    _id: about(text, id),
    ...document.entries,
    revision: about(count, 'Revision, in its stream, of the last event that changed the document'),
    position: about(count, 'Position of that event in the log of all events'),
  });
  return about(whole, getDescription(document) ?? '');
}

/** The JSON Schema of a stored document. */
export function documentSchema(document: GenericSchema & { readonly entries: ObjectEntries }, id: string): object {
  return jsonSchema(stored(document, id));
}
