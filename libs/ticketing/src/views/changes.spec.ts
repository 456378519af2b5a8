import fc from 'fast-check';
import { type Change, changesBetween, inWords } from './changes.js';

describe('what changed between two states', () => {
  it('is told by the smallest parts that did', () => {
    const before = { tier: 'L1', hold: { reason: 'customer' }, steps: [{ a: 1 }], gone: 1, same: { deep: [1] } };
    const after = { tier: 'L2', hold: { reason: 'vendor' }, steps: [{ a: 1 }, { a: 2 }], new: null, same: { deep: [1] } };
    expect(changesBetween(before, after)).toEqual([
      { path: 'tier', before: 'L1', after: 'L2' },
      { path: 'hold.reason', before: 'customer', after: 'vendor' },
      { path: 'steps[1]', after: { a: 2 } },
      { path: 'gone', before: 1 },
      { path: 'new', after: null },
    ]);
  });

  it('is nothing for the same content, in whatever order, and something for any other', () => {
    const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    fc.assert(
      fc.property(json, json, (one, other) => {
        const alike = canonical(one) === canonical(other);
        expect(changesBetween({ one }, { one: structuredClone(one) })).toEqual([]);
        expect(changesBetween({ at: one }, { at: other }).length === 0).toBe(alike);
        const turned = changesBetween({ at: other }, { at: one });
        expect(new Set(turned.map(({ path }) => path))).toEqual(
          new Set(changesBetween({ at: one }, { at: other }).map(({ path }) => path)),
        );
      }),
    );
  });

  it('is a sentence for people', () => {
    const ada = { id: 'ada', kind: 'agent', name: 'Ada Moreau' } as const;
    const changes: Change[] = [
      { path: 'tier', before: 'L1', after: 'L2' },
      { path: 'assignee', before: { id: 'ben', name: 'Ben Okafor' } },
      { path: 'major', after: true },
      { path: 'description', after: 'x'.repeat(500) },
    ];
    expect(inWords({ type: 'TicketEscalated', actor: ada, sentBy: { id: 'portal', kind: 'system' } }, changes)).toBe(
      `Ticket escalated by Ada Moreau (ada), sent by portal: tier L1 → L2; assignee no longer Ben Okafor (ben); major true; description ${'x'.repeat(200)}…`,
    );
    expect(inWords({ type: 'SlaBreached', actor: { id: 'timekeeper', kind: 'system' } }, [])).toBe('Sla breached by timekeeper');
  });
});

/** JSON without regard to the order of fields; `-0` is 0 there. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
