import { Problem } from './problem.js';
import { countedAddress, RateLimits } from './rate-limits.js';

const config = { person: 0, service: 3, address: 0, failures: 2 };

/** What an answer is told in headers, or is refused with. */
async function taken(limits: RateLimits, who: string, weight?: number) {
  const headers: Record<string, unknown> = {};
  const refused = await limits.take({ headers: (more) => Object.assign(headers, more) as never }, 'service', who, weight).then(
    () => undefined,
    (problem: Problem) => problem,
  );
  return { headers, refused };
}

const waitOf = (limits: RateLimits, address: string) =>
  limits.refuseWaiting(address).then(
    () => 0,
    ({ headers }: Problem) => Number(headers['Retry-After']),
  );

describe('rate limits', () => {
  it('report what is left, and refuse anything beyond', async () => {
    const limits = new RateLimits(config);
    const left: unknown[] = [];
    for (let request = 0; request < 3; request++) left.push((await taken(limits, 'a')).headers['RateLimit']);
    expect(left).toEqual([2, 1, 0].map((remaining) => expect.stringMatching(`^"service";r=${remaining};t=\\d+$`) as string));
    const { refused, headers } = await taken(limits, 'a');
    expect(refused).toMatchObject({
      code: 'rate-limited',
      kind: { status: 429 },
      headers: { 'Retry-After': expect.stringMatching(/^\d+$/) as string },
    });
    expect(headers['RateLimit-Policy']).toBe('"service";q=3;w=60');
    expect((await taken(limits, 'b')).refused).toBeUndefined();
  });

  it('count a batch as many, and let nothing wait forever that exceeds the whole limit', async () => {
    const limits = new RateLimits(config);
    expect((await taken(limits, 'a', 100)).refused).toBeUndefined();
    expect((await taken(limits, 'a')).refused).toBeInstanceOf(Problem);
  });

  it('are none where they are 0', async () => {
    const limits = new RateLimits({ person: 0, service: 0, address: 0, failures: 0 });
    expect(await taken(limits, 'a')).toEqual({ headers: {}, refused: undefined });
    for (let failure = 0; failure < 100; failure++) await limits.noteFailure('192.0.2.1');
    expect(await waitOf(limits, '192.0.2.1')).toBe(0);
  });

  it('slow down an address that fails, and no other', async () => {
    const limits = new RateLimits(config);
    const waits: number[] = [];
    for (let failure = 0; failure < 10; failure++) {
      await limits.noteFailure('192.0.2.1');
      waits.push(await waitOf(limits, '192.0.2.1'));
    }
    expect(waits).toEqual([0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(await waitOf(limits, '192.0.2.2')).toBe(0);
  });
});

describe('an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['unknown', 'unknown'],
  ])('%s counts as %s', (address, counted) => {
    expect(countedAddress(address)).toBe(counted);
  });
});
