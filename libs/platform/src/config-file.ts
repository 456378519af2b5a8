import { readFile } from 'node:fs/promises';
import { ConfigError } from './config.js';

/** What is in a file of JSON that an environment variable names. @throws ConfigError */
export async function configFile(variable: string, file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch {
    throw new ConfigError([{ field: variable, message: `must be a file of JSON that can be read, not ${file}` }]);
  }
}
