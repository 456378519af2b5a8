import { Controller, Get, Inject, Query } from '@nestjs/common';
import { verifierKeyText } from '#audit';
import { EventStore } from '#eventsourcing';
import { QueryParameters } from '#http';
import { readSealLog } from '#sealing';
import { documented } from './documented.js';

const noQuery = new QueryParameters({});

/** The seals of the log: public, so that anybody can compare them with what they had before. */
@Controller('v1/seals')
export class SealsController {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  @Get()
  @documented((openapi) => openapi.documentSeals())
  async seals(@Query(noQuery) _query: object) {
    const { origin, keys, heads } = await readSealLog(this.store);
    const last = heads.at(-1);
    return {
      ...(origin === undefined ? {} : { origin }),
      keys: keys.map(({ key, note }) => ({ key: verifierKeyText(key), note })),
      ...(last === undefined ? {} : { head: { size: last.head.size, at: last.head.at, note: last.note } }),
    };
  }
}
