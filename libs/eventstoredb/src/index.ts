export { EventStoreDB, type EventStoreDBOptions } from './event-store-db.js';
