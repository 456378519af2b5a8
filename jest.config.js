import { availableParallelism } from 'node:os';

/** @type {import('jest').Config} */
export default {
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  // What takes minutes has a run of its own: `npm run test:long`.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/crash/', '\\.long\\.spec\\.ts$'],
  testEnvironment: 'node',
  // Many suites wait for disks and processes: with one worker more than cores, none is idle on a small machine.
  maxWorkers: availableParallelism() + 1,
  // Far more than a test takes: machines may be busy. Longer than `eventually` waits, whose error says more.
  testTimeout: 2 * Number(process.env.TEST_PATIENCE_MS ?? 60_000),
  // Our libraries are read from their sources, so that tests need no build (see "imports" in package.json).
  testEnvironmentOptions: { customExportConditions: ['tierline-source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};
