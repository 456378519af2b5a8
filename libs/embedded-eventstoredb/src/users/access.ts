import type { EventLog } from '../storage/event-log.js';
import type { StreamState } from '../storage/stream-state.js';
import { accessDenied } from '../wire/faults.js';
import { dataOf } from '../storage/record.js';
import { isMetadataStream, parseAcl, parseObject, type StreamAcl } from '../storage/stream-metadata.js';
import { ADMINS } from './users.js';
import { isMissing } from '../storage/visible-events.js';

/** The caller; `undefined` if not signed in. */
export interface Caller {
  readonly name: string;
  readonly groups: readonly string[];
}

export type StreamAction = 'read' | 'write' | 'delete';

/** What handlers check before they serve a call. */
export interface Access {
  /** @throws Fault access-denied */
  check(call: object, action: StreamAction, stream: string): void;
  allows(call: object, action: StreamAction, stream: string): boolean;
  /** Name of the caller. */
  nameOf(call: object): string;
}

/** On a node without users, which serves everyone who can reach it: the user that the genuine server shows. */
export const OPEN_ACCESS: Access = { check: () => undefined, allows: () => true, nameOf: () => 'system' };

const EVERYONE = ['$all'];
const open = (roles: readonly string[]): Required<StreamAcl> => ({
  read: roles,
  write: roles,
  delete: roles,
  metaRead: roles,
  metaWrite: roles,
});
const USER_STREAMS = open(EVERYONE);
const SYSTEM_STREAMS = open([ADMINS]);
/** Streams of links that the node maintains itself: the genuine projections set this list in their metadata. */
const LINK_STREAMS: Required<StreamAcl> = { ...SYSTEM_STREAMS, read: EVERYONE, metaRead: EVERYONE };
const isLinkStream = (stream: string): boolean => stream === '$streams' || /^\$(?:ce|et|bc|category)-/.test(stream);

const SETTINGS = '$settings';
const NO_SETTINGS = -1;

/** Access by the streams' lists (`$acl`), then the defaults in `$settings`, then those of the server. */
export class StreamAccess implements Access {
  private readonly callers = new WeakMap<object, Caller>();
  private settings: { readonly revision: number; readonly user: StreamAcl; readonly system: StreamAcl } | undefined;

  constructor(private readonly log: EventLog) {}

  /** Stores the caller of each call while it lasts. */
  introduce(call: object, caller: Caller): void {
    this.callers.set(call, caller);
  }

  check(call: object, action: StreamAction, stream: string): void {
    if (!this.allows(call, action, stream)) throw accessDenied();
  }

  allows(call: object, action: StreamAction, stream: string): boolean {
    const caller = this.callers.get(call);
    if (!caller) return false;
    if (caller.groups.includes(ADMINS)) return true;
    const about = isMetadataStream(stream);
    if (about && action === 'delete') return false;
    const part = about ? (action === 'read' ? 'metaRead' : 'metaWrite') : action;
    const roles = this.roles(about ? stream.slice(2) : stream, part);
    return roles.some((role) => role === '$all' || role === caller.name || caller.groups.includes(role));
  }

  nameOf(call: object): string {
    return this.callers.get(call)?.name ?? 'anonymous';
  }

  private roles(stream: string, part: keyof StreamAcl): readonly string[] {
    const { acl } = this.log.stream(stream).metadata;
    const system = stream.startsWith('$');
    const settings = this.defaults();
    const otherwise = !system ? USER_STREAMS : isLinkStream(stream) ? LINK_STREAMS : SYSTEM_STREAMS;
    return acl?.[part] ?? (system ? settings.system : settings.user)[part] ?? otherwise[part];
  }

  /** The content of the last event of `$settings`. */
  private defaults(): { readonly user: StreamAcl; readonly system: StreamAcl } {
    const stream = this.log.stream(SETTINGS);
    const revision = isMissing(stream) || stream.tombstoned ? NO_SETTINGS : stream.lastRevision;
    if (this.settings?.revision !== revision) this.settings = { revision, ...this.readSettings(stream, revision) };
    return this.settings;
  }

  private readSettings(stream: StreamState, revision: number): { readonly user: StreamAcl; readonly system: StreamAcl } {
    const record = revision === NO_SETTINGS ? undefined : this.log.recordAt(stream.number, revision);
    const settings = (record && parseObject(dataOf(record).toString('utf8'))) ?? {};
    return { user: parseAcl(settings['$userStreamAcl']) ?? {}, system: parseAcl(settings['$systemStreamAcl']) ?? {} };
  }
}
