import type { MerkleTree } from './merkle.js';

/** The root of a growing list, in memory logarithmic in its size. */
export class GrowingRoot {
  #size = 0;
  /** Roots of the perfect subtrees, the largest first. */
  readonly #peaks: Uint8Array[] = [];

  constructor(private readonly tree: Pick<MerkleTree, 'nodeHash' | 'emptyRoot'>) {}

  get size(): number {
    return this.#size;
  }

  add(leafHash: Uint8Array): void {
    let hash = leafHash;
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) hash = this.tree.nodeHash(this.#peaks.pop() as Uint8Array, hash);
    this.#peaks.push(hash);
    this.#size++;
  }

  root(): Uint8Array {
    if (this.#peaks.length === 0) return this.tree.emptyRoot;
    return this.#peaks.reduceRight((right, left) => this.tree.nodeHash(left, right));
  }
}
