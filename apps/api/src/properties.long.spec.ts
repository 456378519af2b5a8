/** The specs whose properties are tried a fourth of the times in the quick run (test/runs.ts), with all of them. */
import './time-travel.spec.js';
