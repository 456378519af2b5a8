/**
 * A transformer of jest that loads packages once in each of its processes, and not anew for each spec: reading them is most of what the start of an API
 * costs a spec. In place of a file comes a module that hands on what node itself has loaded; `test/environment.js` gives it the way there. Our own
 * modules are loaded for each spec.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Names that stand for what is exported, in code. Others can be read off the default export alone. */
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

export default {
  process(_source, file, { supportsStaticESM }) {
    const loaded = `globalThis[Symbol.for('tierline.packages')](${JSON.stringify(file)})`;
    if (!supportsStaticESM) return { code: `module.exports = ${loaded};` };
    const exported = require(file);
    const names = Object.keys(exported).filter((name) => IDENTIFIER.test(name) && name !== 'default' && name !== '__esModule');
    const lines = names.map((name, index) => `const value${index} = loaded.${name};\nexport { value${index} as ${name} };`);
    return {
      code: [`const loaded = ${loaded};`, ...lines, ...('default' in exported ? ['export default loaded.default;'] : [])].join('\n'),
    };
  },

  // What a file exports may come from another one: of whichever packages are installed.
  getCacheKey: (source, file, { configString, supportsStaticESM }) =>
    sha256(
      source,
      file,
      configString,
      String(supportsStaticESM),
      (installed ??= sha256(...DEPENDED_ON.map((one) => readFileSync(new URL(one, import.meta.url))))),
    ),
};

const DEPENDED_ON = ['shared-packages.js', '../package-lock.json'];
let installed;

function sha256(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}
