import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import { type BrokenChain, type Chain, follow, isBroken, NO_EVENTS } from './chain.js';
import { chainText, type EventRecord, leafText } from './event-record.js';

const hashText = (text: string) => createHash('sha256').update(text).digest('hex');

function eventAt(revision: number): EventRecord {
  return { id: `id-${revision}`, stream: 'ticket-1', revision, type: 'Happened', data: { b: revision, a: 'é' }, metadata: { who: 'ada' } };
}

/** Events with their hashes, from a revision on. */
function chained(count: number, from = 0): EventRecord[] {
  let previous: string | null = null;
  return Array.from({ length: count }, (_, revision) => {
    const event = eventAt(revision);
    previous = hashText(chainText(event, previous));
    return revision < from ? event : { ...event, metadata: { ...event.metadata, hash: previous } };
  });
}

function verdict(events: readonly EventRecord[]): Chain | BrokenChain {
  let chain: Chain = NO_EVENTS;
  for (const event of events) {
    const next = follow(chain, event, hashText);
    if (isBroken(next)) return next;
    chain = next;
  }
  return chain;
}

describe('hash chain', () => {
  it('hashes canonical JSON', () => {
    const event = chained(2)[1]!;
    const { metadata, ...rest } = event;
    const { hash, ...bare } = metadata as { hash: string };
    expect(chainText(event, 'ab')).toBe(canonicalJson({ ...rest, metadata: bare, previous: 'ab' }));
    expect(chainText(eventAt(0), null)).toBe(canonicalJson({ ...eventAt(0), previous: null }));
    expect(leafText(event)).toBe(canonicalJson({ ...rest, metadata: bare, hash }));
    expect(leafText(eventAt(0))).toBe(canonicalJson({ ...eventAt(0), hash: null }));
  });

  it.each([0, 1, 3, 5])('is valid if it begins at revision %i', (from) => {
    expect(verdict(chained(5, from))).toMatchObject({ revision: 4, begun: from < 5 });
  });

  it.each([0, 2])('reveals every changed, dropped, doubled, inserted or moved event (hashes from revision %i on)', (from) => {
    const events = chained(5, from);
    const broken = (changed: readonly EventRecord[]) => isBroken(verdict(changed));
    for (let at = 0; at < 5; at++) {
      const event = events[at]!;
      const replaced = (by: Partial<EventRecord>) => events.with(at, { ...event, ...by });
      expect(broken(replaced({ data: { b: at, a: 'e' } }))).toBe(true);
      expect(broken(replaced({ id: 'other' }))).toBe(true);
      expect(broken(replaced({ type: 'Other' }))).toBe(true);
      expect(broken(replaced({ stream: 'ticket-2' }))).toBe(true);
      expect(broken(replaced({ metadata: { ...event.metadata, who: 'eve' } }))).toBe(true);
      // The last event can be cut off unseen: that is what tree heads are for.
      expect(broken(events.toSpliced(at, 1))).toBe(at < 4);
      expect(broken(events.toSpliced(at, 1).map((moved, revision) => ({ ...moved, revision })))).toBe(at < 4);
      expect(broken(events.toSpliced(at, 0, event))).toBe(true);
      if (at < 4)
        expect(broken(events.with(at, { ...events[at + 1]!, revision: at }).with(at + 1, { ...event, revision: at + 1 }))).toBe(true);
    }
  });

  it('must continue once it has begun', () => {
    const [first, , third] = chained(3);
    expect(verdict([first!, eventAt(1), third!])).toEqual({ revision: 1, reason: 'missing-hash' });
    expect(verdict([first!, third!])).toEqual({ revision: 2, reason: 'missing-events' });
    expect(verdict([first!, { ...eventAt(1), metadata: { hash: null } }])).toEqual({ revision: 1, reason: 'wrong-hash' });
  });
});
