import type { BlobStore } from './blob-store.js';
import { FolderBlobStore } from './folder-blob-store.js';
import type { S3Bucket } from './s3-blob-store.js';

export interface BlobPlaces {
  /** Where they are kept if given. */
  readonly s3?: S3Bucket;
  readonly attachmentsDir: string;
}

/**
 * Where attachments are kept: in the bucket that is configured, else in a folder.
 * @throws StoreUnavailable when that is out of reach
 */
export async function openBlobStore({ s3, attachmentsDir }: BlobPlaces): Promise<BlobStore> {
  if (s3 === undefined) return FolderBlobStore.open(attachmentsDir);
  // The client takes a while to load: only where there is a bucket.
  const { S3BlobStore } = await import('./s3-blob-store.js');
  return S3BlobStore.open(s3);
}
