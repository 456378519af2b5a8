import fc from 'fast-check';
import { entriesIn } from './json-size.js';

const bytes = (json: string) => Buffer.from(json);

/** The same, on the value. */
function counted(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const within = Object.values(value);
  return Math.max(within.length, 1) + within.reduce<number>((sum, each) => sum + counted(each), 0);
}

describe('entriesIn', () => {
  it('counts fields and items, however they are written', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2), (json, indent) => {
        const value: unknown = JSON.parse(json);
        expect(entriesIn(bytes(JSON.stringify(value, null, indent)), Infinity)).toBe(counted(value));
      }),
    );
  });

  it('finds no fields inside strings', () => {
    expect(entriesIn(bytes('{"a": "[{,,,}]\\\\\\",,,\\""}'), Infinity)).toBe(1);
  });

  it('reads no further than it has to', () => {
    const read: number[] = [];
    const many = new Proxy(bytes(`[${'1,'.repeat(1_000)}1]`), {
      get: (target, key) => {
        if (typeof key === 'string' && /^\d+$/.test(key)) read.push(Number(key));
        return Reflect.get(target, key, target) as unknown;
      },
    });
    expect(entriesIn(many, 10)).toBe(11);
    expect(read.at(-1)).toBe(20);
  });
});
