export { DirectoryLocked, lockDirectory, LockDamaged } from './directory-lock.js';
export { BackupExists, BadCertificate, BadCredentials, NotLoopback, PortUnavailable } from './errors.js';
export { inspectFile, isLmdbError, PageDamaged, type Gap } from './inspection.js';
export { checkListener, isWildcard, portUnavailable, urlHost, type Certificate } from './listener.js';
export { serveThread, startInThread, type ThreadNode } from './thread.js';
