import { isName, saysSomething } from './text.js';

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
    expect(saysSomething(text)).toBe(false);
    expect(isName(text)).toBe(false);
  });

  it.each(['0', '.', '語', '\u200b.\u200b', '🖨️', 'é', '\u0301'])('and one that does not is none: %j', (text) => {
    expect(saysSomething(text)).toBe(true);
  });
});

describe('a name', () => {
  it.each(['northwind', 'José  Müller', 'अनिल', "O'Neil & Sons (EMEA)", '株式会社', 'hardware/printer'])('can be %j', (text) => {
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
    'x'.repeat(201),
    5,
  ])('cannot be %j', (text) => {
    expect(isName(text)).toBe(false);
  });
});
