/** Shows a prompt and waits for one key, without Enter. The prompt is gone afterwards. */
export async function askForKey(prompt: string): Promise<'next' | 'all' | 'quit'> {
  const { stdin, stdout } = process;
  stdout.write(`\u001b[2m${prompt}\u001b[0m`);
  stdin.setRawMode(true);
  stdin.resume();
  const key = await new Promise<string>((resolve) => stdin.once('data', (bytes: Buffer) => resolve(bytes.toString('utf8'))));
  stdin.setRawMode(false);
  stdin.pause();
  stdout.write('\r\u001b[K');
  // In raw mode Ctrl-C and Ctrl-D are keys like any other. Escape is one byte; arrow keys begin with it.
  if (['q', 'Q', '\u0003', '\u0004', '\u001b'].includes(key)) return 'quit';
  return key === 'a' || key === 'A' ? 'all' : 'next';
}
