export { connectMongo, isUnreachable, type Mongo } from './connect.js';
export { diagnoseView, type Diagnosis, type Difference } from './diagnose-view.js';
export { ProjectionFailed } from './project-batch.js';
export { projectView, type ViewProjector, type ViewStatus } from './project-view.js';
export { rebuildView, type RebuildProgress } from './rebuild-view.js';
export { shareFeeds } from './shared-feeds.js';
export { viewPosition } from './view-control.js';
export type { AnyProjection, ViewDocument, ViewLog } from './view.js';
export { waitForRevision } from './wait-for-revision.js';
