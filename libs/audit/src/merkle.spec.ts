import { createHash } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { hex } from './bytes.js';
import { merkleTree, type Nodes } from './merkle.js';

const tree = merkleTree(sha256);

/** The definition of RFC 6962, 2.1, word by word. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const hash = (...parts: readonly Uint8Array[]) => Uint8Array.from(createHash('sha256').update(Buffer.concat(parts)).digest());
  const [only] = leaves;
  if (only === undefined) return hash();
  if (leaves.length === 1) return hash(Uint8Array.of(0), only);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return hash(Uint8Array.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

/** Of perfect subtrees only: asking for another one is a fault. */
function nodesOf(leaves: readonly Uint8Array[]): Nodes {
  return (level, index) => {
    const [start, count] = [index * 2 ** level, 2 ** level];
    if (!Number.isInteger(level) || start + count > leaves.length) throw new RangeError(`no node ${index} of level ${level}`);
    return naiveRoot(leaves.slice(start, start + count));
  };
}

const leavesOf = (size: number) => Array.from({ length: size }, (_, index) => new TextEncoder().encode(`leaf ${index}`));

describe('Merkle tree', () => {
  // The vectors of the Certificate Transparency implementations.
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((leaf) =>
    Uint8Array.from(Buffer.from(leaf, 'hex')),
  );
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];

  it('has the published roots', async () => {
    for (const [size, root] of roots.entries()) expect(hex(await tree.root(size, nodesOf(leaves.slice(0, size))))).toBe(root);
  });

  it('makes the published proofs', async () => {
    const nodes = nodesOf(leaves);
    const proof = [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ];
    expect((await tree.inclusionProof(0, 8, nodes)).map(hex)).toEqual(proof);
    expect((await tree.consistencyProof(1, 8, nodes)).map(hex)).toEqual(proof);
    expect((await tree.consistencyProof(6, 8, nodes)).map(hex)).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
  });

  it('agrees with the definition, and proves every leaf and every earlier size', async () => {
    const all = leavesOf(66);
    const known = all.map((_, size) => naiveRoot(all.slice(0, size)));
    for (let size = 1; size < all.length; size++) {
      const nodes = nodesOf(all.slice(0, size));
      const root = known[size] as Uint8Array;
      expect(await tree.root(size, nodes)).toEqual(root);
      for (let from = 0; from < size; from++) {
        const inclusion = await tree.inclusionProof(from, size, nodes);
        expect(tree.isIncluded(tree.leafHash(all[from] as Uint8Array), from, size, root, inclusion)).toBe(true);
        const consistency = await tree.consistencyProof(from, size, nodes);
        expect(tree.isConsistent(from, known[from] as Uint8Array, size, root, consistency)).toBe(true);
      }
    }
  });

  it('agrees with the definition at larger sizes, and refuses false proofs', async () => {
    const all = leavesOf(400);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 400 }), fc.nat(), fc.nat(), fc.nat(), async (size, a, b, bit) => {
        const nodes = nodesOf(all.slice(0, size));
        const [index, other] = [a % size, b % size];
        const root = await tree.root(size, nodes);
        expect(root).toEqual(naiveRoot(all.slice(0, size)));
        const leaf = tree.leafHash(all[index] as Uint8Array);
        const inclusion = await tree.inclusionProof(index, size, nodes);
        expect(tree.isIncluded(leaf, index, size, root, inclusion)).toBe(true);
        if (other !== index) {
          expect(tree.isIncluded(leaf, other, size, root, inclusion)).toBe(false);
          expect(tree.isIncluded(tree.leafHash(all[other] as Uint8Array), index, size, root, inclusion)).toBe(false);
        }
        expect(tree.isIncluded(leaf, index, size, root, inclusion.slice(1))).toBe(false);
        expect(tree.isIncluded(leaf, index, size, root, [...inclusion, root])).toBe(false);

        const from = 1 + (b % (size - 1));
        const before = await tree.root(from, nodesOf(all.slice(0, from)));
        const consistency = await tree.consistencyProof(from, size, nodes);
        expect(tree.isConsistent(from, before, size, root, consistency)).toBe(true);
        expect(tree.isConsistent(from, before, size, before, consistency)).toBe(false);
        expect(tree.isConsistent(from, root, size, root, consistency)).toBe(false);
        expect(tree.isConsistent(from, before, size, root, consistency.slice(1))).toBe(false);
        const flipped = consistency.map((hash, place) =>
          place === bit % consistency.length ? hash.map((byte, at) => (at === bit % 32 ? byte ^ 1 : byte)) : hash,
        );
        expect(tree.isConsistent(from, before, size, root, flipped)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });
});
