import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { EventStore, formatPosition } from '#eventsourcing';
import { policies, projectionGroups } from '#ticketing';
import { sealingHealth } from '#sealing';
import {
  databaseAnswer,
  followersOfOtherLog,
  groupHealth,
  healthOfDeliveries,
  policyHealth,
  ReadModels,
  sealedCategories,
} from '#ticketing-app';
import { documented } from './documented.js';

const PATIENCE_MS = 2_000;

/** The condition of a view or policy, in any process. */
interface Progress {
  /** `failing`: the failure in `trouble` is being retried; `stopped`: no process has it. */
  readonly state: 'running' | 'failing' | 'stopped';
  /** It has processed everything up to here; absent if nothing yet. */
  readonly position?: string;
  /** Age of the oldest unprocessed event, in milliseconds; 0 if there is none; null if it has followed another log. */
  readonly lagMs: number | null;
  /** For a view: how soon after their recording the latest events were visible, in milliseconds. */
  readonly freshness?: { readonly p50: number; readonly p99: number };
  readonly trouble?: { readonly message: string; readonly at: string; readonly code?: 'other-log' };
}

/** Whether the process is alive, and whether it can do its work. */
@Controller('health')
export class HealthController {
  constructor(
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(ReadModels) private readonly models: ReadModels,
  ) {}

  @Get('live')
  @documented((openapi) => openapi.documentHealth('live'))
  live() {
    return { status: 'up' };
  }

  @Get('ready')
  @documented((openapi) => openapi.documentHealth('ready'))
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const [eventStore, readModels] = await Promise.all([this.#eventStoreAnswers(), this.#readModelsAnswer()]);
    const up = eventStore && readModels;
    const isOtherLog = up && (await this.#isOtherLog());
    const sealing = up ? await sealingHealth(this.models.db, this.store, sealedCategories) : undefined;
    void reply.code(up && !isOtherLog ? 200 : 503);
    return {
      status: up && !isOtherLog ? 'up' : 'down',
      stores: { eventStore: eventStore ? 'up' : 'down', readModels: isOtherLog ? 'other-log' : readModels ? 'up' : 'down' },
      ...(up
        ? {
            views: await this.#views(),
            policies: await this.#policies(),
            deliveries: await healthOfDeliveries(this.models, this.store),
            ...(sealing && { sealing }),
          }
        : {}),
    };
  }

  #eventStoreAnswers(): Promise<boolean> {
    return answers(async () => {
      // A missing stream is also an answer.
      for await (const _ of this.store.readStream('health-check')) break;
    });
  }

  #readModelsAnswer(): Promise<boolean> {
    return answers(() => databaseAnswer(this.models.db.command({ ping: 1 })));
  }

  /** Whether the views were made from another log than the current one. */
  async #isOtherLog(): Promise<boolean> {
    return (await followersOfOtherLog(this.models.db, this.store)).length > 0;
  }

  /** Faces have the position of their group. */
  async #views(): Promise<Readonly<Record<string, Progress>>> {
    const all = projectionGroups.map(async ({ name, streamPrefix, faces }) => {
      const progress = await this.#progress(await groupHealth(this.models, name), streamPrefix);
      return faces.map((face) => [face.name, progress] as const);
    });
    return Object.fromEntries((await Promise.all(all)).flat());
  }

  async #policies(): Promise<Readonly<Record<string, Progress>>> {
    const all = policies.map(async (policy) => {
      const health = await policyHealth(this.models, policy);
      return [policy.name, await this.#progress(health, `${policy.aggregate.category}-`)] as const;
    });
    return Object.fromEntries(await Promise.all(all));
  }

  async #progress({ position, ...health }: Awaited<ReturnType<typeof groupHealth>>, streamPrefix: string): Promise<Progress> {
    if (health.trouble?.code === 'other-log')
      return { ...health, ...(position === undefined ? {} : { position: formatPosition(position) }), lagMs: null };
    let lagMs = 0;
    for await (const { metadata } of this.store.readAll({ streamPrefixes: [streamPrefix] }, position)) {
      lagMs = Math.max(0, Date.now() - Date.parse(metadata.recordedAt));
      break;
    }
    return { ...health, ...(position === undefined ? {} : { position: formatPosition(position) }), lagMs };
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
