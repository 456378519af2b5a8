/** A sign that shows something: no space, no control, no format sign, and none that is drawn as nothing. */
export const SHOWN = /[^\s\p{Z}\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]/u;
/** Ends of lines, controls, direction signs, and signs that nobody sees. Two names that differ in these alone look the same. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Whether a reader sees anything of a text: one that looks empty is empty. */
export function saysSomething(text: string): boolean {
  return SHOWN.test(text);
}

/** Whether a text can name something: of up to so many characters, on one line, with nothing in it that is not seen. */
export function isName(text: unknown, max = 200): text is string {
  return typeof text === 'string' && text.length <= max && saysSomething(text) && !UNSEEN.test(text);
}
