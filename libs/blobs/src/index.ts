export { type AboutBlob, type Blob, BlobDamaged, BlobStore, BlobTooLarge } from './blob-store.js';
export { FolderBlobStore } from './folder-blob-store.js';
export { type BlobPlaces, openBlobStore } from './open-blob-store.js';
export type { S3Bucket } from './s3-blob-store.js';
