import { status, type Metadata, type sendUnaryData, type ServerDuplexStream, type ServerUnaryCall } from '@grpc/grpc-js';
import type { Access } from '../users/access.js';
import { readUuid } from '../streams/append-messages.js';
import { eventFilter, type FilterRequest } from '../streams/event-filter.js';
import type { EventLog } from '../storage/event-log.js';
import { asFault, Fault, handlerThrew, invalidArgument } from '../wire/faults.js';
import { allStart, streamStart } from '../streams/read-request.js';
import { groupFailed, groupMissing, subscribersReached } from './faults.js';
import type { Consumer, ConsumerCall, Group, NackAction } from './group.js';
import {
  confirmationMessage,
  decodeChangeRequest,
  decodeConsumeRequest,
  decodeDeleteGroupRequest,
  decodeGetInfoRequest,
  decodeListRequest,
  decodeReplayParkedRequest,
  infoMessage,
  nameOf,
  ticks,
  type AllOptions,
  type ChangeRequest,
  type ConsumeRequest,
  type DeleteGroupRequest,
  type FilterOptions,
  type GetInfoRequest,
  type ListRequest,
  type ReplayParkedRequest,
  type SettingsMessage,
  type StreamOptions,
} from './messages.js';
import type { PersistentSubscriptions } from './persistent-subscriptions.js';
import { ALL, isStrategyName, keyOf, type GroupSettings, type GroupStart } from './settings.js';

const PACKAGE = 'EventStore.Client.PersistentSubscriptions';
/** Numbers of the old enumeration. */
const NAMED_STRATEGIES = ['DispatchToSingle', 'RoundRobin', 'Pinned'];
/** Unknown, Park, Retry, Skip, Stop. */
const NACK_ACTIONS: readonly NackAction[] = ['retry', 'park', 'retry', 'skip', 'skip'];
/** Events that one consumer may have in flight, whatever it requests. */
const MOST_SLOTS = 50_000;

const OK = Buffer.alloc(0);

/** The group named in a request. A request for a stream without a name is never answered, as on the genuine server. */
interface Named {
  readonly source: string;
  readonly group: string;
}

function named(options: { readonly stream?: { readonly name?: Buffer }; readonly all?: true; readonly group?: string } | undefined): Named {
  if (!options || (!options.stream && !options.all)) throw handlerThrew();
  return { source: options.all ? ALL : nameOf(options.stream), group: options.group ?? '' };
}

/** Responds with the handler's result; not at all if that is undefined. */
function unary<T>(answer: (request: T) => Promise<Buffer | undefined>) {
  return (call: ServerUnaryCall<T, Buffer>, callback: sendUnaryData<Buffer>): void => {
    answer(call.request).then(
      (message) => message && callback(null, message),
      (error: unknown) => callback(asFault(error)),
    );
  };
}

interface CallContext {
  readonly subscriptions: PersistentSubscriptions;
  readonly log: EventLog;
  readonly access: Access;
}

/** The service `event_store.client.persistent_subscriptions.PersistentSubscriptions`. */
export function persistentSubscriptionCalls({ subscriptions, log, access }: CallContext): Readonly<Record<string, unknown>> {
  return {
    create: unary<ChangeRequest>(async ({ options }) => {
      const settings = createdSettings(options, log);
      if (settings.source === '') return undefined;
      await subscriptions.create(settings);
      return OK;
    }),
    update: unary<ChangeRequest>(async ({ options }) => {
      const { source, group, start, settings } = changed(options, 'UpdateReq');
      if (!settings) throw handlerThrew();
      if (source === '') return undefined;
      await subscriptions.update(source, group, (before) => {
        const strategy = existing(source, group, namedStrategy(settings));
        const after = readSettings({ source, group, start, filter: before.filter, strategy }, settings, log);
        // Still refers to the end where it started.
        return before.start.kind === 'end' ? { ...after, end: before.end } : after;
      });
      return OK;
    }),
    delete: unary<DeleteGroupRequest>(async ({ options }) => {
      const { source, group } = named(options);
      if (source === '') return undefined;
      await subscriptions.delete(source, group);
      return OK;
    }),
    getInfo: unary<GetInfoRequest>(async ({ options }) => {
      const { source, group } = named(options);
      return source === '' ? undefined : infoMessage(subscriptions.get(source, group).info());
    }),
    list: unary<ListRequest>(async ({ options }) => {
      if (!options || (!options.everything && !options.source)) throw handlerThrew();
      const source = options.everything ? undefined : named(options.source).source;
      const groups = subscriptions.list(source);
      if (source !== undefined && groups.length === 0) throw groupMissing(source, '');
      return infoMessage(...groups.map((group) => group.info()));
    }),
    replayParked: unary<ReplayParkedRequest>(async ({ options }) => {
      const { source, group } = named(options);
      if (source === '') return undefined;
      const stopAt = options?.stopAt;
      if (stopAt === undefined && !options?.noLimit) throw handlerThrew();
      if (stopAt !== undefined && stopAt < 0n)
        throw groupFailed(source, group, 'Cannot stop replaying parked message at a negative version.');
      await subscriptions.get(source, group).replayParked(stopAt === undefined ? undefined : Number(stopAt));
      return OK;
    }),
    restartSubsystem: unary<unknown>(async () => {
      await subscriptions.restart();
      return OK;
    }),
    read: consume(subscriptions, access),
  };
}

export const PERSISTENT_SUBSCRIPTION_DECODERS = {
  create: decodeChangeRequest,
  update: decodeChangeRequest,
  delete: decodeDeleteGroupRequest,
  getInfo: decodeGetInfoRequest,
  list: decodeListRequest,
  replayParked: decodeReplayParkedRequest,
  restartSubsystem: (): Record<string, never> => ({}),
  read: decodeConsumeRequest,
};

type ChangeOptions = ChangeRequest['options'];

/** What Create and Update have in common: the group, and where it starts. */
function changed(
  options: ChangeOptions,
  request: string,
): Named & { readonly start: GroupStart; readonly settings: SettingsMessage | undefined } {
  if (!options) throw handlerThrew();
  const { group = '', settings, stream, all, oldStream } = options;
  if (all) return { source: ALL, group, start: startOfAll(all, request), settings };
  if (stream) return { source: nameOf(stream.stream), group, start: startOfStream(stream, request), settings };
  if (!oldStream) throw handlerThrew();
  return { source: nameOf(oldStream), group, start: asStart(streamStart({ revision: settings?.revision ?? 0n })), settings };
}

const asStart = (start: 'start' | 'end' | number): GroupStart => {
  if (start === 'end') return { kind: 'end' };
  const place = start === 'start' ? 0 : start;
  return { kind: 'at', place, prepare: place };
};

function startOfStream(options: StreamOptions, request: string): GroupStart {
  const { revision, start, end } = options;
  if (!start && !end && revision === undefined)
    throw invalidArgument(`'None' is not a valid ${PACKAGE}.${request}+Types+StreamOptions+RevisionOptionOneofCase`);
  return asStart(streamStart(options));
}

function startOfAll(options: AllOptions, request: string): GroupStart {
  // Update does not say as precisely what is missing.
  if (request === 'CreateReq' && !options.start && !options.end && !options.position)
    throw invalidArgument(`'None' is not a valid ${PACKAGE}.${request}+Types+AllOptions+AllOptionOneofCase`);
  const start = allStart(options);
  return typeof start === 'object' ? { kind: 'at', place: start.commit, prepare: start.prepare } : asStart(start);
}

function createdSettings(options: ChangeOptions, log: EventLog): GroupSettings {
  if (!options?.settings) throw handlerThrew();
  const { settings } = options;
  const { source, group, start } = changed(options, 'CreateReq');
  if (source === ALL && !options.all) {
    // The exact text of the genuine server.
    throw new Fault(
      status.UNKNOWN,
      'Envelope callback expected either CreatePersistentSubscriptionToAllCompleted or NotHandled, received CreatePersistentSubscriptionToStreamCompleted instead',
    );
  }
  const filter = options.all?.filter && readFilter(options.all.filter);
  const strategy = existing(source, group, settings.strategy || namedStrategy(settings));
  return readSettings({ source, group, start, filter, strategy }, settings, log);
}

const namedStrategy = ({ namedStrategy = 0 }: SettingsMessage): string => NAMED_STRATEGIES[namedStrategy] ?? String(namedStrategy);

function existing(source: string, group: string, strategy: string): GroupSettings['strategy'] {
  if (!isStrategyName(strategy)) throw groupFailed(source, group, `Consumer strategy ${strategy} does not exist.`);
  return strategy;
}

function readFilter(filter: FilterOptions): FilterRequest {
  const expression = filter.stream ?? filter.type;
  if (!expression) throw invalidArgument(`'None' is not a valid ${PACKAGE}.CreateReq+Types+AllOptions+Types+FilterOptions+FilterOneofCase`);
  const request: FilterRequest = {
    on: filter.stream ? 'stream' : 'type',
    regex: expression.regex ?? '',
    prefixes: expression.prefixes ?? [],
  };
  // Throws the response to an invalid expression.
  eventFilter(request);
  return request;
}

type FromElsewhere = 'source' | 'group' | 'start' | 'filter' | 'strategy';

function readSettings(known: Pick<GroupSettings, FromElsewhere>, settings: SettingsMessage, log: EventLog): GroupSettings {
  return {
    ...known,
    end: known.source === ALL ? log.end : log.stream(known.source).lastRevision + 1,
    resolveLinks: settings.resolveLinks ?? false,
    extraStatistics: settings.extraStatistics ?? false,
    messageTimeout: settings.messageTimeout ?? ticks(settings.messageTimeoutTicks),
    maxRetryCount: settings.maxRetryCount ?? 0,
    liveBufferSize: settings.liveBufferSize ?? 0,
    historyBufferSize: settings.historyBufferSize ?? 0,
    readBatchSize: settings.readBatchSize ?? 0,
    checkpointAfter: settings.checkpointAfter ?? ticks(settings.checkpointAfterTicks),
    minCheckpointCount: settings.minCheckpointCount ?? 0,
    maxCheckpointCount: settings.maxCheckpointCount ?? 0,
    maxSubscriberCount: settings.maxSubscriberCount ?? 0,
  };
}

type ConsumeCall = ServerDuplexStream<ConsumeRequest, Buffer>;

/** PersistentSubscriptions.Read: one consumer of a group. */
function consume(subscriptions: PersistentSubscriptions, access: Access) {
  return (call: ConsumeCall): void => {
    let connected: { readonly group: Group; readonly consumer: Consumer } | undefined;
    let over = false;
    /** After an invalid response the genuine server keeps sending, but no longer listens. */
    let deaf = false;
    const leave = (): void => {
      over = true;
      connected?.group.disconnect(connected.consumer);
      connected = undefined;
    };
    const end = (error: unknown): void => {
      if (over) return;
      leave();
      call.emit('error', asFault(error));
    };
    call.on('data', (request: ConsumeRequest) => {
      if (over || deaf) return;
      try {
        if (connected) deaf = !answer(connected.group, request);
        else connected = connect(subscriptions, access, call, request, end);
      } catch (error) {
        end(error);
      }
    });
    call.on('drain', () => connected?.group.resume());
    for (const ending of ['cancelled', 'close', 'error']) call.on(ending, leave);
  };
}

/** Passes on the outcomes of events; false if the request cannot be understood. */
function answer(group: Group, { ack, nack }: ConsumeRequest): boolean {
  const action = nack && NACK_ACTIONS[nack.action ?? 0];
  const ids = readIds((ack ?? nack)?.ids ?? []);
  if (!ids || (!ack && !action)) return false;
  if (action) group.nack(ids, action, nack.reason ?? '');
  else group.ack(ids);
  return true;
}

function readIds(ids: readonly Buffer[]): string[] | undefined {
  try {
    return ids.map(readUuid);
  } catch {
    return undefined;
  }
}

function connect(
  subscriptions: PersistentSubscriptions,
  access: Access,
  call: ConsumeCall,
  { options }: ConsumeRequest,
  drop: (error: unknown) => void,
): { readonly group: Group; readonly consumer: Consumer } | undefined {
  if (!options) throw handlerThrew();
  const { source, group: name } = named(options);
  const slots = options.bufferSize ?? 0;
  if (!options.uuid || name === '' || slots < 0) throw handlerThrew();
  access.check(call, 'read', source);
  const group = subscriptions.get(source, name);
  if (group.subscriberLimitReached) throw subscribersReached(source, name);
  call.write(confirmationMessage(keyOf(source, name)));
  const consumerCall: ConsumerCall = {
    username: access.nameOf(call),
    name: connectionName(call.metadata),
    slots: Math.min(slots, MOST_SLOTS),
    uuid: options.uuid.string ? 'string' : 'structured',
    keepsUp: () => !call.writableNeedDrain && !call.cancelled,
    write: (message) => void call.write(message),
    drop,
  };
  const consumer = group.connect(consumerCall);
  return consumer && { group, consumer };
}

const connectionName = (metadata: Metadata): string => String(metadata.get('connection-name')[0] ?? '<unknown>');
