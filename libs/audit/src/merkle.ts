import { concat, equal, type Sha256 } from './bytes.js';

/**
 * Roots of the perfect subtrees of a log's tree: level 0 has the hashes of the leaves, and the node `index` of `level` covers `2 ** level`
 * leaves from `index * 2 ** level` on.
 */
export type Nodes = (level: number, index: number) => Promise<Uint8Array> | Uint8Array;

/** The Merkle tree of RFC 6962: an append-only list whose earlier states can be proved to be prefixes of later ones. */
export interface MerkleTree {
  /** The root of no leaves. */
  readonly emptyRoot: Uint8Array;
  leafHash(leaf: Uint8Array): Uint8Array;
  nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array;
  /** The root of the first `size` leaves. */
  root(size: number, nodes: Nodes): Promise<Uint8Array>;
  /** Proves that a leaf is the `index`-th of the first `size`. */
  inclusionProof(index: number, size: number, nodes: Nodes): Promise<readonly Uint8Array[]>;
  /** Proves that the first `from` leaves are the first of `size`. */
  consistencyProof(from: number, size: number, nodes: Nodes): Promise<readonly Uint8Array[]>;
  isIncluded(leafHash: Uint8Array, index: number, size: number, root: Uint8Array, proof: readonly Uint8Array[]): boolean;
  isConsistent(from: number, fromRoot: Uint8Array, size: number, root: Uint8Array, proof: readonly Uint8Array[]): boolean;
}

export function merkleTree(sha256: Sha256): MerkleTree {
  const leafPrefix = Uint8Array.of(0);
  const nodePrefix = Uint8Array.of(1);
  const leafHash = (leaf: Uint8Array) => sha256(concat(leafPrefix, leaf));
  const nodeHash = (left: Uint8Array, right: Uint8Array) => sha256(concat(nodePrefix, left, right));

  /** The root of the leaves from `start` to before `end`; `start` is a multiple of the largest power of two that fits. */
  const rangeRoot = async (start: number, end: number, nodes: Nodes): Promise<Uint8Array> => {
    const count = end - start;
    const half = split(count);
    if (half * 2 === count || count === 1) {
      const level = Math.log2(count);
      return nodes(level, start / count);
    }
    return nodeHash(await rangeRoot(start, start + half, nodes), await rangeRoot(start + half, end, nodes));
  };

  const path = async (index: number, start: number, end: number, nodes: Nodes): Promise<Uint8Array[]> => {
    if (end - start <= 1) return [];
    const middle = start + split(end - start);
    return index < middle
      ? [...(await path(index, start, middle, nodes)), await rangeRoot(middle, end, nodes)]
      : [...(await path(index, middle, end, nodes)), await rangeRoot(start, middle, nodes)];
  };

  const between = async (from: number, start: number, end: number, whole: boolean, nodes: Nodes): Promise<Uint8Array[]> => {
    if (from === end) return whole ? [] : [await rangeRoot(start, end, nodes)];
    const middle = start + split(end - start);
    return from <= middle
      ? [...(await between(from, start, middle, whole, nodes)), await rangeRoot(middle, end, nodes)]
      : [...(await between(from, middle, end, false, nodes)), await rangeRoot(start, middle, nodes)];
  };

  const emptyRoot = sha256(new Uint8Array());

  return {
    emptyRoot,
    leafHash,
    nodeHash,
    root: async (size, nodes) => (size === 0 ? emptyRoot : rangeRoot(0, size, nodes)),
    inclusionProof: async (index, size, nodes) => {
      if (!(index >= 0 && index < size)) throw new RangeError(`there is no leaf ${index} of ${size}`);
      return path(index, 0, size, nodes);
    },
    consistencyProof: async (from, size, nodes) => {
      if (!(from >= 0 && from <= size)) throw new RangeError(`${from} leaves are no prefix of ${size}`);
      return from === 0 ? [] : between(from, 0, size, true, nodes);
    },

    // Both as specified in RFC 9162 (2.1.3.2 and 2.1.4.2); with arithmetic instead of bit operations, since numbers may exceed 32 bits.
    isIncluded(leaf, index, size, root, proof) {
      if (!Number.isSafeInteger(index) || index < 0 || index >= size) return false;
      let [node, last, hash] = [index, size - 1, leaf];
      for (const sibling of proof) {
        if (last === 0) return false;
        if (node % 2 === 1 || node === last) {
          hash = nodeHash(sibling, hash);
          while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
        } else {
          hash = nodeHash(hash, sibling);
        }
        [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
      }
      return last === 0 && equal(hash, root);
    },
    isConsistent(from, fromRoot, size, root, proof) {
      if (!Number.isSafeInteger(from) || from < 0 || from > size) return false;
      if (from === 0) return proof.length === 0 && equal(fromRoot, emptyRoot);
      if (from === size) return proof.length === 0 && equal(fromRoot, root);
      const hashes = Number.isInteger(Math.log2(from)) ? [fromRoot, ...proof] : [...proof];
      const [first, ...rest] = hashes;
      if (first === undefined) return false;
      let [node, last] = [from - 1, size - 1];
      while (node % 2 === 1) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
      let [old, now] = [first, first];
      for (const sibling of rest) {
        if (last === 0) return false;
        if (node % 2 === 1 || node === last) {
          old = nodeHash(sibling, old);
          now = nodeHash(sibling, now);
          while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
        } else {
          now = nodeHash(now, sibling);
        }
        [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
      }
      return last === 0 && equal(old, fromRoot) && equal(now, root);
    },
  };
}

/** The largest power of two below a count; 1 for 1. */
function split(count: number): number {
  let half = 1;
  while (half * 2 < count) half *= 2;
  return half;
}
