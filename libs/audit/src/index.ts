export * from './bytes.js';
export * from './canonical-json.js';
export * from './chain.js';
export * from './event-record.js';
export * from './merkle.js';
export * from './signed-note.js';
export * from './tree-head.js';
