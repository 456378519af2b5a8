/**
 * Recently used entries, about `most` of them. Two generations: entries not used while the younger one fills are forgotten. A map from
 * which the oldest entries are deleted one by one gets slow, since iteration passes over the holes.
 */
export class Recent<K, V> {
  private young = new Map<K, V>();
  private old = new Map<K, V>();

  constructor(private readonly most: number) {}

  get(key: K): V | undefined {
    const known = this.young.get(key);
    if (known !== undefined) return known;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: K, value: V): void {
    this.young.set(key, value);
    if (this.young.size < this.most / 2) return;
    this.old = this.young;
    this.young = new Map();
  }

  delete(key: K): void {
    this.young.delete(key);
    this.old.delete(key);
  }
}
