import { Transform, Type } from 'class-transformer';
import {
  Allow,
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
  ValidateNested,
} from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { isName, isVisibleText, parseInstant, SHOWN, UUID } from '#eventsourcing';
import { momentIn } from './periods.js';

/**
 * Field decorators of the command classes. Each sets the rule and its documentation together, so the OpenAPI document states exactly what
 * is checked.
 */

interface About {
  readonly description: string;
  readonly example?: unknown;
  readonly optional?: boolean;
}

function field(
  rules: readonly PropertyDecorator[],
  { description, example, optional = false }: About,
  schema: object = {},
): PropertyDecorator {
  return (target, property) => {
    for (const rule of [...rules, ...(optional ? [IsOptional()] : [])]) rule(target, property);
    JSONSchema({ ...schema, description, ...(example === undefined ? {} : { examples: [example] }) })(target, property as string);
  };
}

/** Non-blank text of limited length (characters). */
export function Text(about: About & { readonly max: number }): PropertyDecorator {
  return field([IsString(), IsNotEmpty(), ofText('must not be blank', isVisibleText), MaxLength(about.max)], about);
}

/** A name or reference: one line, without control characters, direction marks or invisible characters. */
export function Name(about: About & { readonly max?: number }): PropertyDecorator {
  const { max = 200 } = about;
  const plain = ofText('must be one line without invisible characters', (text) => !isVisibleText(text) || isName(text, Infinity));
  return field([IsString(), IsNotEmpty(), ofText('must not be blank', isVisibleText), plain, MaxLength(max)], about);
}

function ofText(message: string, validate: (text: string) => boolean): PropertyDecorator {
  return ValidateBy({
    name: message,
    validator: {
      validate: (value: unknown) => typeof value !== 'string' || validate(value),
      defaultMessage: (args) => `${args?.property} ${message}`,
    },
  });
}

export function TextList(about: About & { readonly max?: number; readonly atLeastOne?: boolean }): PropertyDecorator {
  const each = { each: true };
  return field(
    [
      IsArray(),
      ArrayMaxSize(100),
      ...(about.atLeastOne ? [ArrayMinSize(1)] : []),
      IsString(each),
      IsNotEmpty(each),
      Matches(SHOWN, { ...each, message: 'each value in $property must not be blank' }),
      MaxLength(about.max ?? 2000, each),
    ],
    about,
  );
}

export function OneOf(words: readonly string[], about: About): PropertyDecorator {
  return field([IsIn([...words])], about);
}

/** One or more words of a list, each at most once. */
export function SomeOf(words: readonly string[], about: About): PropertyDecorator {
  return field([IsArray(), ArrayMinSize(1), ArrayUnique(), IsIn([...words], { each: true })], about);
}

export function Flag(about: About): PropertyDecorator {
  return field([IsBoolean()], about);
}

export function WholeNumber(about: About & { readonly min: number; readonly max: number }): PropertyDecorator {
  return field([IsInt(), Min(about.min), Max(about.max)], about);
}

export function WholeNumberList(about: About & { readonly min: number }): PropertyDecorator {
  return field([IsArray(), ArrayMaxSize(100), IsInt({ each: true }), Min(about.min, { each: true })], about);
}

export function Pattern(pattern: RegExp, message: string, about: About): PropertyDecorator {
  return field([Matches(pattern, { message: `$property ${message}` })], about, { pattern: pattern.source });
}

/** A UUID in any case; converted to lower case. */
export function Uuid(of: string, about: About): PropertyDecorator {
  const rules = [
    Matches(UUID, { message: `$property must be the id of ${of}` }),
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value)),
  ];
  return field(rules, about, { type: 'string', format: 'uuid' });
}

/** Any value: it is checked elsewhere. */
export function Anything(about: About, schema: object): PropertyDecorator {
  return field([Allow()], about, schema);
}

/** An ISO 8601 date-time with its offset. */
export function DateTime(about: About): PropertyDecorator {
  const isInstant = ValidateBy({
    name: 'isInstant',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && parseInstant(value) !== undefined,
      defaultMessage: (args) => `${args?.property} must be an ISO 8601 date-time with an offset, such as 2026-11-21T10:00:00Z`,
    },
  });
  return field([isInstant], about, { type: 'string', format: 'date-time' });
}

/**
 * Start or end of a period: an instant, or a date, which is read in a zone that the command knows (see `momentIn`).
 * @param until for a start: the field with the end, which must not be earlier
 */
export function DateOrTime({ until, ...about }: About & { readonly until?: string }): PropertyDecorator {
  const isMoment = ValidateBy({
    name: 'isMoment',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && momentIn('UTC', value) !== undefined,
      defaultMessage: (args) =>
        `${args?.property} must be a date, such as 2026-11-21, or an ISO 8601 date-time with an offset, such as 2026-11-21T10:00:00Z`,
    },
  });
  const isNotAfter = ValidateBy({
    name: 'isNotAfter',
    validator: {
      validate: (value: unknown, args) => {
        const end = (args?.object as Readonly<Record<string, unknown>> | undefined)?.[until ?? ''];
        if (typeof value !== 'string' || typeof end !== 'string') return true;
        const [first, last] = [momentIn('UTC', value), momentIn('UTC', end)];
        // The zone in which a date begins is not known here, so it cannot be compared with an instant.
        return first === undefined || last === undefined || value.includes('T') !== end.includes('T') || first <= last;
      },
      defaultMessage: (args) => `${args?.property} must not be after ${until}`,
    },
  });
  return field([isMoment, ...(until === undefined ? [] : [isNotAfter])], about, {
    type: 'string',
    anyOf: [{ format: 'date-time' }, { format: 'date' }],
  });
}

/** An object, or a list of objects, whose fields are checked elsewhere. */
export function Fields({ list = false, ...about }: About & { readonly list?: boolean }): PropertyDecorator {
  const rules = field(list ? [IsArray(), ArrayMaxSize(100)] : [IsObjectLiteral()], about);
  return (target, property) => {
    rules(target, property);
    // Replaces the derived schema: its class would be taken for `Object`, which no schema describes.
    JSONSchema(() => ({ type: list ? 'array' : 'object', ...(list ? { items: { type: 'object' } } : {}), description: about.description }))(
      target,
      property as string,
    );
  };
}

/** A nested object. */
export function Part(type: () => new () => object, about: About): PropertyDecorator {
  return field([ValidateNested(), IsObjectLiteral(), Type(type)], about);
}

export function PartList(type: () => new () => object, about: About & { readonly atLeastOne?: boolean }): PropertyDecorator {
  return field(
    [IsArray(), ArrayMaxSize(100), ...(about.atLeastOne ? [ArrayMinSize(1)] : []), ValidateNested({ each: true }), Type(type)],
    about,
  );
}

/** ValidateNested alone accepts arrays and objects with a `null` prototype. */
function IsObjectLiteral(): PropertyDecorator {
  return ValidateBy({
    name: 'isObjectLiteral',
    validator: {
      validate: (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value),
      defaultMessage: (args) => `${args?.property} must be an object`,
    },
  });
}

export class PersonRef {
  @Name({ description: 'Id of the person', example: 'ada' })
  id!: string;

  @Name({ description: 'Name of the person', example: 'Ada Lovelace', optional: true })
  name?: string;
}
