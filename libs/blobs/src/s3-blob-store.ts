import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { StoreUnavailable } from '#eventsourcing';
import { type AboutBlob, type Blob, BlobStore, checked, isDigest, reachable, spool } from './blob-store.js';

/** A bucket of Amazon S3, or of a compatible store. */
export interface S3Bucket {
  readonly bucket: string;
  readonly region: string;
  /** Endpoint of the store; default: Amazon's. */
  readonly endpoint?: string;
  /** Default: those that Amazon's client finds, in its own variables and files, or of the machine it runs on. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/**
 * A bucket of an S3-compatible store, which several processes may share. `attachments/ab12…` is content, with its media type. An object
 * appears completely or not at all, and the store checks its hash, which each request signs.
 *
 * Based on Amazon's own client, although it is large (20 MB on disk): the author of the protocol maintains it, and it finds keys wherever
 * Amazon puts them: in variables, files, roles of machines. Loaded only if a bucket is configured.
 */
export class S3BlobStore extends BlobStore {
  private constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    /** Where content is kept until its name is known. */
    private readonly incoming: string,
  ) {
    super();
  }

  /** @throws StoreUnavailable if the bucket cannot be reached, does not exist, or may not be read */
  static async open({ endpoint, region, bucket, credentials }: S3Bucket): Promise<S3BlobStore> {
    // Otherwise the client warns on standard error, where the log is, that future versions need a newer Node.
    process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
    const client = new S3Client({
      region,
      // Buckets are part of the path: stores other than Amazon's have no DNS name for each.
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(credentials === undefined ? {} : { credentials }),
      maxAttempts: 2,
      // Not all stores know the newer checksums; the signed SHA-256 also protects the content.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // Failures are thrown, and logged by whoever catches them.
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      requestHandler: { connectionTimeout: 3_000, socketTimeout: 15_000, requestTimeout: 30_000, throwOnRequestTimeout: true },
    });
    try {
      await answered(client.send(new HeadBucketCommand({ Bucket: bucket })));
    } catch (error) {
      client.destroy();
      throw error;
    }
    return new S3BlobStore(client, bucket, await reachable(() => mkdtemp(join(tmpdir(), 'tierline-attachments-'))));
  }

  async put(content: AsyncIterable<Uint8Array>, { mediaType, ...bounds }: AboutBlob): Promise<Blob & { readonly isNew: boolean }> {
    const path = join(this.incoming, randomUUID());
    try {
      const { sha256, bytes } = await spool(path, content, bounds);
      const known = await this.about(sha256);
      if (known !== undefined) return { ...known, isNew: false };
      const isNew = await this.#write(path, { sha256, bytes, mediaType });
      const kept = isNew ? { sha256, bytes, mediaType } : await this.about(sha256);
      if (kept === undefined) throw new StoreUnavailable('the bucket of attachments: others were writing the same content');
      return { ...kept, isNew };
    } finally {
      await rm(path, { force: true });
    }
  }

  /**
   * False if another writer was faster.
   * @param conditional the faster writer's media type is kept; some stores do not support conditions, and the last writer wins there
   */
  async #write(path: string, { sha256, bytes, mediaType }: Blob, conditional = true): Promise<boolean> {
    const body = createReadStream(path);
    try {
      const command = new PutObjectCommand({
        ...this.#place(sha256),
        Body: body,
        ContentLength: bytes,
        ContentType: mediaType,
        ...(conditional ? { IfNoneMatch: '*' } : {}),
      });
      command.middlewareStack.add(
        (next) => (args) => {
          (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256;
          return next(args);
        },
        { step: 'build', name: 'signContent' },
      );
      return (await answered(this.client.send(command), [409, 412])) !== undefined;
    } catch (error) {
      if (conditional && statusOf((error as Error).cause) === NOT_IMPLEMENTED)
        return await this.#write(path, { sha256, bytes, mediaType }, false);
      throw error;
    } finally {
      body.destroy();
    }
  }

  async get(sha256: string): Promise<(Blob & { readonly content: AsyncIterable<Uint8Array> }) | undefined> {
    if (!isDigest(sha256)) return undefined;
    const found = await answered(this.client.send(new GetObjectCommand(this.#place(sha256))), [404]);
    return found && { ...blobOf(sha256, found), content: checked(found.Body as Readable, sha256) };
  }

  async remove(sha256: string): Promise<void> {
    await answered(this.client.send(new DeleteObjectCommand(this.#place(sha256))), [404]);
  }

  override async close(): Promise<void> {
    this.client.destroy();
    await rm(this.incoming, { recursive: true, force: true });
  }

  async about(sha256: string): Promise<Blob | undefined> {
    if (!isDigest(sha256)) return undefined;
    const found = await answered(this.client.send(new HeadObjectCommand(this.#place(sha256))), [404]);
    return found && blobOf(sha256, found);
  }

  #place(sha256: string) {
    return { Bucket: this.bucket, Key: `attachments/${sha256}` };
  }
}

const NOT_IMPLEMENTED = 501;

/** The status of an answer that the client turned into an error. */
function statusOf(error: unknown): number | undefined {
  return (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

function blobOf(
  sha256: string,
  {
    ContentLength = 0,
    ContentType = 'application/octet-stream',
  }: { readonly ContentLength?: number | undefined; readonly ContentType?: string | undefined },
): Blob {
  return { sha256, bytes: ContentLength, mediaType: ContentType };
}

/**
 * An answer of the bucket; undefined if its status is one of those that mean no.
 * @throws StoreUnavailable for any other failure: the bucket's failures are never the sender's fault
 */
async function answered<Answer>(answer: Promise<Answer>, saysNo: readonly number[] = []): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    const { name, message } = error as Error;
    const status = statusOf(error);
    if (status !== undefined && saysNo.includes(status)) return undefined;
    throw new StoreUnavailable(
      `the bucket of attachments: ${[status, name === 'Error' ? undefined : name, message].filter(Boolean).join(' ')}`,
      {
        cause: error,
      },
    );
  }
}
