import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { instantFrom, isName, parseInstant, parsePosition, StoreUnavailable, type Instant, type Position } from '#eventsourcing';
import { CannotStart } from '#local';
import { ConfigError, createLog, loadConfig, type Config, type JsonLog, type Terminal } from '#platform';
import { isRouteOfKey, momentIn, PRINCIPAL_KINDS, type Principal, ROLES, type Tier, TIERS } from '#ticketing';
import { Complaint } from './complaint.js';
import type { AskForKey } from './key-press.js';
import type { ImportWords } from './import-command.js';
import { READY_MAPPINGS } from './import/ready-mappings.js';
import type { EventStoreOptions } from './eventstore-command.js';
import type { ExtractWords } from './extract-command.js';
import type { NodeOptions } from './node-options.js';
import type { ExportWords, VerifyWords } from './proof-commands.js';
import { replay } from './replay/replay.js';
import type { DefineWords } from './reports-command.js';
import type { RootCauseWords } from './report/report-root-cause.js';
import { openSession, type Session } from './session.js';
import { doctor, rebuild, viewNames } from './views.js';

export const SUCCESS = 0;
const FAILED = 1;
const MISUSED = 2;
export const INTERRUPTED = 130;

/** The environment of every command. */
interface Surroundings {
  readonly config: Config;
  readonly log: JsonLog;
  /** Aborts at the first Ctrl-C; the second one ends the process. */
  readonly signal: AbortSignal;
}

const KEY_HELP = '\nTIERLINE_KEY in the environment: the key to ask that API with; the one in admin.token of DATA_DIR unless set.';

// Commands with large dependencies (the API, the reports) load them themselves, so that the others start quickly.

/** Where a command line comes from, and where its answers go. */
export interface Caller {
  readonly env: NodeJS.ProcessEnv;
  readonly out: Terminal;
  readonly errors: Terminal;
  /** If someone can be asked. */
  readonly askForKey?: AskForKey;
  readonly signal: AbortSignal;
}

function build(
  { env, out: { print, colours }, errors, askForKey }: Caller,
  around: () => Surroundings,
  exitWith: (code: number) => void,
): Command {
  const program = new Command('tierline')
    .description('Inspect, fill and maintain a Tierline system.')
    .version('0.1.0')
    .showHelpAfterError('(--help lists commands and options)')
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: errors.print })
    .addHelpText(
      'after',
      `
Which stores a command speaks to: TIERLINE_EVENTSTORE_URL and TIERLINE_MONGODB_URL where they are set; else those of an \`npm start\` that runs on DATA_DIR
(./data); else embedded ones on DATA_DIR, for as long as the command runs.

Exit codes: 0 done, 1 failed or differences found, 2 wrong usage, 130 interrupted.`,
    );

  const withSession = async (work: (session: Session, around: Surroundings) => Promise<void>): Promise<void> => {
    const surroundings = around();
    const session = await openSession(surroundings.config, surroundings.log);
    try {
      await work(session, surroundings);
    } finally {
      await session.close();
    }
  };

  program
    .command('replay')
    .description("step through a ticket's life, from the log itself")
    .argument('<ticket>', 'id of the ticket')
    .option('--all', 'print everything at once, as when the output is not a terminal')
    .option('--json', 'one JSON object a line')
    .option('--as-of <instant>', 'leave out what happened later', instant)
    .option('--known-at <instant>', 'leave out what was recorded later: the life as it was known then', instant)
    .action((ticketId: string, options: { all?: boolean; json?: boolean; asOf?: Instant; knownAt?: Instant }) =>
      withSession(async ({ store }) => {
        const { all = false, json = false, asOf, knownAt } = options;
        await replay({
          store,
          ticketId,
          json,
          print,
          colours,
          ...(asOf && { asOf }),
          ...(knownAt && { knownAt }),
          ...(!all && !json && askForKey && { askForNext: askForKey }),
        });
      }),
    );

  program
    .command('rebuild')
    .description('rebuild views beside the live ones, then switch; readers notice nothing')
    .argument('[view]', `one of ${viewNames.join(', ')}; all unless given`, view)
    .option('--partitions <number>', 'number of partitions, for as many workers: a power of two', partitions)
    .action((name: string | undefined, options: { readonly partitions?: number }) =>
      withSession(async (session, { signal }) => {
        await rebuild(session, name, options.partitions, signal, print);
        if (name !== undefined) return;
        const { dropTree } = await import('./proof-commands.js');
        await dropTree(session);
      }),
    );

  program
    .command('doctor')
    .description('compare views with a fresh fold of the log, and check the log itself; exit code 1 if something is wrong')
    .argument('[view]', `one of ${viewNames.join(', ')}; all unless given`, view)
    .action((name: string | undefined) =>
      withSession(async (session, { config, signal }) => {
        if (!(await doctor(session, name, signal, print))) exitWith(FAILED);
        if (name !== undefined) return;
        const { auditTheLog } = await import('./proof-commands.js');
        if (!(await auditTheLog(session, config, signal, print))) exitWith(FAILED);
      }),
    );

  program
    .command('seal')
    .description('sign and publish the present state of the log: later changes to it can be detected')
    .option('--new-key', 'first replace the key, which vouches for the new one')
    .option('--rebuild', 'first discard the tree kept in MongoDB and rebuild it from the log')
    .action((options: { readonly newKey?: boolean; readonly rebuild?: boolean }) =>
      withSession(async (session, { config, signal }) => {
        const { runSeal } = await import('./proof-commands.js');
        await runSeal(session, config, options, signal, print);
      }),
    );

  program
    .command('export')
    .description('write a proof pack: events that anyone can verify, even without this program')
    .option('--ticket <id>', 'the whole life of a ticket')
    .option('--client <name>', 'everything about a client')
    .option('--period <from/to>', 'everything recorded between the tree heads around two instants', period)
    .requiredOption('--out <file>', 'where to write it')
    .action((options: ExportWords) =>
      withSession(async (session, { config, signal }) => {
        const { runExport } = await import('./proof-commands.js');
        await runExport(session, config, options, signal, print);
      }),
    );

  program
    .command('extract')
    .description('write data for other programs: `ticket-facts` (one row per ticket) or `event-log` (one row per event)')
    .argument('<set>', 'ticket-facts or event-log')
    .requiredOption('--out <file>', 'where to write it; its extension is the format')
    .option('--format <format>', 'ndjson, csv, parquet, or xes for the event log, where the extension is another')
    .option('--after <position>', 'only tickets that have changed since: the position that the last one ended with', position)
    .action((set: string, options: Omit<ExtractWords, 'set'>) =>
      withSession(async (session, { signal }) => {
        const { runExtract } = await import('./extract-command.js');
        await runExtract(session, { set, ...options }, signal, print);
      }),
    );

  program
    .command('verify')
    .description('verify a proof pack, offline and without stores; exit code 1 if it does not hold')
    .argument('<pack>', 'the file')
    .option('--key <key>', 'a key of the log that you got independently; may be repeated', (key: string, keys: string[] = []) => [
      ...keys,
      key,
    ])
    .option('--heads <file>', 'tree heads that you got independently: the pack must not contradict them')
    .option('--report <file>', 'a root cause report as JSON: checks that its events are those of the pack')
    .option('--json', 'the verdict as JSON')
    .action(async (pack: string, options: VerifyWords) => {
      const { runVerify } = await import('./proof-commands.js');
      if (!(await runVerify(pack, options, print))) exitWith(FAILED);
    });

  const readyMappings = Object.keys(READY_MAPPINGS).join(', ');
  const importCommand = (command: Command, mapping?: string): void => {
    command
      .argument('<file>', 'the log, as CSV, NDJSON or XES, gzipped or not')
      .option('--client <name>', 'the client whose tickets these are, where the mapping names none, or another one', named)
      .option('--name <name>', 'name of the source, where several logs have the same mapping: with the case it identifies a ticket')
      .option('--zone <zone>', 'IANA time zone of times without an offset, where the mapping names none')
      .option('--dry-run', 'show what the import would do; nothing is written')
      .action(async (file: string, options: Omit<ImportWords, 'map' | 'file'> & { readonly map?: string; readonly dryRun?: boolean }) => {
        const { dryRun: dry = false, map = mapping, ...words } = { ...command.parent?.opts<{ readonly dryRun?: boolean }>(), ...options };
        if (command.args.length > 1) {
          const wrong =
            map === undefined ? `unknown mapping '${file}'` : `one log at a time: '${command.args.slice(1).join("', '")}' is one too many`;
          return command.error(`error: ${wrong}\nReady mappings are ${readyMappings}. Your own: tierline import --map FILE LOG`, {
            exitCode: MISUSED,
          });
        }
        if (map === undefined) return command.error("error: required option '--map <mapping>' not specified", { exitCode: MISUSED });
        const { dryRun, runImport } = await import('./import-command.js');
        if (dry) return dryRun({ ...words, map, file }, around().signal, print);
        await withSession(async (session, { signal }) => {
          if (!(await runImport(session, { ...words, map, file }, signal, print))) exitWith(INTERRUPTED);
        });
      });
  };
  const importing = program
    .command('import')
    .description("import another service desk's ticket log: every case becomes a ticket; run again to continue where it stopped")
    .option('--map <mapping>', 'how to read the log: a file, YAML or JSON, or the name of a ready mapping')
    .addHelpText('after', '\nThe commands above are ready mappings; docs/imports.md explains how to write your own.');
  // An excess argument is an unknown mapping.
  importCommand(importing.allowExcessArguments());
  for (const [name, title] of Object.entries(READY_MAPPINGS)) importCommand(importing.command(name).description(title), name);

  const reporting = program.command('report').description('figures from the read models, and root cause reports from the log');
  reporting
    .command('root-cause')
    .description('what happened, why, what was changed, what prevents it, who knew what when, and the proof')
    .option('--ticket <id>', 'of a ticket')
    .option('--problem <id>', 'of a problem, with its tickets')
    .addOption(new Option('--format <format>', 'what it is written as').choices(['markdown', 'html', 'json']).default('markdown'))
    .option('--out <file>', 'where to write it; printed unless given')
    .action((options: RootCauseWords) =>
      withSession(async (session) => {
        const { reportRootCause } = await import('./report/report-root-cause.js');
        await reportRootCause(session, options, print);
      }),
    );
  reporting
    .command('log')
    .description(
      'figures, waits, variants and hand-overs of a log: one that was imported, by its name, or with --map one in a file, without stores',
    )
    .argument('<log>', 'name of the source, or the file')
    .option('--map <mapping>', 'how to read the file: a mapping, or the name of a ready one')
    .option('--zone <zone>', 'IANA time zone of times without an offset, where the mapping names none')
    .option('--contract <file>', 'what the SLA of its clients would have been under these terms (JSON)')
    .action(async (log: string, { map, zone, contract }: { readonly map?: string; readonly zone?: string; readonly contract?: string }) => {
      const { renderLog, reportImported, totalsOfFile } = await import('./report/report-log.js');
      if (map !== undefined) {
        if (contract !== undefined)
          throw new Complaint('SLA clocks are those of tickets: import the log first, then report on it by its name');
        return print(renderLog(await totalsOfFile(log, map, zone, around().signal), colours));
      }
      await withSession(async (session, { signal }) => {
        const { viewsCaughtUp } = await import('./caught-up.js');
        await viewsCaughtUp(session, await session.startWorkerIfAlone(), signal);
        await reportImported({ session, system: log, contractFile: contract, colours, print, signal });
      });
    });
  reporting
    .command('bpic2013')
    .description('the figures of the imported log, beside those that are known of it; exit code 1 when they differ')
    .action(() =>
      withSession(async (session, { signal }) => {
        const [{ viewsCaughtUp }, { reportBpic2013 }] = await Promise.all([
          import('./caught-up.js'),
          import('./report/report-bpic2013.js'),
        ]);
        await viewsCaughtUp(session, await session.startWorkerIfAlone(), signal);
        if (!(await reportBpic2013({ db: session.mongo.db, print, colours }))) exitWith(FAILED);
      }),
    );

  const schedules = program.command('reports').description('scheduled reports about clients: see docs/scheduled-reports.md');
  schedules
    .command('list')
    .description('list scheduled reports, when each is next due, and how the last run went')
    .option('--all', 'those that are retired, too')
    .option('--json', 'as JSON')
    .action((options: { readonly all?: boolean; readonly json?: boolean }) =>
      withSession(async (session, { signal }) => {
        const { listReports } = await import('./reports-command.js');
        await listReports(session, options, signal, { print, colours });
      }),
    );
  const scheduled = (name: string, what: string): Command =>
    schedules.command(name).description(what).argument('<report>', 'name of the report', named);
  scheduled('define', 'define a report, or change it')
    .option('--file <file>', 'the schedule as JSON, with the fields of PUT /v1/reports/{report}; options replace what it says')
    .option('--client <name>', 'the client that it is about')
    .option('--every <period>', 'day, week or month')
    .option('--zone <zone>', "IANA time zone of its days; that of the client's contract unless given")
    .option('--hour <hour>', 'the hour of the day on which a period ends at which it is made; 6 unless given', wholeNumber)
    .option('--description <text>', 'what it is for')
    .option('--to-folder <name>', 'deliver it to a folder in REPORTS_DIR; may be repeated', each)
    .option('--to-team <team>', 'e-mail it to the contact address of a team; may be repeated', each)
    .option('--to-person <id>', 'e-mail it to the contact address of a person; may be repeated', each)
    .option('--to-webhook <id>', 'tell a webhook of it; may be repeated', each)
    .action((name: string, options: DefineWords) =>
      withSession(async (session) => (await import('./reports-command.js')).defineReport(session, name, options, print)),
    );
  for (const [word, change, what] of [
    ['pause', 'PauseReport', 'stop until resumed; periods that end meanwhile are skipped'],
    ['resume', 'ResumeReport', 'continue, from the current period on'],
    ['retire', 'RetireReport', 'stop for good; past runs are kept'],
  ] as const)
    scheduled(word, what).action((name: string) =>
      withSession(async (session) => (await import('./reports-command.js')).changeReport(session, name, change, print)),
    );
  scheduled('run', 'make it now; the schedule is unchanged')
    .option('--on <date>', 'a date of the period, such as 2026-10-31; the last period that has ended unless given')
    .action((name: string, { on }: { readonly on?: string }) =>
      withSession(async (session) => (await import('./reports-command.js')).requestRun(session, name, on, print)),
    );

  program
    .command('simulate')
    .description('what if: replay the tickets of a period under another contract, and compare; nothing is changed')
    .requiredOption('--contract <file>', 'the terms as JSON; what they leave out is as in the default contract')
    .option('--from <date>', 'tickets opened then or later: a date in UTC, or an instant', moment)
    .option('--to <date>', 'tickets opened before then', moment)
    .option('--client <name>', 'tickets of this client')
    .option('--as-of <instant>', 'leave out what happened later; now unless given', instant)
    .option('--limit <number>', 'how many tickets with a difference to list', wholeNumber, 10)
    .option('--json', 'the result as JSON')
    .action((options: { contract: string; from?: Instant; to?: Instant; client?: string; asOf?: Instant; limit: number; json?: boolean }) =>
      withSession(async (session, { signal }) => {
        const { runSimulation } = await import('./simulate/simulate-command.js');
        const { contract: contractFile, asOf = instantFrom(Date.now()), json = false, ...request } = options;
        const { from, to } = request;
        if (from !== undefined && to !== undefined && from > to) throw new Complaint('--from must not be after --to');
        await runSimulation({ ...request, session, contractFile, asOf, json, print, colours, signal });
      }),
    );

  program
    .command('demo')
    .description('fill Tierline with the last working day of a service desk; running it again changes nothing')
    .addOption(new Option('--api <url>', 'the API to send to; that of the running `npm start` unless given').env('API_URL'))
    .addHelpText('after', KEY_HELP)
    .action(async ({ api }: { api?: string }) => {
      const { demo } = await import('./demo/demo.js');
      const { TIERLINE_KEY: key } = env;
      await demo({ ...around(), print, colours, ...(api && { api: api.replace(/\/+$/, '') }), ...(key && { key }) });
    });

  program
    .command('mcp')
    .description('serve the tools of the API to a program that speaks the Model Context Protocol on standard input and output')
    .addOption(new Option('--api <url>', 'the API that has them; that of the running `npm start` unless given').env('API_URL'))
    .addHelpText('after', KEY_HELP)
    .action(async ({ api }: { api?: string }) => {
      const { serveMcp } = await import('./mcp-command.js');
      const { config, signal } = around();
      const { TIERLINE_KEY: key } = env;
      await serveMcp(config.dataDir, { ...(api && { url: api }), ...(key && { key }) }, signal);
    });

  program
    .command('setup')
    .description('create the persistent subscription shared by consumers of escalations; an existing one is kept')
    .action(() => withSession(async ({ store }) => (await import('./setup-command.js')).setUp(store, print)));

  const keys = program
    .command('keys')
    .description('issue, show and revoke API keys as the operator of this machine; rewrap the keys of personal data');
  keys
    .command('issue')
    .description('issue a key and print it: it is never shown again')
    .argument('<label>', 'what it is for', named)
    .requiredOption('--id <id>', 'id of who has it, as events name it', named)
    .requiredOption('--roles <roles>', `comma-separated, of ${ROLES.join(', ')}`, roles)
    .option('--kind <kind>', `one of ${PRINCIPAL_KINDS.slice(0, 3).join(', ')}`, principalKind, 'service')
    .option('--clients <names>', 'the clients whose data it opens, comma-separated; all unless given', names)
    .option('--tiers <tiers>', 'the tiers that it works at, comma-separated; all unless given', tiers)
    .option('--routes <routes>', 'the only routes that it opens, comma-separated, such as "GET /v1/tickets"; all unless given', routes)
    .option('--on-behalf-of', 'it may act on behalf of others')
    .option('--expires <instant>', 'when it ends; never unless given', instant)
    .action((label: string, { id, kind, roles, clients, tiers, routes, onBehalfOf, expires: expiresAt }: IssueOptions) =>
      withSession(async (session) => {
        const { issueKey } = await import('./keys-command.js');
        const reach = { clients: clients ?? 'all', tiers: tiers ?? 'all' } as const;
        const principal = { kind, id, roles, ...reach, teams: [], ...(onBehalfOf && { onBehalfOf }) };
        await issueKey(session, { label, principal, ...(routes && { routes }), ...(expiresAt && { expiresAt }) }, print);
      }),
    );
  keys
    .command('show')
    .description('show everything about a key except its secret')
    .argument('<key>', 'id of the key: what follows `tierline_`')
    .action((key: string) => withSession(async (session) => (await import('./keys-command.js')).showKey(session, key, print)));
  keys
    .command('revoke')
    .description('revoke a key; a running API notices within seconds')
    .argument('<key>', 'id of the key: what follows `tierline_`')
    .action((key: string) => withSession(async (session) => (await import('./keys-command.js')).revokeKey(session, key, print)));
  keys
    .command('rewrap')
    .description(
      'wrap the keys of personal data with the master key in PERSONAL_KEY_FILE that the one in PERSONAL_KEY_FILE_BEFORE has wrapped',
    )
    .action(() => withSession(async (session) => (await import('./keys-command.js')).rewrapKeys(session, print)));

  program
    .command('login-link')
    .description('print a link to log in with a browser: it works once, within an hour')
    .option('--id <id>', 'id of the person, as events name it', named, 'administrator')
    .option(
      '--account <account>',
      'an account that the link is for: it logs in or sets a password, within three days; what the account may do holds',
    )
    .option('--name <name>', 'their name', named)
    .option('--roles <roles>', `comma-separated, of ${ROLES.join(', ')}; administrator unless given`, roles)
    .option('--clients <names>', 'the clients whose data they see, comma-separated; all unless given', names)
    .option('--tiers <tiers>', 'the tiers that they work at, comma-separated; all unless given', tiers)
    .action(({ account, id, name, roles = ['administrator'], clients, tiers }: LoginLinkOptions) =>
      withSession(async (session, { config: { host, port } }) => {
        const { makeAccountLink, makeLoginLink } = await import('./keys-command.js');
        const api = `http://${host}:${port}`;
        if (account !== undefined) return makeAccountLink(session, account, api, print);
        const reach = { clients: clients ?? 'all', tiers: tiers ?? 'all' } as const;
        const principal = { kind: 'person', id, ...(name !== undefined && { name }), roles, ...reach, teams: [] } as const;
        await makeLoginLink(session, principal, api, print);
      }),
    );

  program
    .command('backup')
    .description('copy the embedded stores and the attachments, also while they are in use')
    .argument('<directory>', 'where the copy goes: an empty directory, or one to be created')
    .option('--dir <directory>', 'a data directory, or that of a node that runs alone; DATA_DIR unless given')
    .addHelpText('after', '\nTo restore it, start on the copy, or put it in the place of the data directory.')
    .action(async (target: string, { dir }: { dir?: string }) => {
      const [{ backUp }, { config }] = [await import('./backup-command.js'), around()];
      if (dir !== undefined) return backUp(dir, join(dir, 'attachments'), {}, target, print);
      const servers = {
        ...(config.mongodbUrl !== undefined && { MongoDB: 'TIERLINE_MONGODB_URL' }),
        ...(config.eventStoreUrl !== undefined && { EventStoreDB: 'TIERLINE_EVENTSTORE_URL' }),
        ...(config.s3 !== undefined && { attachments: 'S3_BUCKET' }),
      };
      return backUp(config.dataDir, config.attachmentsDir, servers, target, print);
    });

  /** A command that runs an embedded node alone, with the options common to both. */
  const nodeCommand = (name: string, what: string, prefix: string, defaultPort: number): Command =>
    program
      .command(name)
      .description(`run the embedded ${what} node alone, until Ctrl-C or SIGTERM`)
      .requiredOption('--dir <directory>', 'where its data lies; made when missing')
      .option('--port <port>', 'TCP port; 0 for any free one', port, defaultPort)
      .option('--host <address>', 'address to listen on; any but a loopback address needs TLS and a user', '127.0.0.1')
      .option('--tls-cert <file>', 'certificate chain, PEM; with it the node speaks TLS only')
      .option('--tls-key <file>', 'private key of the certificate, PEM')
      .addHelpText(
        'after',
        `\n${prefix}_USER and ${prefix}_PASSWORD in the environment: the user as whom clients must sign in.\nExit codes: 0 stopped, 2 not started.`,
      );

  const started = async (command: Command, running: Promise<void>): Promise<void> => {
    const { NotStarted } = await import('./node-options.js');
    await running.catch((error: unknown) => {
      if (error instanceof NotStarted) command.error(`tierline: ${error.message}`, { exitCode: MISUSED });
      throw error;
    });
  };

  const mongodb = nodeCommand('mongodb', 'MongoDB', 'MONGODB', 17017).action(async (options: NodeOptions) => {
    const { runMongoDB } = await import('./mongodb-command.js');
    await started(mongodb, runMongoDB(options, env, around().signal, print));
  });

  const eventstore = nodeCommand('eventstore', 'EventStoreDB', 'EVENTSTORE', 12113)
    .option('--no-system-streams', 'make no links to events in $ce-, $et- and the other system streams')
    .action(async (options: EventStoreOptions) => {
      const { runEventStore } = await import('./eventstore-command.js');
      await started(eventstore, runEventStore(options, env, around().signal, print));
    });

  return program;
}

interface LoginLinkOptions {
  readonly account?: string;
  readonly id: string;
  readonly name?: string;
  readonly roles?: Principal['roles'];
  readonly clients?: readonly string[];
  readonly tiers?: readonly Tier[];
}

interface IssueOptions {
  readonly id: string;
  readonly kind: Principal['kind'];
  readonly roles: Principal['roles'];
  readonly clients?: readonly string[];
  readonly tiers?: readonly Tier[];
  readonly routes?: readonly string[];
  readonly onBehalfOf?: true;
  readonly expires?: Instant;
}

/** Collects repeated options. */
const each = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** Routes in the form used by keys. */
function routes(text: string): readonly string[] {
  return text.split(',').map((part) => {
    const route = part.trim();
    if (!isRouteOfKey(route)) throw new InvalidArgumentError('It takes methods and paths, such as "GET /v1/tickets,POST /v1/tickets".');
    return route;
  });
}

/** Some of a list of words, comma-separated. */
function some<const Word extends string>(words: readonly Word[], text: string): readonly Word[] {
  return text.split(',').map((part) => {
    const found = words.find((word) => word === part);
    if (found === undefined) throw new InvalidArgumentError(`There is no ${part}. There are ${words.join(', ')}.`);
    return found;
  });
}

/** A valid name or id for events. */
function named(text: string): string {
  if (!isName(text)) throw new InvalidArgumentError('It must be one line of up to 200 characters, without signs that are not seen.');
  return text;
}

const names = (text: string) => text.split(',').map(named);
const roles = (text: string) => some(ROLES, text);
const tiers = (text: string) => some(TIERS, text);

function principalKind(text: string): Principal['kind'] {
  const [kind = 'service'] = some(PRINCIPAL_KINDS.slice(0, 3), text);
  return kind;
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) throw new InvalidArgumentError('It must be a number from 0 to 65535.');
  return Number(text);
}

function instant(text: string): Instant {
  const parsed = parseInstant(text);
  if (parsed === undefined)
    throw new InvalidArgumentError('It must be an ISO 8601 date-time with an offset, such as 2026-11-21T10:00:00Z.');
  return parsed;
}

function moment(text: string): Instant {
  const parsed = momentIn('UTC', text);
  if (parsed === undefined)
    throw new InvalidArgumentError('It must be a date, or an ISO 8601 date-time with an offset, such as 2026-11-21T10:00:00Z.');
  return parsed;
}

function period(text: string): { readonly from: Instant; readonly to: Instant } {
  const [from, to, more] = text.split('/').map((end) => momentIn('UTC', end));
  if (from === undefined || to === undefined || more !== undefined || from >= to)
    throw new InvalidArgumentError(
      'It must be two dates in UTC, or date-times with offsets, the second later, such as 2026-11-01/2026-12-01.',
    );
  return { from, to };
}

function position(text: string): Position {
  const parsed = parsePosition(text);
  if (parsed === undefined) throw new InvalidArgumentError('It must be a position of the log, such as 1234/1234.');
  return parsed;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

function partitions(text: string): number {
  const number = Number(text);
  if (!/^\d{1,2}$/.test(text) || number > 64 || !Number.isInteger(Math.log2(number)))
    throw new InvalidArgumentError('It must be a power of two from 1 to 64.');
  return number;
}

function view(name: string): string {
  if (!viewNames.includes(name)) throw new InvalidArgumentError(`There is no view ${name}. There are ${viewNames.join(', ')}.`);
  return name;
}

/** Runs a command line. @returns the exit code */
export async function run(words: readonly string[], caller: Caller): Promise<number> {
  const { env, errors, signal } = caller;
  let exitCode = SUCCESS;
  const around = (): Surroundings => {
    // Failures are explained in words; the log is on request.
    const config = loadConfig({ ...env, LOG_LEVEL: env.LOG_LEVEL || 'silent' });
    return { config, log: createLog(config.logLevel, { write: errors.print }), signal };
  };
  const program = build(caller, around, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? SUCCESS : MISUSED;
    if (signal.aborted) return INTERRUPTED;
    errors.print(inWords(error, env));
    return FAILED;
  }
}

/** One clear line and a hint. The stack trace is on request. */
function inWords(error: unknown, env: NodeJS.ProcessEnv): string {
  if (!(error instanceof Error)) return `${String(error)}\n`;
  const debug = env.LOG_LEVEL === 'debug' || env.LOG_LEVEL === 'trace';
  const lines = [debug ? (error.stack ?? error.message) : `tierline: ${error.message}`];
  const hint = hintFor(error, env);
  if (hint !== undefined) lines.push(`  ${hint}`);
  return `${lines.join('\n')}\n`;
}

function hintFor(error: Error, env: NodeJS.ProcessEnv): string | undefined {
  if (error instanceof Complaint) return error.hint;
  if (error instanceof CannotStart || error instanceof ConfigError) return undefined;
  if (error instanceof StoreUnavailable) return 'Is TIERLINE_EVENTSTORE_URL right, and is the server running?';
  if (error.name.startsWith('Mongo')) return 'Is TIERLINE_MONGODB_URL right, and is the server running?';
  return env.LOG_LEVEL === 'debug' ? undefined : 'LOG_LEVEL=debug shows where it happened.';
}
