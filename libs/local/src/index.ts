export { CannotStart, DataDirLocked, portTaken } from './cannot-start.js';
export { type Connections, connectStores } from './connect-stores.js';
export { type Closable, opening } from './opening.js';
export { runProgram, type Running } from './program.js';
export { readRunFile, type RunFile } from './run-file.js';
export { type Standalone, startStandalone } from './standalone.js';
export { openStores, type Stores } from './stores.js';
export { administratorKeyIn } from './administrator-key.js';
export { type ApiParts, startApiThread, startWorkerThread, type WorkerParts } from './threads.js';
