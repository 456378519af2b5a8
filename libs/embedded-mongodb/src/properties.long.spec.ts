/** The specs whose properties are tried a fourth of the times in the quick run (test/runs.ts), with all of them. */
import './bson/values.spec.js';
import './collation.spec.js';
import './damage.spec.js';
import './indexes.spec.js';
import './query/update.spec.js';
