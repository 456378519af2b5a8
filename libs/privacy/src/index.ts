export { KeyWrapping, MasterKeyFile } from './key-wrapping.js';
export { ERASED, PersonalEvents, UNREADABLE, WITHHELD } from './personal-events.js';
export { PersonalKeys, WrongMasterKey } from './personal-keys.js';
