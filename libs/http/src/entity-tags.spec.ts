import { allowedRevisions, alreadySeen, entityTag, parseTags } from './entity-tags.js';

describe('entity tags', () => {
  it('are revisions in quotes', () => {
    expect(entityTag(12)).toBe('"12"');
  });

  it.each([
    ['"12"', [12]],
    [' "0" ', [0]],
    ['"1", "3" ,"5"', [1, 3, 5]],
    ['W/"12"', []],
    ['"12", W/"13"', [12]],
    ['"twelve"', []],
    ['"012"', []],
    ['""', []],
  ])('If-Match %s allows %j', (header, revisions) => {
    expect(allowedRevisions(parseTags('If-Match', header))).toEqual(revisions);
  });

  it.each([undefined, '*', ' * '])('If-Match %s allows any revision', (header) => {
    expect(allowedRevisions(parseTags('If-Match', header))).toBeUndefined();
  });

  it.each(['', '12', '"12', '"12" "13"', '"12",', '*, "12"', ',', 'w/"12"', '"a b"'])('refuses %j', (header) => {
    expect(() => parseTags('If-Match', header)).toThrow('If-Match must be * or a list of entity tags');
  });

  it.each([
    ['"3"', true],
    ['W/"3"', true],
    ['"2", "3"', true],
    ['*', true],
    ['"2"', false],
    [undefined, false],
  ])('If-None-Match %s at revision 3: already seen %s', (header, seen) => {
    expect(alreadySeen(parseTags('If-None-Match', header), 3)).toBe(seen);
  });
});
