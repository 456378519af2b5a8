export interface Closable {
  close(): Promise<void>;
}

/**
 * Opens several things. The functions given to `onClose` are called by the result's `close`, last one first, and at once if opening the
 * rest fails.
 * @throws what opening throws
 */
export async function opening<Opened extends object>(
  open: (onClose: (close: () => Promise<unknown>) => void) => Promise<Opened>,
): Promise<Opened & Closable> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const next of closing.splice(0).reverse()) await next();
  };
  try {
    return { ...(await open((next) => void closing.push(next))), close };
  } catch (error) {
    await close();
    throw error;
  }
}
