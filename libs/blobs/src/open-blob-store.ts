import type { BlobStore } from './blob-store.js';
import { FolderBlobStore } from './folder-blob-store.js';
import type { S3Bucket } from './s3-blob-store.js';

export interface BlobPlaces {
  /** The bucket, if configured. */
  readonly s3?: S3Bucket;
  readonly attachmentsDir: string;
}

/**
 * Storage of attachments: the configured bucket, or a folder.
 * @throws StoreUnavailable if it cannot be reached
 */
export async function openBlobStore({ s3, attachmentsDir }: BlobPlaces): Promise<BlobStore> {
  if (s3 === undefined) return FolderBlobStore.open(attachmentsDir);
  // The client is slow to load: only if there is a bucket.
  const { S3BlobStore } = await import('./s3-blob-store.js');
  return S3BlobStore.open(s3);
}
