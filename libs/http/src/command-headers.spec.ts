import { correlationIdOf, readCommandHeaders } from './command-headers.js';
import { Problem } from './problem.js';

const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

describe('readCommandHeaders', () => {
  it('makes the same command id of the same key in the same scope only', () => {
    const id = (key: string, scope: string) => readCommandHeaders({ 'idempotency-key': key }, scope).commandId;
    expect(id('a', 'x')).toBe(id('a', 'x'));
    expect(id('"a"', 'x')).toBe(id('a', 'x'));
    expect(id('b', 'x')).not.toBe(id('a', 'x'));
    expect(id('a', 'y')).not.toBe(id('a', 'x'));
  });

  it('makes a new command id of no key', () => {
    const [one, other] = [readCommandHeaders({}, 'x'), readCommandHeaders({}, 'x')];
    expect(one.commandId).not.toBe(other.commandId);
    expect(one).toEqual({ commandId: one.commandId });
  });

  it.each(['', ' ', 'a b', 'a,b', '"a', 'é', '\u0000', 'x'.repeat(256)])('refuses the key %j', (key) => {
    expect(() => readCommandHeaders({ 'idempotency-key': key }, 'x')).toThrow(Problem);
  });

  it('reads on whose behalf it is, with names beyond ASCII', () => {
    expect(
      readCommandHeaders({ 'x-actor-id': 'ada', 'x-actor-name': latin1('Ada Lovelace 🦉 Ł'), 'x-actor-kind': 'system' }, 'x').onBehalfOf,
    ).toEqual({
      id: 'ada',
      name: 'Ada Lovelace 🦉 Ł',
      kind: 'system',
    });
    const developer = { 'x-actor-id': latin1('ada👩‍💻'), 'x-actor-name': latin1('Ada 👩‍💻'), 'x-assistant-model': latin1('🤖️ 1') };
    expect(readCommandHeaders(developer, 'x')).toMatchObject({
      onBehalfOf: { id: 'ada👩‍💻', name: 'Ada 👩‍💻' },
      using: { model: '🤖️ 1' },
    });
    expect(readCommandHeaders({ 'x-actor-id': 'ada', 'x-actor-name': 'Andr\xe9' }, 'x').onBehalfOf).toEqual({
      id: 'ada',
      name: 'André',
      kind: 'agent',
    });
  });

  it.each([
    { 'x-actor-id': '' },
    { 'x-actor-id': 'a b' },
    { 'x-actor-id': 'x'.repeat(201) },
    { 'x-actor-name': 'Ada' },
    { 'x-actor-kind': 'requester' },
    { 'x-actor-id': 'ada', 'x-actor-name': ' ' },
    { 'x-actor-id': 'ada', 'x-actor-name': 'A\u0007' },
    { 'x-actor-id': 'ada', 'x-actor-name': latin1('A\u202e') },
    { 'x-actor-id': latin1('a\u200db') },
    { 'x-actor-id': 'ada', 'x-actor-name': latin1('A\ue000') },
    { 'x-actor-id': 'ada', 'x-actor-kind': 'robot' },
  ])('refuses the actor %j', (headers) => {
    expect(() => readCommandHeaders(headers, 'x')).toThrow(Problem);
  });
});

describe('correlationIdOf', () => {
  it("accepts the sender's id if it is well formed", () => {
    expect(correlationIdOf({ 'x-correlation-id': 'order/42' })).toBe('order/42');
    expect(correlationIdOf({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })).toBe(
      '0af7651916cd43dd8448eb211c80319c',
    );
  });

  it.each([
    {},
    { 'x-correlation-id': 'a\nb' },
    { 'x-correlation-id': '' },
    { traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` },
    { traceparent: 'x' },
  ])('makes one for %j', (headers) => {
    expect(correlationIdOf(headers)).toMatch(/^[0-9a-f-]{36}$/);
  });
});
