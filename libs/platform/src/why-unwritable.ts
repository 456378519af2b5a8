import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Why a file cannot be read and added to, or a directory not be written; where there is none, why it cannot be made. Undefined where nothing is in the
 * way. Nothing is made to find out.
 */
export async function whyUnwritable(path: string, kind: 'file' | 'directory'): Promise<string | undefined> {
  const { R_OK, W_OK, X_OK } = constants;
  try {
    const found = await stat(path);
    if (kind === 'file' && found.isDirectory()) return `${path} is a directory`;
    if (kind === 'file' ? !found.isFile() : !found.isDirectory()) return `${path} is no ${kind}`;
    await access(path, kind === 'file' ? R_OK | W_OK : R_OK | W_OK | X_OK);
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' && dirname(path) !== path ? whyUnwritable(dirname(path), 'directory') : message;
  }
}
