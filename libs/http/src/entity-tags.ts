import { Problem } from './problem.js';

/** The entity tag of a revision: `"12"`. */
export function entityTag(revision: number): string {
  return `"${revision}"`;
}

/** The tags of If-Match or If-None-Match: `*`, or a list. */
export type TagCondition = '*' | readonly { readonly weak: boolean; readonly opaque: string }[];

const TAG = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/;

/** @throws Problem invalid-header if it is neither `*` nor a list of entity tags (RFC 9110, 8.8.3) */
export function parseTags(header: 'If-Match' | 'If-None-Match', value: string | undefined): TagCondition | undefined {
  if (value === undefined) return undefined;
  let rest = value.trim();
  if (rest === '*') return '*';
  const tags: { weak: boolean; opaque: string }[] = [];
  for (;;) {
    const found = TAG.exec(rest);
    if (found === null) break;
    tags.push({ weak: found[1] !== undefined, opaque: found[2] ?? '' });
    rest = rest.slice(found[0].length).trimStart();
    if (rest === '') return tags;
    if (!rest.startsWith(',')) break;
    rest = rest.slice(1).trimStart();
  }
  throw Problem.of('invalid-header', `${header} must be * or a list of entity tags such as "12"`, {
    faults: [{ field: header, message: 'must be * or a list of entity tags such as "12"' }],
  });
}

/** The revisions that an If-Match allows: only strong tags, as in RFC 9110. Undefined: any; a tag that is not a revision allows none. */
export function allowedRevisions(condition: TagCondition | undefined): readonly number[] | undefined {
  if (condition === undefined || condition === '*') return undefined;
  return condition.flatMap(({ weak, opaque }) => (!weak && /^(0|[1-9]\d{0,14})$/.test(opaque) ? [Number(opaque)] : []));
}

/** Whether the reader's copy, by If-None-Match, is at this revision: weak comparison. */
export function alreadySeen(condition: TagCondition | undefined, revision: number): boolean {
  if (condition === undefined) return false;
  return condition === '*' || condition.some(({ opaque }) => opaque === String(revision));
}
