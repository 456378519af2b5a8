import type { Terminal } from '#platform';

/** Shows a prompt and waits for one key, without Enter. The prompt disappears afterwards. */
export type AskForKey = (prompt: string) => Promise<'next' | 'all' | 'quit'>;

export function keyPress({ prompt }: Terminal): AskForKey {
  return async (text) => {
    const { stdin } = process;
    const takeAway = prompt(text);
    stdin.setRawMode(true);
    stdin.resume();
    const key = await new Promise<string>((resolve) => stdin.once('data', (bytes: Buffer) => resolve(bytes.toString('utf8'))));
    stdin.setRawMode(false);
    stdin.pause();
    takeAway();
    // In raw mode Ctrl-C and Ctrl-D are keys like any other. Escape is one byte; arrow keys begin with it.
    if (['q', 'Q', '\u0003', '\u0004', '\u001b'].includes(key)) return 'quit';
    return key === 'a' || key === 'A' ? 'all' : 'next';
  };
}
