export * from './public-log.js';
