import { availableParallelism } from 'node:os';

/**
 * The packages of many files, which all that starts an API, a worker or a store loads. Others are loaded anew for each spec: some keep a register of our
 * classes, some ask whether an object is a plain one of their own realm.
 */
const SHARED = [
  ...['@aws-sdk', '@eventstore', '@grpc', '@nestjs/(common|core|cqrs|platform-fastify)', '@smithy', 'bson', 'fastify', 'google-protobuf'],
  ...['libphonenumber-js', 'mongodb', 'rate-limiter-flexible', 'reflect-metadata', 'rxjs', 'semver', 'typescript', 'uuid', 'validator'],
];

/** @type {import('jest').Config} */
export default {
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  // What takes minutes has a run of its own: `npm run test:long`.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/crash/', '\\.long\\.spec\\.ts$'],
  testEnvironment: '<rootDir>/test/environment.js',
  // Many suites wait for disks and processes: with one worker more than cores, none is idle on a small machine.
  maxWorkers: availableParallelism() + 1,
  // Far more than a test takes: machines may be busy. Longer than `eventually` waits, whose error says more.
  testTimeout: 2 * Number(process.env.TEST_PATIENCE_MS ?? 60_000),
  // A worker that has run many specs takes most of a second to end, on a busy machine more. One that takes longer than this holds something open.
  workerGracefulExitTimeout: 15_000,
  // Our libraries are read from their sources, so that tests need no build (see "imports" in package.json).
  testEnvironmentOptions: {
    customExportConditions: ['tierline-source', 'node', 'node-addons'],
    // What is shared with jest's own realm stays as it is when a spec ends.
    globalsCleanup: 'off',
  },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    [`/node_modules/(${SHARED.join('|')})/.+\\.[cm]?js$`]: '<rootDir>/test/shared-packages.js',
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
        module: { type: 'es6' },
        // Beside the code: within it they would be read and parsed along for each spec.
        sourceMaps: true,
      },
    ],
  },
  transformIgnorePatterns: [],
};
