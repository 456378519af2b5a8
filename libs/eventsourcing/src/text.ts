/** A visible character: no space, control or format character, and none that is drawn as nothing. */
export const SHOWN = /[^\s\p{Z}\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]/u;
/** Line ends, control characters, direction marks and invisible characters. Names that differ only in these look the same. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Signs of Indic scripts that join letters. */
const VIRAMAS = '\\u094d\\u09cd\\u0a4d\\u0acd\\u0b4d\\u0bcd\\u0c4d\\u0ccd\\u0d4d\\u0dca';
/**
 * Where invisible characters belong to the visible text: in emoji, as Unicode lists them (variation selectors, joiners and tags); joiners
 * after a joining Indic sign; and non-joiners between Arabic letters, as in Persian. For regular expressions with the flag `v`.
 */
export const WRITTEN = `\\p{RGI_Emoji}|(?<=\\p{Extended_Pictographic})[\\ufe0e\\ufe0f]|(?<=[${VIRAMAS}])[\\u200c\\u200d](?=\\p{L})|(?<=\\p{Script=Arabic})\\u200c(?=\\p{Script=Arabic})`;
// The compiler does not allow the flag for the target; every supported Node does.
const written = new RegExp(WRITTEN, 'gv');
const writtenOrStray = new RegExp(`(${WRITTEN})|[\\p{C}\\p{Zl}\\p{Zp}]+`, 'gv');

/** Whether a text has anything visible: one that looks empty is empty. */
export function isVisibleText(text: string): boolean {
  return SHOWN.test(text);
}

/** Whether a text can be a name: limited length, one line, nothing invisible. */
export function isName(text: unknown, max = 200): text is string {
  return (
    typeof text === 'string' && text.length <= max && isVisibleText(text) && (!UNSEEN.test(text) || !UNSEEN.test(text.replace(written, '')))
  );
}

/** A text on one line: line ends, control characters and invisible characters become spaces. */
export function singleLine(text: string): string {
  return text.replace(writtenOrStray, (_, kept: string | undefined) => kept ?? ' ');
}
