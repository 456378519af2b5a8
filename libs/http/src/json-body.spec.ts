import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsArray, IsInt, IsOptional, IsString, MaxLength, ValidateNested } from 'class-validator';
import fc from 'fast-check';
import { JsonBody } from './json-body.js';
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

  it('takes no body for an empty one', () => {
    expect(() => pipe.transform(undefined)).toThrow(Problem);
    class Nothing {
      @IsOptional()
      @IsString()
      note?: string;
    }
    expect(new JsonBody(Nothing).transform(undefined)).toEqual(new Nothing());
  });

  it('names every invalid field by its path, once', () => {
    expect(faultsOf('{"count": "3", "colour": 1, "handoff": {"stepsTried": [{"action": "a"}, {"action": 2, "by": null}, "x"]}}')).toEqual([
      { field: 'handoff.stepsTried[1].by', message: 'must not be null: leave it out instead' },
      { field: 'colour', message: 'is not a known field' },
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
    ['constructor further down', '{"reason": "x", "handoff": {"x": {"constructor": 5}}}', 'handoff.x.constructor'],
    ['__proto__', '{"reason": "x", "__proto__": {"count": "x"}}', '__proto__'],
    ['toString', '{"reason": "x", "toString": "x"}', 'toString'],
    ['hasOwnProperty', '{"reason": "x", "hasOwnProperty": 1}', 'hasOwnProperty'],
  ])('refuses %s', (_what, json, field) => {
    expect(faultsOf(json).map((fault) => fault.field)).toEqual([field]);
  });

  it('refuses nesting that would exhaust the stack', () => {
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    expect(faultsOf(`{"reason": "x", "handoff": ${deep}}`)).toMatchObject([{ message: 'must not be nested more than 16 deep' }]);
  });

  it('answers any JSON with an instance or a problem', () => {
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
