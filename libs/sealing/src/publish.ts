import { execFile } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { base64, noteText, parseNote, parseSignatures, parseVerifierKey, type SignedNote, signersOf, type VerifierKey } from '#audit';

/** Places for tree heads outside the stores: rewriting the log cannot rewrite these too. */
export interface Publishing {
  /** A file that is only appended to. */
  readonly file: string;
  /** A folder in a git repository: each head becomes a commit. */
  readonly git?: string;
  /** Co-signs heads, after checking that each continues the previous one. */
  readonly witness?: Witness;
}

export interface Witness {
  /** URL of its `add-checkpoint` (C2SP `tlog-witness`), without that last part. */
  readonly url: string;
  readonly key: VerifierKey;
}

/** A tree head could not be published; it is in the log. */
export class NotPublished extends Error {
  override readonly name = 'NotPublished';
}

/** The file of tree heads in the folder of a git repository. */
export const HEADS_IN_GIT = 'tree-heads.ndjson';

/** The same from a checked configuration. */
export function publishingOf({
  headsFile: file,
  headsGit: git,
  witness,
}: {
  readonly headsFile: string;
  readonly headsGit?: string;
  readonly witness?: { readonly url: string; readonly key: string };
}): Publishing {
  const key = witness && parseVerifierKey(witness.key);
  return { file, ...(git === undefined ? {} : { git }), ...(witness && key && { witness: { url: witness.url, key } }) };
}

/** The heads in a file, as signed notes, in order of publication. */
export async function publishedHeads(file: string): Promise<readonly string[]> {
  let text;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  // A line that was cut off by a crash is written again.
  return text.split('\n').flatMap((line) => {
    try {
      const note: unknown = JSON.parse(line);
      return typeof note === 'string' && parseNote(note) !== undefined ? [note] : [];
    } catch {
      return [];
    }
  });
}

/** Adds a head to the file and the repository, unless it is there already. @throws NotPublished */
export async function publish({ file, git }: Publishing, note: string, message: string): Promise<void> {
  const notPublished = (place: string) => (cause: unknown) => {
    throw new NotPublished(`the tree head was not published to ${place}: ${(cause as Error).message}`, { cause });
  };
  await appendOnce(file, note).catch(notPublished(file));
  if (git !== undefined) await commitOnce(git, note, message).catch(notPublished(`the git repository ${git}`));
}

async function commitOnce(git: string, note: string, message: string): Promise<void> {
  const published = join(git, HEADS_IN_GIT);
  await appendOnce(published, note);
  const run = (...words: readonly string[]) => promisify(execFile)('git', ['-C', git, ...words]);
  await run('add', '--', published);
  const { stdout } = await run('status', '--porcelain', '--', published);
  if (stdout !== '') await run('commit', '--quiet', '--message', message, '--', published);
}

async function appendOnce(file: string, note: string): Promise<void> {
  if ((await publishedHeads(file)).at(-1) === note) return;
  await mkdir(dirname(file), { recursive: true });
  const handle = await open(file, 'a+');
  try {
    const { size } = await handle.stat();
    const end = Buffer.alloc(1);
    if (size > 0) await handle.read(end, 0, 1, size - 1);
    await handle.appendFile(`${size > 0 && end[0] !== 10 ? '\n' : ''}${JSON.stringify(note)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** How long a witness may take, in milliseconds. */
const WITNESS_MS = 10_000;

/**
 * The note with the signatures of a witness.
 * @param size that the witness should know
 * @param proof that the head continues the tree of a size
 * @throws Error if the witness does not sign
 */
export async function cosigned(
  { url, key }: Witness,
  note: SignedNote,
  size: number,
  proof: (size: number) => Promise<readonly Uint8Array[]>,
): Promise<SignedNote> {
  let old = size;
  for (let attempt = 1; ; attempt++) {
    const lines = (await proof(old)).map((hash) => `${base64(hash)}\n`).join('');
    const answer = await fetch(`${url.replace(/\/+$/, '')}/add-checkpoint`, {
      method: 'POST',
      body: `old ${old}\n${lines}\n${noteText(note)}`,
      signal: AbortSignal.timeout(WITNESS_MS),
    });
    const text = await answer.text();
    const known = Number(text);
    if (answer.status === 409 && attempt === 1 && /^\d+\n$/.test(text) && known !== old) {
      // It knows another size, and says which.
      old = known;
      continue;
    }
    if (!answer.ok) throw new Error(`The witness ${key.name} answered ${answer.status}: ${text.slice(0, 200).trim()}`);
    const signatures = parseSignatures(text) ?? [];
    const signed = { text: note.text, signatures };
    if (!signersOf(signed, [key])?.length) throw new Error(`The answer of the witness ${key.name} is not signed with its key`);
    return { text: note.text, signatures: [...note.signatures, ...signatures] };
  }
}
