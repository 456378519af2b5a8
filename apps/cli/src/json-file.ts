import { readFile } from 'node:fs/promises';
import { Complaint } from './complaint.js';

/** The content of a JSON file. @throws Complaint if it cannot be read, or is invalid */
export async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Complaint(`${file} cannot be read: ${error.message}`);
  });
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Complaint(`${file} is not JSON: ${(error as Error).message}`);
  }
}
