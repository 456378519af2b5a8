import { readFile } from 'node:fs/promises';
import { ConfigError } from './config.js';

/** The content of a JSON file named by an environment variable. @throws ConfigError */
export async function configFile(variable: string, file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch {
    throw new ConfigError([{ field: variable, message: `must be a file of JSON that can be read, not ${file}` }]);
  }
}
