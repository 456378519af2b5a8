import { fileURLToPath } from 'node:url';
import config from './jest.config.js';

/**
 * The suites that meet the real clock, on another day and at another time of day: `npm run test:another-day`, which no test may notice.
 */
const shift = fileURLToPath(new URL('./test/another-day.cjs', import.meta.url));
// jest's own processes and their threads are started as this one was, with `--require`; programs that specs start are told here.
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --require=${JSON.stringify(shift)}`.trim();

export default {
  ...config,
  roots: ['<rootDir>/apps', '<rootDir>/libs/mongo', '<rootDir>/libs/ticketing-app', '<rootDir>/libs/ticketing-nest', '<rootDir>/test'],
};
