import { Controller, Get, Inject, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { verifierKeyText } from '#audit';
import { EventStore } from '#eventsourcing';
import { QueryParameters } from '#http';
import { readSealLog } from '#sealing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});

/** The seals of the log, for every principal: they can be compared with earlier ones. */
@Controller('v1/seals')
export class SealsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Get()
  @documented((openapi) => openapi.documentSeals())
  async seals(@Query(noQuery) _query: object, @Caller() caller: Asker) {
    unlessRefused(await this.queries.execute(new RunQuery(caller, queries.seals, {})));
    const { origin, keys, heads } = await readSealLog(this.store);
    const last = heads.at(-1);
    return {
      ...(origin === undefined ? {} : { origin }),
      keys: keys.map(({ key, note }) => ({ key: verifierKeyText(key), note })),
      ...(last === undefined ? {} : { head: { size: last.head.size, at: last.head.at, note: last.note } }),
    };
  }
}
