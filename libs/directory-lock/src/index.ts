export { DirectoryLocked, lockDirectory } from './directory-lock.js';
