import { openBlobStore } from '#blobs';
import { connectStores, opening, type Running, runProgram, unlessKeyMissing, type WorkerParts } from '#local';
import { type Config, ConfigError, type JsonLog, whyUnwritable } from '#platform';
import { SealedBlobs } from '#privacy';
import { policies, projectionGroups } from '#ticketing';
import { sealedCategories, webhookKey } from '#ticketing-app';
import { Assigner } from './assigner.js';
import { startEraser } from './eraser.js';
import { startReporter } from './reporter.js';
import { startTimekeeper } from './timekeeper.js';
import { startWorker } from './worker.js';

/** Every view, every policy and the timekeeper, unless configured otherwise, with stores that run elsewhere. */
async function start(
  config: Config,
  log: JsonLog,
  { views = true, policies: reacts = true, timekeeper = true }: WorkerParts,
): Promise<Running> {
  return opening(async (onClose) => {
    const { store, mongo, keys, attachments, close } = await connectStores(config, log);
    onClose(close);
    const { db } = mongo;
    if (reacts) await unlessKeyMissing(mongo, webhookKey(config));
    if (reacts) await checkReportsDir(config);
    // The code for signing is loaded only if needed.
    const sealing = timekeeper && config.sealing.everyMinutes > 0 ? await import('#sealing') : undefined;
    await sealing?.checkSealing(config.sealing);
    const assigner = new Assigner(store, db);
    const worker = startWorker({
      store,
      db,
      groups: views ? projectionGroups : [],
      policies: reacts ? policies : [],
      log,
      partitions: config.partitions,
      assigner,
    });
    onClose(() => worker.stop());
    if (timekeeper) {
      const keeper = startTimekeeper({ store, db, log, assigner });
      onClose(() => keeper.stop());
    }
    const { mail, mailbox, channelsFile } = config.notifications;
    if (reacts) {
      // The code for signing and sending is loaded only if needed.
      const [{ deliverWebhooks, Networks }, { chatChannels, deliverNotifications, webhookReports }] = await Promise.all([
        import('#webhooks'),
        import('#notifications'),
      ]);
      const { networks } = config.webhooks;
      // Before anything is sent: it may refuse the file.
      const channels = channelsFile === undefined ? new Map<string, never>() : await chatChannels(channelsFile, new Networks(networks));
      const deliverer = deliverWebhooks({ store, db, log, settled: webhookReports({ store, log }), ...config.webhooks });
      onClose(() => deliverer.stop());
      const notifier = deliverNotifications({ store, db, log, mail, channels, networks });
      onClose(() => notifier.stop());
    }
    const polled = reacts ? mailbox : undefined;
    if (timekeeper || reacts) {
      const plain = await openBlobStore(config);
      const blobs = new SealedBlobs(plain, attachments);
      onClose(() => blobs.close());
      if (reacts) {
        const { deliverReports } = await import('#notifications');
        const deliverer = deliverReports({ store, db, log, blobs: plain, folder: config.reportsDir, mail });
        onClose(() => deliverer.stop());
      }
      if (timekeeper) {
        const eraser = startEraser({ store, db, keys, blobs, log });
        onClose(() => eraser.stop());
        const reporter = startReporter({ store, db, blobs: plain, log });
        onClose(() => reporter.stop());
      }
      if (polled !== undefined) {
        const { mailSenders, pollMailbox } = await import('#inbound-mail');
        const senders = await mailSenders(polled.sendersFile);
        const own = mail === undefined ? [] : [mail.from.toLowerCase()];
        const poller = pollMailbox({ store, db, blobs, keys, log, url: polled.url, senders, own });
        onClose(() => poller.stop());
      }
    }
    if (sealing !== undefined) {
      const { keyFile, everyMinutes } = config.sealing;
      const how = { keyFile, publishing: sealing.publishingOf(config.sealing), everyMs: everyMinutes * 60_000 };
      const sealer = sealing.startSealer({ store, db, log, categories: sealedCategories, ...how });
      onClose(() => sealer.stop());
    }
    return {};
  });
}

/** Reports may be delivered only months later. @throws ConfigError */
async function checkReportsDir({ reportsDir }: Config): Promise<void> {
  const why = await whyUnwritable(reportsDir, 'directory');
  if (why !== undefined) throw new ConfigError([{ field: 'REPORTS_DIR', message: `must be a directory that can be written (${why})` }]);
}

await runProgram(start, { log: process.stdout });
