/** The specs whose properties run a quarter of their tries in the quick run (test/runs.ts), with all of them. */
import './bson/values.spec.js';
import './collation.spec.js';
import './damage.spec.js';
import './indexes.spec.js';
import './query/update.spec.js';
