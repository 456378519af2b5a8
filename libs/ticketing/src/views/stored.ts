import type { ObjectEntries } from 'valibot';
import { jsonSchema } from '../json-schema.js';
import { about, count, open, text } from '../schema.js';

/** A document as it is stored: with what the projector adds. @param id what its `_id` is */
export function stored<const Entries extends ObjectEntries>({ entries }: { readonly entries: Entries }, id: string) {
  return open({
    _id: about(text, id),
    ...entries,
    revision: about(count, 'Revision, in its stream, of the last event that changed the document'),
    position: about(count, 'Position of that event in the log of all events'),
  });
}

/** The JSON Schema of a stored document. */
export function documentSchema(document: { readonly entries: ObjectEntries }, id: string): object {
  return jsonSchema(stored(document, id));
}
