export * from './config.js';
export * from './logging.js';
export * from './parameters.js';
export * from './terminal.js';
