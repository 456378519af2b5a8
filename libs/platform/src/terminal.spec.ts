import fc from 'fast-check';
import { escapeNewlines, noColours, spelledOut, terminal } from './terminal.js';

const screen = (isTTY = true) => {
  const shown = { text: '' };
  return { shown, ...terminal({ isTTY, write: (text: string) => (shown.text += text) }) };
};

describe('what is spelled out', () => {
  it.each([
    ['clear \u001b[2J\u001b]0;title\u0007', 'clear \\u001b[2J\\u001b]0;title\\u0007'],
    ['over\rwritten', 'over\\rwritten'],
    ['tab\tnull\0del\u007fcsi\u009b2J', 'tab\\tnull\\u0000del\\u007fcsi\\u009b2J'],
    ['\u202a\u202e\u2066\u2069\u200e\u200f\u061c', '\\u202a\\u202e\\u2066\\u2069\\u200e\\u200f\\u061c'],
    ['👩🏽‍💻 🖨️ علی\u200cرضا', '👩🏽‍💻 🖨️ علی\u200cرضا'],
    ['zero\u200bwidth\ufeff\u00ad\u2060\u3164', 'zero\\u200bwidth\\ufeff\\u00ad\\u2060\\u3164'],
    ['tag\u{e0041}', 'tag\\udb40\\udc41'],
    ['lone\ud800', 'lone\\ud800'],
    ['line\u2028end', 'line\\u2028end'],
    ['Grüße, 日本語, नमस्ते, ⚠️ 100 %\nnext line', 'Grüße, 日本語, नमस्ते, ⚠️ 100 %\nnext line'],
  ])('%j', (text, spelled) => {
    expect(spelledOut(text)).toBe(spelled);
  });

  it('escapes everything that controls a terminal, without changing JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const text = spelledOut(JSON.stringify(value, null, 1));
        expect(text).not.toMatch(/[^\n\P{Cc}]|\p{Cf}|\p{Cs}|[\u2028\u2029\u115f\u3164]/u);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('includes line ends if a text has to stay on one line', () => {
    expect(spelledOut(escapeNewlines('a\nb\r\nc'))).toBe('a\\nb\\r\\nc');
  });
});

describe('a terminal', () => {
  it('shows its own colours, and escapes those in a text', () => {
    const { print, colours, shown } = screen();
    print(`${colours.bold('Ticket \u001b[8mhidden\u001b[0m')} \u001b[1mnot bold\n`);
    expect(shown.text.replaceAll('\u001b', 'ESC')).toMatch(
      colours === noColours
        ? /^Ticket \\u001b\[8mhidden\\u001b\[0m \\u001b\[1mnot bold\n$/
        : /^ESC\[1mTicket \\u001b\[8mhidden\\u001b\[0mESC\[22m \\u001b\[1mnot bold\n$/,
    );
  });

  it('has no colours in a pipe', () => {
    const { print, colours, shown } = screen(false);
    print(colours.red('plain'));
    expect(shown.text).toBe('plain');
  });

  it('removes a prompt', () => {
    const { prompt, shown } = screen(false);
    prompt('any key\u0007')();
    expect(shown.text).toBe('any key\\u0007\r\u001b[K');
  });
});
