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

/** A bucket of Amazon S3, or of a store that speaks its protocol. */
export interface S3Bucket {
  readonly bucket: string;
  readonly region: string;
  /** Where the store is; Amazon's unless given. */
  readonly endpoint?: string;
  /** Unless given, those that Amazon's client finds: in its own variables and files, or of the machine that it runs on. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/**
 * A bucket of an S3-compatible store: several processes may share it. `attachments/ab12…` is content, with its media type. An object
 * appears as a whole or not at all, and the store checks its hash, which each request signs.
 *
 * On Amazon's own client, large as it is (20 MB on the disk): whoever defines the protocol keeps it up, and it finds keys wherever Amazon
 * puts them: in variables, files, roles of machines. It is loaded only where a bucket is configured.
 */
export class S3BlobStore extends BlobStore {
  private constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    /** Where content is until it is known what to call it. */
    private readonly incoming: string,
  ) {
    super();
  }

  /** @throws StoreUnavailable when the bucket is out of reach, is not there, or may not be read */
  static async open({ endpoint, region, bucket, credentials }: S3Bucket): Promise<S3BlobStore> {
    // The client would say on standard error, where the log is, that versions to come need a newer Node.
    process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
    const client = new S3Client({
      region,
      // Buckets are parts of the path: stores other than Amazon's have no name in the DNS for each.
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(credentials === undefined ? {} : { credentials }),
      maxAttempts: 2,
      // Not all stores know the newer checksums; the SHA-256 that is signed protects the content as well.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // What goes wrong is thrown, and logged by whoever catches it.
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
   * False when somebody else was faster.
   * @param conditional whoever was faster keeps the media type that they gave; some stores know no conditions, and the last one wins there
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

/** The status of an answer that the client made an error of. */
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
 * An answer of the bucket; undefined when its status is one of those that say no.
 * @throws StoreUnavailable for whatever else goes wrong: nothing that it does not do is the sender's fault
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
