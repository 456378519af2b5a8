import { REACTIONS } from '#eventsourcing';
import { aggregates, READS } from '#ticketing';

/** Categories whose events are leaves of the log's tree: every aggregate, reactions of policies, and auditors' reads. */
export const sealedCategories: readonly string[] = [...aggregates.map(({ category }) => category), REACTIONS, READS];
