import { parse, v5 } from 'uuid';
import type { Instant } from './instant.js';

/** Names this product's deterministic ids apart from everybody else's (RFC 9562, version 5). Changing it would break idempotency. */
const NAMESPACE = parse('6f1c2a52-5a4e-5d0e-9a53-7d1f1c9c2b11');

/**
 * A UUID that is the same for the same parts, always and everywhere: what makes retries, replays and imports idempotent.
 * Parts are joined so that ('ab', 'c') and ('a', 'bc') differ.
 */
export function deterministicId(...parts: readonly string[]): string {
  return v5(JSON.stringify(parts), NAMESPACE);
}

/**
 * The id of the `index`-th event of a command. Servers compare ids alone: the digest of the command's content keeps another command that
 * borrows the id from being taken for a repeat, and the instant of recording keeps the same command from it that another process decides
 * at the same revision, whose events may differ. That one meets a conflict, reads, and answers with what was done.
 */
export function eventIdFor(commandId: string, index: number, commandDigest?: string, recordedAt?: Instant): string {
  const content = [commandDigest, recordedAt].filter((part) => part !== undefined);
  return deterministicId('event', commandId, String(index), ...content);
}
