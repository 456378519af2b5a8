import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyRequest } from 'fastify';
import { JsonBody, QueryParameters } from '#http';
import { AddPasskey, ConfirmTotp, GiveCode } from '#ticketing';
import { Accounts, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller, type Known } from './caller.js';
import { documented } from './documented.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});

/** The account that someone is logged in to, and its second factors. */
@Controller('v1/own-account')
export class OwnAccountController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(Accounts) private readonly accounts: Accounts,
  ) {}

  @Get()
  @documented((openapi) => openapi.documentOwnAccount())
  async account(@Query(noQuery) _query: object, @Caller() caller: Known) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.ownAccount, { id: caller.account })));
  }

  @Post('totp')
  @HttpCode(200)
  @documented((openapi) => openapi.documentBeginTotp())
  async beginTotp(@Query(noQuery) query: object, @Caller() caller: Known) {
    const { account } = await this.account(query, caller);
    return unlessRefused(await this.accounts.beginTotp(account));
  }

  @Post('totp/confirmation')
  @HttpCode(200)
  @documented((openapi) => openapi.documentConfirmTotp())
  async confirmTotp(
    @Body(new JsonBody(ConfirmTotp)) body: ConfirmTotp,
    @Query(noQuery) query: object,
    @Req() request: FastifyRequest,
    @Caller() caller: Known,
  ) {
    const { account } = await this.account(query, caller);
    return unlessRefused(await this.accounts.confirmTotp(account, body, contextOf(caller, request)));
  }

  @Post('totp/removal')
  @HttpCode(204)
  @documented((openapi) => openapi.documentRemoveTotp())
  async removeTotp(
    @Body(new JsonBody(GiveCode)) { code }: GiveCode,
    @Query(noQuery) query: object,
    @Req() request: FastifyRequest,
    @Caller() caller: Known,
  ): Promise<void> {
    const { account } = await this.account(query, caller);
    unlessRefused(await this.accounts.removeTotp(account, code, contextOf(caller, request)));
  }

  @Post('passkeys/options')
  @HttpCode(200)
  @documented((openapi) => openapi.documentBeginPasskey())
  async beginPasskey(@Query(noQuery) query: object, @Caller() caller: Known) {
    const { account } = await this.account(query, caller);
    return unlessRefused(await this.accounts.beginPasskey(account));
  }

  @Post('passkeys')
  @HttpCode(201)
  @documented((openapi) => openapi.documentAddPasskey())
  async addPasskey(
    @Body(new JsonBody(AddPasskey)) body: AddPasskey,
    @Query(noQuery) query: object,
    @Req() request: FastifyRequest,
    @Caller() caller: Known,
  ) {
    const { account } = await this.account(query, caller);
    return unlessRefused(await this.accounts.addPasskey(account, body, contextOf(caller, request)));
  }

  @Delete('passkeys/:passkey')
  @HttpCode(204)
  @documented((openapi) => openapi.documentRemovePasskey())
  async removePasskey(
    @Param('passkey', new PathName('passkey-not-found', 'There is no such passkey')) passkey: string,
    @Query(noQuery) query: object,
    @Req() request: FastifyRequest,
    @Caller() caller: Known,
  ): Promise<void> {
    const { account } = await this.account(query, caller);
    unlessRefused(await this.accounts.removePasskey(account, passkey, contextOf(caller, request)));
  }
}

/** Challenges for logging in with a passkey. */
@Controller('v1/passkey-challenges')
export class PasskeyChallengesController {
  constructor(@Inject(Accounts) private readonly accounts: Accounts) {}

  @Post()
  @HttpCode(200)
  @documented((openapi) => openapi.documentPasskeyChallenge())
  challenge(@Query(noQuery) _query: object) {
    return this.accounts.challenge();
  }
}

function contextOf({ principal }: Known, { correlationId }: FastifyRequest) {
  return { principal, correlationId };
}
