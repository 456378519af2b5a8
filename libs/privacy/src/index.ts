export { AttachmentKeys } from './attachment-keys.js';
export { forgetErased } from './forget-erased.js';
export { KeyWrapping, MasterKeyFile } from './key-wrapping.js';
export { PersonalEvents, UNREADABLE, WITHHELD } from './personal-events.js';
export { type DataKey, type Destroyed, type KeyOwner, PersonalKeys, streamsWithKeys, WrongMasterKey } from './personal-keys.js';
export { SealedBlobs } from './sealed-blobs.js';
export { openBox, type SealedBox, sealBox } from './sealed-box.js';
