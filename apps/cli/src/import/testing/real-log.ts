import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BPIC2013_SOURCE } from '../bpic2013-log.js';

const besideCheckout = (name: string): string => fileURLToPath(new URL(`../../../../../../shared/data/${name}`, import.meta.url));

/** The log of the BPI Challenge 2013: at BPIC2013_LOG, or beside the checkout. Undefined where it is not. */
export const realLog = [process.env.BPIC2013_LOG, besideCheckout('bpic2013_incidents.xes.gz')].find(
  (file) => file !== undefined && existsSync(file),
);

/** The same log as CSV, for the comparison of the formats. Only beside the checkout. */
export const realLogAsCsv = [besideCheckout('bpic2013_incidents.csv.gz')].find((file) => existsSync(file));

/** `describe` where a file is there; otherwise the group is left out, with word of where to get it. */
export function describeWith(file: string | undefined, name: string, group: (file: string) => void): void {
  if (file !== undefined) return describe(name, () => group(file));
  console.warn(`Left out: "${name}" needs the real log. Get it (${BPIC2013_SOURCE}) and set BPIC2013_LOG to the file.`);
  describe.skip(name, () => it('needs the real log', () => {}));
}
