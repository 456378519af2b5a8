/**
 * jest's environment of node in which packages that are loaded once (test/shared-packages.js) are at home. jest gives each spec a realm with globals
 * of its own; what classes are compared by is the same in a spec and in the packages. Object, Array and Function stay as they are.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { runInContext } from 'node:vm';
import { TestEnvironment } from 'jest-environment-node';

const require = createRequire(import.meta.url);

/** What the engine itself makes, in the realm of the code that runs. */
const MADE = [
  ...['Error', 'AggregateError', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'],
  ...['Promise', 'RegExp'],
];
const SHARED = [...MADE, 'Boolean', 'Date', 'Map', 'Number', 'Reflect', 'Set', 'String', 'Symbol', 'WeakMap', 'WeakRef', 'WeakSet'];

/**
 * What was stored in since the last spec ended. Up to Node 22 every promise is told of every storage that was ever used, until that is disabled: those
 * of a worker's earlier specs, ours and jest's own, would slow down all later ones. One that is used again is enabled by that.
 */
const storages = new Set();
for (const name of ['run', 'enterWith']) {
  const original = AsyncLocalStorage.prototype[name];
  AsyncLocalStorage.prototype[name] = function (...given) {
    storages.add(this);
    return original.apply(this, given);
  };
}

export default class Environment extends TestEnvironment {
  constructor(...given) {
    super(...given);
    // So it is one of the shared kind as well.
    for (const name of MADE) Object.setPrototypeOf(runInContext(name, this.context).prototype, globalThis[name].prototype);
    for (const name of SHARED) this.global[name] = globalThis[name];
    this.global[Symbol.for('tierline.packages')] = require;
  }

  async teardown() {
    await super.teardown();
    for (const storage of storages) storage.disable();
    storages.clear();
  }
}
