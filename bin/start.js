// `npm start`.
import './build-newer.js';

await import('../dist/apps/standalone/src/main.js');
