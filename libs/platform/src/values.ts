/** A word of printable ASCII; undefined for what is none. */
export function word(text: string): string | undefined {
  return /^[\x21-\x7e]{1,1024}$/.test(text) ? text : undefined;
}

/** Values with commas between them; undefined where one of them is none. */
export function listOf<Item>(text: string, parse: (text: string) => Item | undefined): Item[] | undefined {
  const items = text.split(',').map((one) => parse(one.trim()));
  return items.every((item) => item !== undefined) ? items : undefined;
}
