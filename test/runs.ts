/**
 * How often a property is tried: a fourth of the times in the quick run, all of them where a `*.long.spec.ts` takes in the spec
 * (`npm run test:long`).
 */
export const runs = (all: number): number => (/\.long\.spec\.ts$/.test(expect.getState().testPath ?? '') ? all : Math.ceil(all / 4));
