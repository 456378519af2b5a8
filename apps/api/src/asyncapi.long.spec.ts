import { spawnSync } from 'node:child_process';
import { cloudEventType, publicEventTypes } from '#ticketing';
import { asyncApiDocument } from './asyncapi.js';

it('is an AsyncAPI document that the official parser finds nothing wrong with, and has each type of event', () => {
  // A project with a module system of its own: the parser is CommonJS, and what it needs is not for this one's loader.
  const script = `const { Parser } = require('@asyncapi/parser');
    new Parser().parse(require('fs').readFileSync(0, 'utf8')).then(({ document, diagnostics }) => process.stdout.write(JSON.stringify({
      version: document?.version(), messages: document?.allMessages().all().map((message) => message.name()),
      wrong: diagnostics.filter(({ severity }) => severity < 2).map(({ message, path }) => path.join('.') + ': ' + message),
    })));`;
  const input = JSON.stringify(asyncApiDocument());
  const parsed = spawnSync(process.execPath, ['--input-type=commonjs', '-e', script], { input, encoding: 'utf8' });
  const { version, messages, wrong } = JSON.parse(parsed.stdout || JSON.stringify({ wrong: [parsed.stderr] }));
  expect({ version, wrong }).toEqual({ version: '3.0.0', wrong: [] });
  expect([...new Set(messages)].sort()).toEqual(publicEventTypes.map(cloudEventType).sort());
});
