/** The specs whose properties are tried a fourth of the times in the quick run (test/runs.ts), with all of them. */
import './contract/business-calendar.spec.js';
import './desk/on-call.spec.js';
import './reports/capacity.spec.js';
import './reports/flow.spec.js';
import './sla/breach-autopsy.spec.js';
import './sla/sla-clock.spec.js';
import './ticket/ticket-properties.spec.js';
import './views/search-words.spec.js';
import './views/sla-board.spec.js';
import './views/timeline.spec.js';
import './what-if/what-if-escalations.spec.js';
