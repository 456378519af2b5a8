/** The specs whose properties are tried a fourth of the times in the quick run (test/runs.ts), with all of them. */
import './import/case-to-events.spec.js';
import './import/log-records.spec.js';
import './import/round-trip.spec.js';
import './report/ticket-course.spec.js';
