import { opening } from './opening.js';

describe('opening', () => {
  const closed: string[] = [];
  const closes = (what: string) => async () => void closed.push(what);
  afterEach(() => void closed.splice(0));

  it('closes the last opened first, and once', async () => {
    const opened = await opening(async (onClose) => {
      onClose(closes('first'));
      onClose(closes('second'));
      return { what: 'both' };
    });
    expect([opened.what, closed]).toEqual(['both', []]);
    await opened.close();
    await opened.close();
    expect(closed).toEqual(['second', 'first']);
  });

  it('closes what is open when the rest fails', async () => {
    const failing = opening(async (onClose) => {
      onClose(closes('first'));
      throw new Error('disk full');
    });
    await expect(failing).rejects.toThrow('disk full');
    expect(closed).toEqual(['first']);
  });
});
