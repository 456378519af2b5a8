import type { Metadata, ServiceDefinition } from '@grpc/grpc-js';
import type { Caller, StreamAccess } from './access.js';
import type { Authentication } from './authentication.js';
import { accessDenied, asFault, type Fault } from '../wire/faults.js';
import { ADMINS, OPERATORS } from './users.js';

type Rule = (caller: Caller | undefined) => boolean;

const anyone: Rule = () => true;
const signedIn: Rule = (caller) => caller !== undefined;
const operators: Rule = (caller) => caller !== undefined && (caller.groups.includes(ADMINS) || caller.groups.includes(OPERATORS));
const admins: Rule = (caller) => caller?.groups.includes(ADMINS) ?? false;

/**
 * Who may call what, independent of streams. Access to streams is checked by handlers, which know the name: with `anyone`, everyone may
 * call, but an anonymous caller gets access to no stream.
 */
const RULES: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  'event_store.client.streams.Streams': { Read: anyone, Append: anyone, BatchAppend: anyone, Delete: anyone, Tombstone: anyone },
  'event_store.client.gossip.Gossip': { Read: anyone },
  'event_store.client.server_features.ServerFeatures': { GetSupportedMethods: anyone },
  'event_store.client.users.Users': { Details: signedIn, ChangePassword: signedIn },
  'event_store.client.persistent_subscriptions.PersistentSubscriptions': {
    GetInfo: signedIn,
    List: signedIn,
    Read: signedIn,
    Create: operators,
    Update: operators,
    Delete: operators,
    ReplayParked: operators,
    RestartSubsystem: operators,
  },
  'event_store.client.projections.Projections': { Enable: operators, RestartSubsystem: operators },
  'event_store.client.operations.Operations': {
    StartScavenge: operators,
    StopScavenge: operators,
    Shutdown: operators,
    MergeIndexes: operators,
    ResignNode: operators,
    SetNodePriority: operators,
    RestartPersistentSubscriptions: operators,
  },
};

/** Anything not listed, such as changes to users, is for administrators. */
function ruleOf(path: string): Rule {
  const [, service = '', method = ''] = path.split('/');
  return RULES[service]?.[method] ?? admins;
}

type Call = { readonly metadata: Metadata; emit(event: 'error', error: Fault): boolean };
type Handler = (call: Call, callback?: (error: Fault) => void) => void;

/** Adds an access check to every handler of a service. */
export function guarded(
  definition: ServiceDefinition,
  handlers: Readonly<Record<string, unknown>>,
  authentication: Authentication,
  access: StreamAccess,
): Record<string, Handler> {
  const guards = Object.entries(definition).map(([name, { path }]): [string, Handler] => {
    const rule = ruleOf(path);
    const handler = handlers[name] as Handler;
    return [
      name,
      (call, callback) => {
        const refuse = (error: unknown): void => void (callback ? callback(asFault(error)) : call.emit('error', asFault(error)));
        const serve = (caller: Caller | undefined): void => {
          if (!rule(caller)) throw accessDenied();
          if (caller) access.introduce(call, caller);
          handler(call, callback);
        };
        try {
          const caller = authentication.identify(call.metadata);
          if (caller instanceof Promise) caller.then(serve).catch(refuse);
          else serve(caller);
        } catch (error) {
          refuse(error);
        }
      },
    ];
  });
  return Object.fromEntries(guards);
}
