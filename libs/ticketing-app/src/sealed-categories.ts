import { REACTIONS } from '#eventsourcing';
import { aggregates } from '#ticketing';

/** Whose events are leaves of the log's tree: of every aggregate, and how policies reacted. */
export const sealedCategories: readonly string[] = [...aggregates.map(({ category }) => category), REACTIONS];
