export { auditLog, type LogAudit } from './audit-log.js';
export { exportPack, NothingToExport, type PackRequest } from './export-pack.js';
export { LogTree, TreeOfOtherLog } from './log-tree.js';
export { nativeEd25519, nativeSha256 } from './native.js';
export { publishedHeads, publishingOf, type Publishing, type Witness } from './publish.js';
export { LogContradictsSeal, seal, type Sealed } from './seal.js';
export { readSealLog, type SealEvents, type SealLog, SealLogBroken } from './seal-log.js';
export { rotateKey, sealingKeyIn, SealingKeyUnusable } from './sealing-key.js';
export { type Sealer, startSealer } from './sealer.js';
