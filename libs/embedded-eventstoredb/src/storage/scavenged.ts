/** The result of a scavenge. */
export interface Scavenged {
  /** Bytes by which the log's files shrank. */
  readonly bytesFreed: number;
  /** Events that `$all` no longer shows. */
  readonly eventsDropped: number;
}
