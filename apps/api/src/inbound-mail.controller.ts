import { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore } from '#eventsourcing';
import { Problem, QueryParameters } from '#http';
import type { TakenMail } from '#inbound-mail';
import type { QueryOf } from '#platform';
import { PersonalKeys, SealedBlobs } from '#privacy';
import { elsewhere, seesClient } from '#ticketing';
import { type Asker, openMail, queries, ReadModels } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller, callerOf } from './caller.js';
import { documented } from './documented.js';
import { pageByName, pageParameters } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

/** Where messages are sent to. */
const INBOUND_MAIL = 'v1/inbound-mail';
export const INBOUND_MAIL_OF_CLIENT = `/${INBOUND_MAIL}/:client`;
export const MAIL_TYPE = 'message/rfc822';

/** Addresses from which this product sends mail. */
export const OWN_ADDRESSES = Symbol('own addresses');

const noQuery = new QueryParameters({});
const readListQuery = new QueryParameters(pageParameters);

/** Incoming e-mails: they open tickets, or are replies to them. */
@Controller(INBOUND_MAIL)
export class InboundMailController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(ReadModels) private readonly models: ReadModels,
    @Inject(SealedBlobs) private readonly blobs: SealedBlobs,
    @Inject(PersonalKeys) private readonly keys: PersonalKeys,
    @Inject(OWN_ADDRESSES) private readonly own: readonly string[],
  ) {}

  @Post(':client')
  @HttpCode(200)
  @documented((openapi) => openapi.documentMail())
  async take(
    @Param('client', new PathName('contract-not-found', 'There is no such client')) client: string,
    @Query(noQuery) _query: object,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ): Promise<TakenMail> {
    unlessRefused(await this.queries.execute(new RunQuery(caller, queries.takeMail, {})));
    const { principal } = callerOf(request);
    if (!seesClient(principal, client)) unlessRefused(elsewhere());
    if (!(request.body instanceof Readable)) throw Problem.of('unsupported-media-type', `The body is the message itself, as ${MAIL_TYPE}`);
    // The mail parser is loaded with the first message.
    const { MAIL_LIMIT, takeMail } = await import('#inbound-mail');
    const raw = await whole(request.body as AsyncIterable<Uint8Array>, MAIL_LIMIT);
    const { store, blobs, keys, own } = this;
    const receiving = { principal, correlationId: request.correlationId, clientOf: () => client, own };
    const taken = unlessRefused(await takeMail({ store, db: this.models.db, blobs, keys }, raw, receiving));
    if (taken.outcome === 'opened') void reply.code(201).header('Location', `/v1/tickets/${taken.ticketId}`);
    return taken;
  }

  @Get()
  @documented((openapi) => openapi.documentMailAside())
  @documented((openapi) => openapi.documentQuery(readListQuery))
  aside(@Query(readListQuery) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) => {
      const { items, more } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.mailAside, { limit, after })));
      return { items: await Promise.all(items.map((found) => openMail(this.keys, found))), more };
    };
    return pageByName(['inbound-mail'], query, read, ({ mail }) => mail);
  }
}

/** @throws Problem body-too-large */
async function whole(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > limit) throw Problem.of('body-too-large', `A message has at most ${limit / 1024 / 1024} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
