import { searchWords, withWordsOf } from './search-words.js';

describe('the words of a text', () => {
  it.each([
    ['Zurück to the Café', ['zuruck', 'to', 'the', 'cafe']],
    ['printer-FIN-2: 0x00000709!', ['printer', 'fin', '2', '0x00000709']],
    ['ŁÓDŹ łódź', ['łodz']],
    ['印刷できない', ['印', '刷', 'て', 'き', 'な', 'い']],
    ['a A á', ['a']],
    [' .*$^ \n', []],
  ])('%j are %j', (text, words) => {
    expect(searchWords(text)).toEqual(words);
  });

  it('are cut where they are too long for an index, always at the same place', () => {
    expect(searchWords('x'.repeat(90))).toEqual(['x'.repeat(40)]);
    expect(searchWords('𐐀'.repeat(41))).toEqual(['𐐨'.repeat(40)]);
  });
});

describe('the words of an event', () => {
  it('are those that people said, wherever in it they stand, and none of its ids and hashes', () => {
    const data = {
      escalationId: 'e1',
      to: 'L2',
      reason: 'server access',
      handOff: {
        summary: 'Queue stuck',
        errorMessages: ['0x709'],
        stepsTried: [{ action: 'Restarted spooler', outcome: 'same' }],
        logs: ['https://x'],
      },
    };
    expect(withWordsOf(['queue'], data)).toEqual(['queue', 'server', 'access', 'stuck', '0x709', 'restarted', 'spooler', 'same']);
  });

  it('are the same list when there are none that are new', () => {
    const known = ['queue'];
    expect(withWordsOf(known, { text: 'Queue!', sha256: 'abc' })).toBe(known);
  });

  it('are no more than an index can bear', () => {
    const text = Array.from({ length: 6_000 }, (_, index) => `w${index}`).join(' ');
    expect(withWordsOf([], { text })).toHaveLength(5_000);
  });
});
