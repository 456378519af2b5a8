/** A sign that shows something: no space, no control, no format sign, and none that is drawn as nothing. */
export const SHOWN = /[^\s\p{Z}\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]/u;
/** Ends of lines, controls, direction signs, and signs that nobody sees. Two names that differ in these alone look the same. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** The signs of Indic scripts that join letters. */
const VIRAMAS = '\\u094d\\u09cd\\u0a4d\\u0acd\\u0b4d\\u0bcd\\u0c4d\\u0ccd\\u0d4d\\u0dca';
/**
 * Where unseen signs are a part of what is seen: emoji, as Unicode lists them (variation selectors, joiners and tags are of them); joiners after an
 * Indic sign that joins; and non-joiners between Arabic letters, as Persian has them. For regular expressions with the flag `v`.
 */
export const WRITTEN = `\\p{RGI_Emoji}|(?<=\\p{Extended_Pictographic})[\\ufe0e\\ufe0f]|(?<=[${VIRAMAS}])[\\u200c\\u200d](?=\\p{L})|(?<=\\p{Script=Arabic})\\u200c(?=\\p{Script=Arabic})`;
// The compiler does not know the flag for the target; every Node that is supported does.
const written = new RegExp(WRITTEN, 'gv');
const writtenOrStray = new RegExp(`(${WRITTEN})|[\\p{C}\\p{Zl}\\p{Zp}]+`, 'gv');

/** Whether a reader sees anything of a text: one that looks empty is empty. */
export function isVisibleText(text: string): boolean {
  return SHOWN.test(text);
}

/** Whether a text can name something: of up to so many characters, on one line, with nothing in it that is not seen. */
export function isName(text: unknown, max = 200): text is string {
  return (
    typeof text === 'string' && text.length <= max && isVisibleText(text) && (!UNSEEN.test(text) || !UNSEEN.test(text.replace(written, '')))
  );
}

/** A text on one line: in place of ends of lines, of controls and of what nobody sees there are spaces. */
export function singleLine(text: string): string {
  return text.replace(writtenOrStray, (_, kept: string | undefined) => kept ?? ' ');
}
