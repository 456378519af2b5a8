import type { PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import type { Fault } from '#eventsourcing';
import { Problem } from './problem.js';

const DEEPEST = 16;
const MOST_FAULTS = 100;

/**
 * A request body as an instance of its class, or a problem that names every invalid field by its path, once.
 * No body is `{}`. Unknown fields are refused, nothing is converted, and what JSON allows but no field of ours means is refused before
 * a decorator sees it: `null` (a field without a value is left out), lone surrogates and U+0000 in text (a store would change or refuse
 * them), numbers beyond what a double holds, names that every object inherits, and nesting without end.
 */
export class JsonBody<Body extends object> implements PipeTransform<unknown, Body> {
  constructor(private readonly body: new () => Body) {}

  transform(value: unknown = {}): Body {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw invalid([{ field: '', message: 'the body must be a JSON object' }]);
    const { faults, unsafe } = inspect(value);
    if (unsafe) throw invalid(faults);
    const body = plainToInstance(this.body, value, { enableImplicitConversion: false });
    const errors = validateSync(body, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true, stopAtFirstError: true });
    const all = [...faults, ...errors.flatMap((error) => faultsOf(error, '', false))];
    if (all.length > 0) throw invalid(all);
    return body;
  }
}

function invalid(faults: readonly Fault[]): Problem {
  const fields = new Set<string>();
  const once = faults.filter(({ field }) => !fields.has(field) && fields.add(field)).slice(0, MOST_FAULTS);
  return Problem.of(
    'invalid-body',
    once.length === 1 ? 'A field of the body is not as it must be' : `${once.length} fields of the body are not as they must be`,
    { faults: once },
  );
}

/** What is wrong with a JSON value whatever its class. Unsafe: the class's rules must not even be tried. Not recursive, so no depth can exhaust the stack. */
function inspect(root: object): { faults: Fault[]; unsafe: boolean } {
  const faults: Fault[] = [];
  let unsafe = false;
  const refuse = (field: string, message: string, deadly = false) => {
    faults.push({ field: field.slice(0, 300), message });
    unsafe ||= deadly;
  };
  const pending: { value: unknown; path: string; depth: number }[] = [{ value: root, path: '', depth: 0 }];
  for (let next = pending.pop(); next !== undefined && faults.length < MOST_FAULTS; next = pending.pop()) {
    const { value, path, depth } = next;
    if (value === null) {
      refuse(path, 'must not be null: leave it out instead');
    } else if (typeof value === 'string') {
      if (/[\0\p{Surrogate}]/u.test(value)) refuse(path, 'must be well-formed text without U+0000');
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value)) refuse(path, 'must be a number that a double can hold');
    } else if (typeof value === 'object') {
      if (depth > DEEPEST) {
        refuse(path, `must not be nested more than ${DEEPEST} deep`, true);
        continue;
      }
      if (Array.isArray(value)) {
        value.forEach((item: unknown, index) => {
          const itemPath = `${path}[${index}]`;
          if (Array.isArray(item)) refuse(itemPath, 'must not be a list within a list', true);
          else pending.push({ value: item, path: itemPath, depth: depth + 1 });
        });
      } else {
        for (const [key, item] of Object.entries(value)) {
          const itemPath = path === '' ? key : `${path}.${key}`;
          if (key in Object.prototype) refuse(itemPath, 'is not a known field', true);
          else pending.push({ value: item, path: itemPath, depth: depth + 1 });
        }
      }
    }
  }
  return { faults, unsafe: unsafe || faults.length >= MOST_FAULTS };
}

function faultsOf({ property, value, constraints, children }: ValidationError, prefix: string, inList: boolean): Fault[] {
  const path = inList ? `${prefix}[${property}]` : prefix === '' ? property : `${prefix}.${property}`;
  const below = (children ?? []).flatMap((child) => faultsOf(child, path, Array.isArray(value)));
  if (constraints === undefined) return below;
  const [[rule, message] = ['', '']] = Object.entries(constraints);
  return [{ field: path.slice(0, 300), message: said(rule, message, property, value) }, ...below];
}

function said(rule: string, message: string, property: string, value: unknown): string {
  if (rule === 'whitelistValidation') return 'is not a known field';
  if (value === undefined) return `${property} is required`;
  return rule === 'nestedValidation' ? 'must be an object' : message;
}
