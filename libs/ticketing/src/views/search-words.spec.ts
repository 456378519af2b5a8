import fc from 'fast-check';
import { searchWords, withWordsOf, wordsAskedFor } from './search-words.js';
import { runs } from '../../../../test/runs.js';

const finds = (asked: string, said: string): boolean => {
  const words = searchWords(said);
  const wanted = wordsAskedFor(asked);
  return wanted.length > 0 && wanted.every((word) => words.includes(word));
};

describe('the words of a text', () => {
  it.each([
    ['Zurück to the Café', ['zuruck', 'to', 'the', 'cafe']],
    ['printer-FIN-2: 0x709!', ['printer', 'fin', '2', '0', 'x', '709', '0x', 'x709']],
    ['ŁÓDŹ łódź', ['lodz']],
    ['印刷できない', ['印', '刷', 'て', 'き', 'な', 'い', '印刷', '刷て', 'てき', 'きな', 'ない']],
    ['a A á', ['a']],
    [' .*$^ \n\u200b', []],
  ])('%j are %j', (text, words) => {
    expect(searchWords(text)).toEqual(words);
  });

  it('are cut where they are too long for an index, always at the same place', () => {
    expect(searchWords('x'.repeat(90))).toEqual(['x'.repeat(40)]);
    expect(searchWords('𐐀'.repeat(41))).toEqual(['𐐨'.repeat(40)]);
    expect(finds('x'.repeat(60), 'x'.repeat(90))).toBe(true);
  });
});

describe('a search finds', () => {
  it.each([
    ['VPN', 'VPN接続エラー'],
    ['接続', 'VPN接続エラー'],
    ['エラー', 'VPN接続エラー'],
    ['VPN接', 'VPN接続エラー'],
    ['サーバー', 'サーバーが落ちた'],
    ['落', 'サーバーが落ちた'],
    ['Windows', 'Windows更新后打印机'],
    ['打印机', 'Windows更新后打印机'],
    ['ﾌﾟﾘﾝﾀ', 'プリンタが動かない'],
    ['11', 'Windows11の更新'],
    ['5034441', 'KB5034441'],
    ['kb5034441', 'KB5034441の更新'],
    ['STRASSE', 'Straße'],
    ['straße', 'STRAẞE'],
    ['Σίσυφος', 'ΣΊΣΥΦΟΣ'],
    ['istanbul', 'İstanbul'],
    ['smorrebrod', 'Smørrebrød'],
    ['Aeble', 'Æble'],
    ['елка', 'Ёлка'],
    ['42', '٤۲'],
    ['fluss', 'ﬂuß'],
    ['ปริ้นเตอร์', 'เครื่องปริ้นเตอร์เสีย'],
    ['หมาย', 'จดหมายหาย'],
    ['ខ្មែរ', 'ភាសា\u200bខ្មែរ'],
    ['서버', '서버가 다운됐다'],
    ['میخواهم', 'می\u200cخواهم'],
    ['كتاب', 'كِتـــاب'],
    ['Drucker', 'Druck\u00ader'],
    ['Windows', 'Windows™'],
    ['株式会社', '㍿'],
    ['fully', 'e\u0301tat fully'],
  ])('%s in %s', (asked, said) => {
    expect(finds(asked, said)).toBe(true);
  });

  // Letters of their own at the primary level of the Unicode collation, and words that only begin alike.
  it.each([
    ['мои', 'мой'],
    ['हद', 'हिन्दी'],
    ['nose', 'ŋose'],
    ['ılık', 'ilik'],
    ['spool', 'spooler'],
    ['503', 'KB5034441'],
    ['接続機', '接続、機'],
    ['x708', '0x709 and 708'],
  ])('no %s in %s', (asked, said) => {
    expect(finds(asked, said)).toBe(false);
  });
});

describe('over the scripts of the world', () => {
  const names = [
    ...['Latin', 'Cyrillic', 'Greek', 'Arabic', 'Hebrew', 'Devanagari', 'Bengali', 'Tamil', 'Telugu', 'Sinhala', 'Tibetan', 'Georgian'],
    ...['Armenian', 'Ethiopic', 'Mongolian', 'Cherokee', 'Adlam', 'Deseret', 'Syriac', 'Malayalam', 'Gujarati', 'Canadian_Aboriginal'],
  ];
  const unspacedNames = ['Han', 'Hiragana', 'Katakana', 'Hangul', 'Thai', 'Lao', 'Khmer', 'Myanmar', 'Bopomofo', 'Yi', 'Javanese'];
  /** Letters and marks of a script, spread over all that it has. A capital of more scripts than one has no single small letter. */
  const signs = (script: string, limit: number): string[] => {
    const pattern = new RegExp(`(?=[\\p{L}\\p{M}])\\p{Script=${script}}`, 'u');
    const all: string[] = [];
    for (let code = 0x41; code < 0x1f000; code++) {
      const sign = String.fromCodePoint(code);
      if (pattern.test(sign) && sign !== 'ı' && searchWords(sign).length > 0) all.push(sign);
    }
    return all.filter((_, index) => index % Math.max(1, Math.floor(all.length / limit)) === 0);
  };
  const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
  /** What a reader takes for one sign, such as a syllable of Hangul, of whatever forms of its letters it is made. */
  const signsOf = (word: string): string[] => {
    const all: string[] = [];
    for (const { segment } of graphemes.segment(word)) {
      const last = all.at(-1);
      const joins = last !== undefined && (last + segment).normalize('NFKC') !== last.normalize('NFKC') + segment.normalize('NFKC');
      if (joins) all[all.length - 1] = last + segment;
      else all.push(segment);
    }
    return all;
  };
  /** Letters of a script with their marks; no word begins with a mark. */
  const letters = (script: string) => {
    const all = signs(script, 120);
    return fc
      .tuple(fc.constantFrom(...all.filter((sign) => !/\p{M}/u.test(sign))), fc.array(fc.constantFrom(...all), { maxLength: 7 }))
      .map(([first, rest]) => [first, ...rest]);
  };
  /** What a person can tell apart: a word or a number whole, or any sign of a script that has no spaces between words. */
  const pieces = fc.oneof(
    ...names.map((script) => letters(script).map((word) => [word.join('')])),
    ...unspacedNames.map((script) => letters(script).map((word) => signsOf(word.join('')))),
    fc.nat(99_999).map((number) => [String(number)]),
    fc.constantFrom(' ', ', ', '-', '\n', '。', '™ ').map((gap) => [gap]),
  );
  const writings = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => text.toUpperCase(),
    (text) => text.toLowerCase(),
    (text) => text.normalize('NFD'),
    (text) => text.normalize('NFC'),
  );

  it('any part of a text that a person would type finds it, in any case and composition', () => {
    let tried = 0;
    fc.assert(
      fc.property(
        fc.array(pieces, { minLength: 1, maxLength: 8 }).map((groups) => groups.flat()),
        fc.nat(),
        fc.nat(),
        writings,
        (said, from, length, write) => {
          const start = from % said.length;
          const part = said.slice(start, start + 1 + (length % (said.length - start))).join('');
          // Pieces that meet can be one word for a reader, of which a part is none: such as digits beside digits.
          const before = said.slice(0, start).join('');
          const after = said.slice(start).join('').slice(part.length);
          const meets = (one: string, other: string) =>
            [/\p{Nd}/u, /\p{M}/u, ...names.map((script) => new RegExp(`\\p{scx=${script}}`, 'u'))].some(
              (kind) => kind.test([...one].at(-1) ?? '') && kind.test([...other][0] ?? ''),
            );
          fc.pre(!meets(before, part) && !meets(part, after));
          fc.pre(searchWords(part).length > 0);
          tried++;
          expect({ said: said.join(''), part, found: finds(write(part), said.join('')) }).toEqual({
            said: said.join(''),
            part,
            found: true,
          });
        },
      ),
      { numRuns: runs(1_500) },
    );
    expect(tried).toBe(runs(1_500));
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
        errorMessages: ['E709'],
        stepsTried: [{ action: 'Restarted spooler', outcome: 'same' }],
        logs: ['https://x'],
      },
    };
    expect(withWordsOf(['queue'], data)).toEqual([
      ...['queue', 'server', 'access', 'stuck', 'e', '709', 'e709', 'restarted', 'spooler', 'same'],
    ]);
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
