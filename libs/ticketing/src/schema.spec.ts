import { anyObject, count, faultsOf, fields, instant, integer, literal, oneOfKinds, text, unionOf } from './schema.js';

describe('what is wrong with a value', () => {
  const kinds = oneOfKinds('do', [fields({ do: literal('note'), text }), fields({ do: literal('ask') })]);

  it.each([
    ['a literal', literal('4'), '5', 'must be 4'],
    ['a true literal', literal(true), 1, 'must be true'],
    ['a kind', kinds, { do: 'dance' }, 'must be one of note, ask'],
    ['an object', anyObject, [], 'must be an object'],
    ['a count', count, -1, 'must be a whole number, 0 or more'],
    ['a whole number', integer, 1.5, 'must be a whole number'],
    ['an instant', instant, 'tomorrow', 'must be an instant'],
    ['one of two shapes', unionOf([literal('all'), count]), 'none', 'has the wrong shape'],
  ])('is said in words that go on from the name of the field: %s', (_, schema, value, message) => {
    const faults = faultsOf(fields({ field: schema }), { field: value });
    expect(faults.map((fault) => fault.message)).toEqual([message]);
  });
});
