import { serveThread } from '@tierline/embedded-host';
import { runNode } from './node.js';

await serveThread(runNode);
