import { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res, StreamableFile } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Blob, BlobDamaged, BlobTooLarge } from '#blobs';
import { Problem, QueryParameters } from '#http';
import { JsonLog, type Parameter, type QueryOf } from '#platform';
import { SealedBlobs } from '#privacy';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

/** Where content is uploaded: the only route that accepts bodies other than JSON. */
export const ATTACHMENTS = 'v1/attachments';
/** Largest attachment in bytes. Larger content is stored elsewhere, and attached by its URL. */
export const ATTACHMENT_LIMIT = 10 * 1024 * 1024;

const mediaType: Parameter<string> = {
  parse: (text) => (/^[a-z0-9.+-]{1,100}\/[a-z0-9.+-]{1,100}$/i.test(text) ? text.toLowerCase() : undefined),
  rule: 'must be a media type such as text/plain (a + is written %2B)',
  description: 'Media type of the content; default: `application/octet-stream`. Content already stored keeps its media type.',
  schema: { type: 'string' },
};
const uploadQuery = { mediaType };
const readUploadQuery = new QueryParameters(uploadQuery);

/** An attachment in an answer, with the fields for AttachEvidence. */
export interface Attachment extends Blob {
  /** How evidence refers to it. */
  readonly url: string;
}

/** Small files that evidence refers to, stored by their content. */
@Controller(ATTACHMENTS)
export class AttachmentsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(SealedBlobs) private readonly blobs: SealedBlobs,
    @Inject(JsonLog) private readonly log: JsonLog,
  ) {}

  @Post()
  @HttpCode(201)
  @documented((openapi) => openapi.documentUpload())
  @documented((openapi) => openapi.documentQuery(readUploadQuery))
  async upload(
    @Query(readUploadQuery) query: QueryOf<typeof uploadQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ): Promise<Attachment> {
    unlessRefused(await this.queries.execute(new RunQuery(caller, queries.upload, {})));
    const expected = digestOf(request.headers['content-digest']);
    if (!(request.body instanceof Readable)) {
      throw Problem.of(
        'unsupported-media-type',
        'The body is the content itself, as application/octet-stream; its media type is a parameter',
      );
    }
    if (Number(request.headers['content-length'] ?? 0) > ATTACHMENT_LIMIT) throw tooLarge();
    try {
      const { isNew, ...blob } = await this.blobs.put(request.body as AsyncIterable<Uint8Array>, {
        mediaType: query.mediaType ?? 'application/octet-stream',
        limit: ATTACHMENT_LIMIT,
        expected,
      });
      void reply.code(isNew ? 201 : 200).header('Location', `/${ATTACHMENTS}/${blob.sha256}`);
      return { ...blob, url: `attachment:${blob.sha256}` };
    } catch (error) {
      if (error instanceof BlobTooLarge) throw tooLarge();
      if (error instanceof BlobDamaged) {
        throw new Problem('digest-mismatch', ticketProblems['digest-mismatch'], `The content does not match its digest: ${error.message}`, {
          faults: [{ field: 'Content-Digest', message: 'must be the digest of the content' }],
        });
      }
      throw error;
    }
  }

  @Get(':sha256')
  @documented((openapi) => openapi.documentAttachment())
  async download(
    @Param('sha256') sha256: string,
    @Query(new QueryParameters({})) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ): Promise<StreamableFile> {
    unlessRefused(await this.queries.execute(new RunQuery(caller, queries.attachment, { sha256 })));
    const blob = await this.blobs.get(sha256);
    if (blob === undefined)
      throw new Problem('attachment-not-found', ticketProblems['attachment-not-found'], 'There is no such attachment');
    void reply.headers({
      ETag: `"${blob.sha256}"`,
      // It may have to be erased.
      'Cache-Control': 'private, no-store',
      // It may be anything that someone sent: never a page of this site.
      'Content-Security-Policy': "sandbox; default-src 'none'",
    });
    return new StreamableFile(Readable.from(blob.content, { objectMode: false }), {
      type: blob.mediaType,
      length: blob.bytes,
      disposition: `attachment; filename="${blob.sha256}"`,
    }).setErrorLogger((error) => this.log.error({ err: error, sha256 }, 'an attachment could not be read completely'));
  }
}

function tooLarge(): Problem {
  return Problem.of(
    'body-too-large',
    `An attachment has at most ${ATTACHMENT_LIMIT / 1024 / 1024} MiB: store it elsewhere and attach its URL`,
  );
}

/** The SHA-256 of a Content-Digest header (RFC 9530), in hexadecimal. */
function digestOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const encoded = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(String(header))?.[1];
  if (encoded !== undefined) return Buffer.from(encoded, 'base64').toString('hex');
  throw Problem.of('invalid-header', 'Content-Digest must name a sha-256, such as sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:', {
    faults: [{ field: 'Content-Digest', message: 'must name a sha-256 in base64, between colons' }],
  });
}
