import { isName, isVisibleText, singleLine } from './text.js';

describe('a text that looks empty is empty', () => {
  it.each([
    '',
    ' ',
    '\n\t',
    '\u200b',
    '\u00a0\u3000',
    '\ufeff',
    '\u2060\u200d',
    '\u202e',
    '\u00ad',
    '\u3164',
    '\u2800',
    '\ufe0f',
    '\u{e0020}',
    '\0\u0007',
  ])('%j', (text) => {
    expect(isVisibleText(text)).toBe(false);
    expect(isName(text)).toBe(false);
  });

  it.each(['0', '.', '語', '\u200b.\u200b', '🖨️', 'é', '\u0301'])('and one that does not is none: %j', (text) => {
    expect(isVisibleText(text)).toBe(true);
  });
});

describe('a text on one line', () => {
  it.each([
    ['Ada\r\n Lovelace\u0007', 'Ada  Lovelace '],
    ['to\u2028the\u202eleft\u200b!', 'to the left !'],
    ['👩🏽‍💻 and علی\u200cرضا', '👩🏽‍💻 and علی\u200cرضا'],
    ['a\u200db', 'a b'],
  ])('is made of %j', (text, line) => {
    expect(singleLine(text)).toBe(line);
  });
});

describe('a name', () => {
  it.each([
    ...['northwind', 'José  Müller', 'अनिल', "O'Neil & Sons (EMEA)", '株式会社', 'hardware/printer'],
    // Emoji: with a selector, joined, with a skin, of a keycap, flags, by tags.
    ...['Drucker 🖨️', '🖨', '❤️‍🔥', 'Ada 👩🏽‍💻', '👨‍👩‍👧‍👦', '1️⃣', '🇩🇪', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '☎\ufe0e'],
    // Joiners that writing takes.
    ...['ශ්\u200dරී ලංකා', 'क्\u200dष', 'علی\u200cرضا'],
  ])('can be %j', (text) => {
    expect(isName(text)).toBe(true);
  });

  it.each([
    'a\nb',
    'a\rb',
    'a\tb',
    'ada\u0000',
    'ada\u202e',
    'ad\u200ba',
    'a\u2066b\u2069',
    '\u200eada',
    'ada\ufeff',
    'a\u2028b',
    'a\u001b[2J',
    'ad\u00ada',
    // Parts of emoji that stand alone.
    ...[
      'ada\ufe0f',
      '1\ufe0f',
      'a\u200db',
      '🖨️\ufe0f',
      '🖨️\u200d',
      '\u200d🖨️',
      '1\u200d2',
      '🏴\u{e0067}\u{e007f}',
      'ada\u{e0067}',
      '🙂\u202e🙂',
    ],
    ...['علی\u200c', 'क\u200dष', 'a\u200cb', 'علی\u200dرضا'],
    'x'.repeat(201),
    5,
  ])('cannot be %j', (text) => {
    expect(isName(text)).toBe(false);
  });
});
