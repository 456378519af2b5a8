import { administratorKeyIn } from '#local';
import { Complaint } from './complaint.js';

/** An API, and the key for it. */
export interface Api {
  readonly url: string;
  readonly key: string;
}

/** Sends a request with the key. @param path with its query */
export function request(
  { url, key }: Api,
  path: string,
  init: RequestInit & { readonly headers?: Record<string, string> },
): Promise<Response> {
  return fetch(url + path, { ...init, headers: { ...init.headers, Authorization: `Bearer ${key}` } });
}

/**
 * The key for requests: the one in the environment, or the one that `npm start` stored in the data directory.
 * @throws Complaint if there is neither
 */
export async function keyFor(dataDir: string, given: string | undefined): Promise<string> {
  const key = given ?? (await administratorKeyIn(dataDir));
  if (key !== undefined) return key;
  throw new Complaint(
    `There is no key to ask with: no admin.token in ${dataDir}`,
    'Set TIERLINE_KEY, or DATA_DIR to that of the running `npm start`',
  );
}
