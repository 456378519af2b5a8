export * from './config.js';
export * from './logging.js';
export * from './terminal.js';
