import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ConfigError, type SealingConfig, whyUnwritable } from '#platform';
import { HEADS_IN_GIT, publishedHeads } from './publish.js';
import { sealingKeyIn } from './sealing-key.js';

/**
 * Ensures that sealing will be able to run, hours before it must. Creates nothing.
 * @throws ConfigError that names every fault
 */
export async function checkSealing({ keyFile, headsFile, headsGit }: SealingConfig): Promise<void> {
  const checks = [
    ['SEALING_KEY_FILE', 'a file that holds a signing key, or where one can be made', whyNoKey(keyFile)],
    ['TREE_HEADS_FILE', 'a file that tree heads can be added to', whyNoHeads(headsFile)],
    [
      'TREE_HEADS_GIT',
      'a folder of a git repository that can be committed to',
      headsGit === undefined ? undefined : whyNoCommits(headsGit),
    ],
  ] as const;
  const faults = await Promise.all(
    checks.map(async ([field, rule, reason]) => {
      const why = await reason;
      return why === undefined ? [] : [{ field, message: `must be ${rule} (${why})` }];
    }),
  );
  if (faults.flat().length > 0) throw new ConfigError(faults.flat());
}

async function whyNoKey(file: string): Promise<string | undefined> {
  try {
    await access(file);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? whyUnwritable(file, 'file') : (error as Error).message;
  }
  // An existing key need not be writable.
  return sealingKeyIn(file).then(() => undefined, messageOf);
}

async function whyNoHeads(file: string): Promise<string | undefined> {
  const why = await whyUnwritable(file, 'file');
  if (why !== undefined || (await publishedHeads(file)).length > 0) return why;
  // A crash leaves the start of a line, and the next head follows it: a complete line without any head belongs to something else.
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.includes('\n') ? `${file} holds something else` : undefined;
}

/** The committer must be known too. */
async function whyNoCommits(folder: string): Promise<string | undefined> {
  const git = async (...words: readonly string[]) => (await promisify(execFile)('git', ['-C', folder, ...words])).stdout.trim();
  try {
    if ((await git('rev-parse', '--is-inside-work-tree')) !== 'true') return `${folder} is in no working tree`;
    for (const name of ['GIT_AUTHOR_IDENT', 'GIT_COMMITTER_IDENT']) await git('var', name);
    return (
      (await whyUnwritable(join(folder, HEADS_IN_GIT), 'file')) ??
      (await whyUnwritable(await git('rev-parse', '--absolute-git-dir'), 'directory'))
    );
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string };
    return /^fatal: (.+)$/m.exec(stderr)?.[1] ?? messageOf(error);
  }
}

function messageOf(error: unknown): string {
  return (error as Error).message;
}
