import { parse, v5 } from 'uuid';
import type { Instant } from './instant.js';

/** Matches a UUID in lower case. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Namespace of this product's deterministic ids (RFC 9562, version 5). Changing it would break idempotency. */
const NAMESPACE = parse('6f1c2a52-5a4e-5d0e-9a53-7d1f1c9c2b11');

/**
 * A UUID that is always the same for the same parts: it makes retries, replays and imports idempotent. Parts are joined so that ('ab', 'c')
 * and ('a', 'bc') differ.
 */
export function deterministicId(...parts: readonly string[]): string {
  return v5(JSON.stringify(parts), NAMESPACE);
}

/**
 * The id of the `index`-th event of a command. Servers compare only ids. The digest of the command's content keeps another command with the
 * same id from being taken for a repeat. The instant of recording does so for the same command decided by another process at the same
 * revision, since its events may differ: that one meets a conflict, reads, and returns what was done.
 */
export function eventIdFor(commandId: string, index: number, commandDigest?: string, recordedAt?: Instant): string {
  const content = [commandDigest, recordedAt].filter((part) => part !== undefined);
  return deterministicId('event', commandId, String(index), ...content);
}
