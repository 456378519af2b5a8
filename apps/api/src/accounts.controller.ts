import { Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore } from '#eventsourcing';
import { QueryParameters } from '#http';
import { type QueryOf } from '#platform';
import { type Asker, issueAccountLink, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { sentWith, taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});
const accountName = new PathName('account-not-found', 'There is no such account');

/** Accounts of people without an identity provider. Commands create and change them. */
@Controller('v1/accounts')
export class AccountsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('accounts'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.accounts, { limit, after })));
    return pageByName(['accounts'], query, read, ({ account }) => account);
  }

  @Get(':account')
  @documented((openapi) => openapi.documentRecord('account'))
  async one(
    @Param('account', accountName) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.account, { id }))));
  }

  /** A link for the account's owner to log in, or to set a password. */
  @Post(':account/links')
  @HttpCode(201)
  @documented((openapi) => openapi.documentAccountLink())
  async link(@Param('account', accountName) id: string, @Query(noQuery) _query: object, @Req() request: FastifyRequest) {
    return unlessRefused(await issueAccountLink(this.store, id, sentWith(request, `account-links/${id}`)));
  }
}
