import { existsSync } from 'node:fs';
import { BPIC2013_SOURCE } from '../ready-mappings.js';

const existing = (file: string | undefined): string | undefined => (file !== undefined && existsSync(file) ? file : undefined);

/** The log of the BPI Challenge 2013, as XES; undefined if it is not available. */
export const realLog = existing(process.env.BPIC2013_LOG);

/** The same log as CSV, for comparing the formats. */
export const realLogAsCsv = existing(process.env.BPIC2013_LOG_CSV);

/** `describe` if a file exists; otherwise the group is skipped, with a note on where to get it. */
export function describeWith(file: string | undefined, name: string, group: (file: string) => void): void {
  if (file !== undefined) return describe(name, () => group(file));
  console.warn(`Left out: "${name}" needs the real log. Get it (${BPIC2013_SOURCE}) and set BPIC2013_LOG to the file.`);
  describe.skip(name, () => it('needs the real log', () => {}));
}
