import { REACTIONS } from '#eventsourcing';
import { aggregates, READS } from '#ticketing';

/** Whose events are leaves of the log's tree: of every aggregate, how policies reacted, and what auditors read. */
export const sealedCategories: readonly string[] = [...aggregates.map(({ category }) => category), REACTIONS, READS];
