// `npm start`.
import './build-newer.js';

await import('../dist/bundled/apps/standalone/src/main.js');
