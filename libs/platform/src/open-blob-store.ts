import type { BlobStore } from './blob-store.js';
import type { Config } from './config.js';
import { FolderBlobStore } from './folder-blob-store.js';

/**
 * Where attachments are kept: in the bucket that is configured, else in a folder.
 * @throws StoreUnavailable when that is out of reach
 */
export async function openBlobStore({ s3, attachmentsDir }: Pick<Config, 's3' | 'attachmentsDir'>): Promise<BlobStore> {
  if (s3 === undefined) return FolderBlobStore.open(attachmentsDir);
  // The client takes a while to load: only where there is a bucket.
  const { S3BlobStore } = await import('./s3-blob-store.js');
  return S3BlobStore.open(s3);
}
