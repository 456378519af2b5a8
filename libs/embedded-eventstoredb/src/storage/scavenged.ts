/** What a scavenge did. */
export interface Scavenged {
  /** Bytes that the log's files are smaller by. */
  readonly bytesFreed: number;
  /** Events that `$all` no longer shows. */
  readonly eventsDropped: number;
}
