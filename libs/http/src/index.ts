export * from './command-headers.js';
export * from './csv.js';
export * from './entity-tags.js';
export * from './http-server.js';
export { JsonBody } from './json-body.js';
export { isForeign, refuseForeignPages } from './origins.js';
export * from './problem.js';
export { problemOfStores, sendProblem } from './problem-filter.js';
export * from './query-parameters.js';
