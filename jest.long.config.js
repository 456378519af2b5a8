import config from './jest.config.js';

/** What takes minutes: real processes that are killed, every recording, damage at every place. `npm run test:long`. */
export default {
  ...config,
  testMatch: ['<rootDir>/test/crash/*.spec.ts', '**/*.long.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  // These keep a core busy each.
  maxWorkers: '100%',
};
