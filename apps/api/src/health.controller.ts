import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { EventStore } from '#eventsourcing';
import { formatPosition } from '#platform';
import { projections } from '#ticketing';
import { reached, ReadModels, viewPosition } from '#ticketing-nest';

const PATIENCE_MS = 2_000;

/** How far a view is behind the log. */
interface ViewHealth {
  /** Everything up to here is in the view; absent when nothing is yet. */
  readonly position?: string;
  /** Age of the oldest event that the view has not seen, in milliseconds; 0 when it has seen all. */
  readonly lagMs: number;
}

/** Whether the process lives, and whether it can do its work. */
@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(ReadModels) private readonly models: ReadModels,
  ) {}

  @Get('live')
  @ApiOperation({ operationId: 'live', summary: 'Whether the process answers' })
  @ApiResponse({ status: 200, description: 'It does' })
  live() {
    return { status: 'up' };
  }

  @Get('ready')
  @ApiOperation({ operationId: 'ready', summary: 'Whether the stores are within reach, and how far the views are behind' })
  @ApiResponse({ status: 200, description: 'Both stores are within reach' })
  @ApiResponse({ status: 503, description: 'A store is out of reach' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const [eventStore, readModels] = await Promise.all([this.#eventStoreAnswers(), this.#readModelsAnswer()]);
    const up = eventStore && readModels;
    void reply.code(up ? 200 : 503);
    return {
      status: up ? 'up' : 'down',
      stores: { eventStore: eventStore ? 'up' : 'down', readModels: readModels ? 'up' : 'down' },
      ...(up
        ? { views: Object.fromEntries(await Promise.all(projections.map(async ({ name, streamPrefix }) => [name, await this.#view(name, streamPrefix)] as const))) }
        : {}),
    };
  }

  #eventStoreAnswers(): Promise<boolean> {
    return answers(async () => {
      // No such stream is an answer too.
      for await (const _ of this.store.readStream('health-check')) break;
    });
  }

  #readModelsAnswer(): Promise<boolean> {
    return answers(() => reached(this.models.db.command({ ping: 1 })));
  }

  async #view(name: string, streamPrefix: string): Promise<ViewHealth> {
    const position = await viewPosition(this.models, name);
    let lagMs = 0;
    for await (const { metadata } of this.store.readAll({ streamPrefixes: [streamPrefix] }, position)) {
      lagMs = Math.max(0, Date.now() - Date.parse(metadata.recordedAt));
      break;
    }
    return position === undefined ? { lagMs } : { position: formatPosition(position), lagMs };
  }
}

/** Whether a store answers soon. */
async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  const patience = new AbortController();
  const tooLate = new Promise<false>((resolve) => {
    const timer = setTimeout(() => resolve(false), PATIENCE_MS);
    patience.signal.addEventListener('abort', () => clearTimeout(timer));
  });
  const answered = ask().then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([answered, tooLate]);
  } finally {
    patience.abort();
  }
}
