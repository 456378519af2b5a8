import config from './jest.config.js';

/** What is built, run as real processes that are killed in the middle: `npm run test:processes`. */
export default { ...config, roots: ['<rootDir>/test/crash'], testPathIgnorePatterns: ['/node_modules/'] };
