export * from './commands.js';
export * from './ticket-events.js';
export * from './vocabulary.js';
