import 'reflect-metadata';
import { Transform, Type } from 'class-transformer';
import { IsArray, IsInt, IsObject, IsOptional, IsString, MaxLength, ValidateNested } from 'class-validator';
import fc from 'fast-check';
import { faultyJson, inspect, JsonBody, MOST_ENTRIES, MOST_VALUES } from './json-body.js';
import { Problem } from './problem.js';

class Step {
  @IsString()
  action!: string;
}

class HandOff {
  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Step)
  stepsTried?: Step[];
}

class Escalate {
  @IsString()
  @MaxLength(10)
  reason!: string;

  @IsOptional()
  @IsInt()
  count?: number;

  @IsOptional()
  @ValidateNested()
  @Type(() => HandOff)
  handoff?: HandOff;

  @IsOptional()
  @IsObject()
  anything?: object;
}

const pipe = new JsonBody(Escalate);

function faultsOf(json: string): readonly { field: string; message: string }[] {
  try {
    pipe.transform(JSON.parse(json));
  } catch (error) {
    if (error instanceof Problem) return error.faults ?? [];
    throw error;
  }
  return [];
}

describe('JsonBody', () => {
  it('makes an instance of the class, all the way down', () => {
    const body = pipe.transform({ reason: 'why', handoff: { stepsTried: [{ action: 'looked' }] } });
    expect(body).toBeInstanceOf(Escalate);
    expect(body.handoff?.stepsTried?.[0]).toBeInstanceOf(Step);
  });

  it('treats a missing body as an empty one', () => {
    expect(() => pipe.transform(undefined)).toThrow(Problem);
    class Nothing {
      @IsOptional()
      @IsString()
      note?: string;
    }
    expect(new JsonBody(Nothing).transform(undefined)).toEqual(new Nothing());
  });

  it('validates each body by all the rules of its class, including inherited ones', () => {
    class Chase extends Escalate {
      @IsString()
      by!: string;
    }
    const chase = new JsonBody(Chase);
    for (let time = 0; time < 2; time++) {
      expect(chase.transform({ reason: 'why', by: 'who' })).toBeInstanceOf(Chase);
      expect(() => chase.transform({ reason: 'why' })).toThrow(Problem);
      expect(() => chase.transform({ by: 'who' })).toThrow(Problem);
      expect(faultsOf('{"reason": "why", "by": "who"}')).toEqual([{ field: 'by', message: 'is not a known field' }]);
    }
  });

  it('names every invalid field by its path, once', () => {
    expect(faultsOf('{"count": "3", "colour": 1, "handoff": {"stepsTried": [{"action": "a"}, {"action": 2, "by": null}, "x"]}}')).toEqual([
      { field: 'colour', message: 'is not a known field' },
      { field: 'handoff.stepsTried[1].by', message: 'is not a known field' },
      { field: 'reason', message: 'reason is required' },
      { field: 'count', message: 'count must be an integer number' },
      { field: 'handoff.stepsTried[1].action', message: 'action must be a string' },
      { field: 'handoff.stepsTried[2]', message: 'must be an object' },
    ]);
  });

  it.each([
    ['a list', '[]', ''],
    ['text', '"x"', ''],
    ['null', 'null', ''],
    ['null in a field that may be absent', '{"reason": "x", "count": null}', 'count'],
    ['a lone surrogate', '{"reason": "\\ud800"}', 'reason'],
    ['U+0000', '{"reason": "a\\u0000"}', 'reason'],
    ['a number without end', '{"reason": "x", "count": 1e999}', 'count'],
    ['a list within a list', '{"reason": "x", "handoff": {"stepsTried": [[{"action": "a"}]]}}', 'handoff.stepsTried[0]'],
    ['constructor', '{"reason": "x", "constructor": 5}', 'constructor'],
    ['constructor further down', '{"reason": "x", "handoff": {"constructor": 5}}', 'handoff.constructor'],
    ['an object in a field that is not known, whatever is in it', '{"reason": "x", "x": {"constructor": null}}', 'x'],
    ['__proto__', '{"reason": "x", "__proto__": {"count": "x"}}', '__proto__'],
    ['toString', '{"reason": "x", "toString": "x"}', 'toString'],
    ['hasOwnProperty', '{"reason": "x", "hasOwnProperty": 1}', 'hasOwnProperty'],
  ])('refuses %s', (_what, json, field) => {
    expect(faultsOf(json).map((fault) => fault.field)).toEqual([field]);
  });

  it.each([
    ['__proto__', '{"handoff": {"__proto__": {"a": 1}}}', ['handoff.__proto__']],
    ['__proto__ in a list', '[{"\\u005f_proto__": 1}]', ['[0].__proto__']],
    ['constructor', '{"constructor": {"prototype": 1}}', ['constructor']],
    ['two of them', '{"a": {"__proto__": 1}, "constructor": 1}', ['constructor', 'a.__proto__']],
    ['none', '{"a": 1}', undefined],
    ['no JSON', '{"__proto__": ', undefined],
    ['nesting without end', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, [Array.from({ length: 17 }, () => 'a').join('.')]],
  ])('names what every object inherits in any JSON: %s', (_what, json, fields) => {
    expect(faultyJson(json)?.faults?.map(({ field }) => field)).toEqual(fields);
  });

  it('refuses nesting that would exhaust the stack', () => {
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    expect(faultsOf(`{"reason": "x", "anything": ${deep}}`)).toMatchObject([{ message: 'must not be nested more than 16 deep' }]);
    expect(faultsOf(`{"reason": "x", "handoff": ${deep}}`)).toMatchObject([{ field: 'handoff.a', message: 'is not a known field' }]);
  });

  describe('looks at no more of a body than it has to', () => {
    const fields = (count: number, value: unknown = 1) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]));

    it('counts entries before it looks at any of them', () => {
      expect(inspect({ anything: fields(MOST_ENTRIES) }, Escalate)).toEqual({ faults: [], unsafe: false });
      const message = `must not have more than ${MOST_ENTRIES} entries`;
      expect(inspect({ anything: fields(MOST_ENTRIES + 1) }, Escalate)).toEqual({ faults: [{ field: 'anything', message }], unsafe: true });
      const untouched = new Proxy(Array<unknown>(MOST_ENTRIES + 1), {
        get: (list, key) => {
          if (key === 'length') return list.length;
          throw new Error(`${String(key)} was read`);
        },
      });
      expect(inspect({ handoff: { stepsTried: untouched } }, Escalate)).toEqual({
        faults: [{ field: 'handoff.stepsTried', message }],
        unsafe: true,
      });
    });

    it('counts everything in total', () => {
      const { faults, unsafe } = inspect({ anything: fields(MOST_ENTRIES, fields(10)) }, Escalate);
      expect({ faults, unsafe }).toEqual({
        faults: [{ field: '', message: `must not hold more than ${MOST_VALUES} fields and items` }],
        unsafe: true,
      });
    });

    it('stops at a hundred unknown fields, and converts none of them', () => {
      const { faults, unsafe } = inspect(fields(MOST_ENTRIES), Escalate);
      expect([faults.length, unsafe]).toEqual([100, true]);
      let converted = 0;
      class Counted {
        @IsOptional()
        @Transform(() => converted++)
        @IsInt()
        count?: number;
      }
      expect(() => new JsonBody(Counted).transform({ count: 1, ...fields(MOST_ENTRIES) })).toThrow(Problem);
      expect(converted).toBe(0);
    });

    it('names fields of sensible length only', () => {
      expect(faultsOf(JSON.stringify({ reason: 'x', anything: { ['k'.repeat(500_000)]: 1 } }))).toEqual([
        { field: `anything.${'k'.repeat(291)}`, message: 'is not a known field' },
      ]);
    });
  });

  it('gives an instance or a problem for any JSON', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.json().map((inner) => `{"reason": "x", "handoff": ${inner}}`),
        ),
        (json) => {
          expect(Array.isArray(faultsOf(json))).toBe(true);
        },
      ),
    );
  });
});
