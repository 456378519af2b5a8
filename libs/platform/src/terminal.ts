import { randomInt } from 'node:crypto';
import pc from 'picocolors';
import { WRITTEN } from '#eventsourcing';

/**
 * Characters that control a terminal or are invisible: all control characters except line ends, direction, format and zero-width
 * characters.
 */
const UNSEEN = String.raw`(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?![\ufe00-\ufe0f])\p{Default_Ignorable_Code_Point}`;
const writtenOrUnseen = new RegExp(`(${WRITTEN})|${UNSEEN}`, 'gv');

/**
 * A text with such characters spelled out as in JSON (`\u001b`), so that no ticket can clear the screen, hide a line or reverse it. JSON
 * stays the same JSON.
 */
export function spelledOut(text: string): string {
  return text.replace(writtenOrUnseen, (sign, written: string | undefined) =>
    written !== undefined
      ? written
      : sign < ' '
        ? JSON.stringify(sign).slice(1, -1)
        : Array.from({ length: sign.length }, (_, at) => `\\u${sign.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  );
}

/** A text on one line, for places where another line could pass for another statement. */
export function escapeNewlines(text: string): string {
  return text.replaceAll('\n', '\\n');
}

type Style = (text: string) => string;
type StyleName = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
/** Styles for text printed through the same terminal; other terminals spell them out. */
export type Colours = Readonly<Record<StyleName, Style>>;

const coloursOf = (style: (name: StyleName) => Style): Colours => ({
  bold: style('bold'),
  dim: style('dim'),
  red: style('red'),
  green: style('green'),
  yellow: style('yellow'),
  cyan: style('cyan'),
});

export const noColours = coloursOf(() => (text) => text);

/** A stream that people may look at. */
export interface Terminal {
  /** Writes a text with its invisible characters spelled out. All output of a program goes through here. */
  readonly print: (text: string) => void;
  readonly colours: Colours;
  /** Shows a text until the returned function is called. */
  readonly prompt: (text: string) => () => void;
}

/** @param stream standard output or error, or a test's stream */
export function terminal(stream: { write(text: string): unknown; readonly isTTY?: boolean }): Terminal {
  // Colours are for people: not for pipes, whatever the environment (CI) says.
  const coloured = pc.isColorSupported && stream.isTTY === true;
  // A random number that no text can know marks the codes added here. It is part of the code, so that tables still measure their cells
  // correctly.
  const mark = randomInt(2 ** 47);
  const ours = new RegExp(`(\\u001b\\[)${mark};(\\d+m)`);
  const marked = (name: StyleName): Style => {
    const [open = '', close = ''] = pc.createColors(true)[name]('\0').replaceAll('[', `[${mark};`).split('\0');
    return (text) => `${open}${text}${close}`;
  };
  const colours = coloured ? coloursOf(marked) : noColours;
  const print = (text: string): void => {
    // Every second and third part is from the two groups of the pattern.
    const parts = text.split(ours);
    stream.write(parts.map((part, index) => (index % 3 === 0 ? spelledOut(part) : part)).join(''));
  };
  return {
    print,
    colours,
    prompt: (text) => {
      print(colours.dim(text));
      return () => void stream.write('\r\u001b[K');
    },
  };
}
