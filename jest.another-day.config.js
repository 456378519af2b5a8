import { fileURLToPath } from 'node:url';
import config from './jest.config.js';

/**
 * The suites that meet the real clock, on another day and at another time of day: `npm run test:another-day`, which no test may notice.
 * TEST_DAYS_AHEAD says how many days ahead, or behind if negative.
 */
process.env.TEST_DAYS_AHEAD ??= '365.25';
const shift = fileURLToPath(new URL('./test/another-day.cjs', import.meta.url));
// Child processes and threads too: the embedded nodes, the worker, jest's own.
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --require=${JSON.stringify(shift)}`.trim();

export default {
  ...config,
  roots: ['<rootDir>/apps', '<rootDir>/libs/mongo', '<rootDir>/libs/ticketing-nest', '<rootDir>/test'],
  // The clock that is replaced in a realm goes with it.
  testEnvironmentOptions: { ...config.testEnvironmentOptions, globalsCleanup: 'off' },
  setupFiles: [shift],
};
