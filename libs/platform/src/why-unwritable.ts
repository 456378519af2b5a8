import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Why a file cannot be read and appended to, or a directory cannot be written; if it does not exist, why it cannot be created. Undefined if
 * nothing is in the way. Creates nothing to find out.
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
