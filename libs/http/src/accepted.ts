/** The first of some media types that a request accepts; undefined if it names none of them. */
export function accepted<Type extends string>(accept: string | undefined, types: readonly Type[]): Type | undefined {
  const named = (accept ?? '').split(',').map((part) => part.split(';', 1)[0]?.trim().toLowerCase());
  return types.find((type) => named.includes(type));
}
