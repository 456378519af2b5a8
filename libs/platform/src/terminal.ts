import { randomInt } from 'node:crypto';
import pc from 'picocolors';
import { WRITTEN } from '#eventsourcing';

/** Signs that steer a terminal or that nobody sees: all controls but the end of a line, direction, format and zero-width signs. */
const UNSEEN = String.raw`(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?![\ufe00-\ufe0f])\p{Default_Ignorable_Code_Point}`;
const writtenOrUnseen = new RegExp(`(${WRITTEN})|${UNSEEN}`, 'gv');

/**
 * A text in which such signs are spelled out as JSON does it (`\u001b`), so that no ticket can clear the screen, hide a line or turn it
 * round. JSON stays the same JSON.
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

/** A text whose lines are one, for where a further line could pass for another statement. */
export function escapeNewlines(text: string): string {
  return text.replaceAll('\n', '\\n');
}

type Style = (text: string) => string;
type StyleName = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
/** Styles of text that is printed through the terminal that they come from; others spell them out. */
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
  /** Writes a text, its unseen signs spelled out. Everything that a program prints goes through here. */
  readonly print: (text: string) => void;
  readonly colours: Colours;
  /** Shows a text until what is returned is called. */
  readonly prompt: (text: string) => () => void;
}

/** @param stream standard output or error, or one that a test looks into */
export function terminal(stream: { write(text: string): unknown; readonly isTTY?: boolean }): Terminal {
  // Colours are for people: not for pipes, whatever the environment (CI) says.
  const coloured = pc.isColorSupported && stream.isTTY === true;
  // A number that no text can know marks the codes that are ours. It is part of the code, so that tables still measure their cells rightly.
  const mark = randomInt(2 ** 47);
  const ours = new RegExp(`(\\u001b\\[)${mark};(\\d+m)`);
  const marked = (name: StyleName): Style => {
    const [open = '', close = ''] = pc.createColors(true)[name]('\0').replaceAll('[', `[${mark};`).split('\0');
    return (text) => `${open}${text}${close}`;
  };
  const colours = coloured ? coloursOf(marked) : noColours;
  const print = (text: string): void => {
    // Every second and third part is what the two groups of the pattern have caught.
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
