import { readFileSync } from 'node:fs';

interface Locked {
  readonly link?: boolean;
  readonly integrity?: string;
}

describe('package-lock.json', () => {
  it('has a hash of every package, those for other platforms included', () => {
    const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
      readonly packages: Readonly<Record<string, Locked>>;
    };
    const installed = Object.entries(packages).filter(([path, { link }]) => path.includes('node_modules/') && link !== true);
    expect(installed.length).toBeGreaterThan(100);
    expect(installed.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path)).toEqual([]);
  });
});
