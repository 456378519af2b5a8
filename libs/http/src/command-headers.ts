import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { deterministicId, isName, type Actor, type Using } from '#eventsourcing';
import { allowedRevisions, parseTags } from './entity-tags.js';
import { Problem } from './problem.js';

const ACTOR_KINDS = ['agent', 'requester', 'system'] as const satisfies readonly Actor['kind'][];

/** The content of a command's headers. */
export interface CommandHeaders {
  readonly commandId: string;
  /** On whose behalf it is sent (X-Actor-Id, X-Actor-Name, X-Actor-Kind), if given. */
  readonly onBehalfOf?: Actor;
  /** The tools used (X-Assistant-Model, X-Assistant-Prompt), if given. */
  readonly using?: Using;
  /** Revisions at which the command is accepted (If-Match); undefined: any. */
  readonly ifRevisions?: readonly number[];
}

/**
 * @param scope in which the idempotency key is unique: elsewhere the same key is another command
 * @throws Problem invalid-header
 */
export function readCommandHeaders(headers: IncomingHttpHeaders, scope: string): CommandHeaders {
  const key = idempotencyKey(headers['idempotency-key']);
  const ifRevisions = allowedRevisions(parseTags('If-Match', headers['if-match']));
  const onBehalfOf = readOnBehalfOf(headers);
  const using = readUsing(headers);
  return {
    commandId: key === undefined ? randomUUID() : deterministicId('command', scope, key),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    ...(using === undefined ? {} : { using }),
    ...(ifRevisions === undefined ? {} : { ifRevisions }),
  };
}

/** @throws Problem invalid-header */
function readUsing(headers: IncomingHttpHeaders): Using | undefined {
  const [model, prompt] = ['X-Assistant-Model', 'X-Assistant-Prompt'].map((header) => {
    const said = readable(headers[header.toLowerCase()]);
    if (said !== undefined && !isReadable(said)) throw invalid(header, 'must be 1 to 200 readable characters');
    return said;
  });
  return model === undefined && prompt === undefined ? undefined : { ...(model && { model }), ...(prompt && { prompt }) };
}

/** Plain, or in quotes, as in the draft standard (draft-ietf-httpapi-idempotency-key-header). */
function idempotencyKey(given: string | string[] | undefined): string | undefined {
  if (given === undefined) return undefined;
  const found =
    typeof given === 'string' ? /^(?:"([\x21\x23-\x2b\x2d-\x7e]{1,255})"|([\x21\x23-\x2b\x2d-\x7e]{1,255}))$/.exec(given) : null;
  if (found === null) throw invalid('Idempotency-Key', 'must be 1 to 255 visible ASCII characters without comma, optionally in quotes');
  return found[1] ?? found[2];
}

/** On whose behalf a request is sent; undefined if the sender acts for themselves. @throws Problem invalid-header */
export function readOnBehalfOf(headers: IncomingHttpHeaders): Actor | undefined {
  const [id, name, kind] = [headers['x-actor-id'], headers['x-actor-name'], headers['x-actor-kind']].map(readable);
  const known = kind === undefined ? 'agent' : ACTOR_KINDS.find((other) => other === kind);
  if (known === undefined) throw invalid('X-Actor-Kind', `must be one of ${ACTOR_KINDS.join(', ')}`);
  if (id === undefined) {
    if (name !== undefined || kind !== undefined) throw invalid('X-Actor-Id', 'is required with a name or kind of the actor');
    return undefined;
  }
  if (!isReadable(id) || /\s/.test(id)) throw invalid('X-Actor-Id', 'must be 1 to 200 characters without spaces');
  if (name !== undefined && !isReadable(name)) throw invalid('X-Actor-Name', 'must be 1 to 200 readable characters');
  return { id, kind: known, ...(name === undefined ? {} : { name }) };
}

/** Also without unassigned characters. */
function isReadable(text: string): boolean {
  return isName(text) && !/[\p{Cn}\p{Co}]/u.test(text);
}

/** Node reads headers as Latin-1. Most clients send names beyond ASCII as UTF-8; text that is not UTF-8 is taken for Latin-1. */
function readable(given: string | string[] | undefined): string | undefined {
  if (given === undefined) return undefined;
  const latin1 = String(given);
  const utf8 = Buffer.from(latin1, 'latin1').toString('utf8');
  return utf8.includes('\ufffd') ? latin1 : utf8;
}

/** The sender's id for what it is doing, from X-Correlation-Id or the trace of `traceparent`, if well formed; otherwise a new one. */
export function correlationIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-correlation-id'];
  if (typeof given === 'string' && /^[A-Za-z0-9._:/+=@-]{1,128}$/.test(given)) return given;
  const trace =
    typeof headers.traceparent === 'string'
      ? /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.exec(headers.traceparent)?.[1]
      : undefined;
  return trace ?? randomUUID();
}

function invalid(field: string, message: string): Problem {
  return Problem.of('invalid-header', `${field} ${message}`, { faults: [{ field, message }] });
}
