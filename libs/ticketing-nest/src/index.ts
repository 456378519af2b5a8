export * from './contracts.js';
export { ReadModels, reached, viewPosition } from './read-models.js';
export { type SentContext } from './run-command.js';
export * from './run-ticket-command.js';
export * from './ticket-list-query.js';
export * from './simulate.js';
export * from './ticket-autopsy.js';
export * from './ticket-queries.js';
export { TicketingModule } from './ticketing.module.js';
