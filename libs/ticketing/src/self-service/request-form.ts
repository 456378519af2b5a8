import { type Aggregate, commandsOn, event, type EventsOf, type Fault, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Name, OneOf, Part, PersonRef, Text, Uuid } from '../command-fields.js';
import { isDate } from '../contract/business-calendar.js';
import { omitUndefined, same } from '../plain-json.js';
import {
  about,
  boundedList,
  count,
  faultsOf,
  fields,
  flag,
  integer,
  matching,
  name,
  oneOf,
  open,
  optional,
  type Static,
  text,
  withRule,
} from '../schema.js';
import { type Impact, IMPACTS, TICKET_KINDS, type TicketKind, type Urgency, URGENCIES } from '../vocabulary.js';
import type { OpenTicket } from '../ticket/intake.js';

/** What a form field accepts. */
const FIELD_KINDS = ['text', 'long-text', 'number', 'date', 'choice', 'choices', 'flag'] as const;

/** The kinds that `min` and `max` limit. */
const BOUNDED: ReadonlySet<string> = new Set(['text', 'long-text', 'number', 'choices'] satisfies (typeof FIELD_KINDS)[number][]);

const fieldSchema = withRule(
  fields({
    name: about(matching(/^[a-z][a-zA-Z0-9]{0,49}$/, 'must be a name such as costCentre'), 'Name of the field in answers'),
    label: about(name(100), 'Label shown to requesters'),
    kind: about(oneOf(FIELD_KINDS), 'Type of answer'),
    required: optional(about(flag, 'Whether an answer is required; default: no')),
    help: optional(about(name(500), 'Help text')),
    options: optional(about(boundedList(name(100), 1, 100, 'options'), 'Options of a choice or multiple choice')),
    min: optional(about(integer, "Minimum: of a number, of a text's length, or of the number of choices")),
    max: optional(about(integer, "Maximum: of a number, of a text's length, or of the number of choices")),
    onlyIf: optional(
      about(
        fields({ field: about(text, 'Name of an earlier field'), is: about(text, 'The required answer; for a flag `true` or `false`') }),
        'The field is shown, and required if so marked, only if another field has this answer',
      ),
    ),
  }),
  ({ kind, options, min, max }) => [
    ...((kind === 'choice' || kind === 'choices') === (options !== undefined)
      ? []
      : [{ at: ['options'], message: 'is required for a choice and not allowed otherwise' }]),
    ...(options === undefined || new Set(options).size === options.length ? [] : [{ at: ['options'], message: 'must be different' }]),
    ...Object.entries({ min, max }).flatMap(([bound, value]) =>
      value === undefined || BOUNDED.has(kind) ? [] : [{ at: [bound], message: `is not allowed for a ${kind}` }],
    ),
    ...(min !== undefined && max !== undefined && min > max ? [{ at: ['max'], message: 'must not be below min' }] : []),
  ],
);

/** A field of a form. */
export type FormField = Static<typeof fieldSchema>;

const formFieldsSchema = withRule(boundedList(fieldSchema, 1, 50, 'fields'), (all) =>
  all.flatMap(({ name, onlyIf }, index) => {
    const before = all.slice(0, index).map((one) => one.name);
    return [
      ...(before.includes(name) ? [{ at: [index, 'name'], message: 'must not be the name of another field' }] : []),
      ...(onlyIf === undefined || before.includes(onlyIf.field)
        ? []
        : [{ at: [index, 'onlyIf', 'field'], message: 'must be the name of an earlier field' }]),
    ];
  }),
);

export const requestFormSchema = about(
  open({
    form: about(text, 'Its name'),
    version: about(count, 'Version of its fields, from 1'),
    title: about(text, 'What it is for'),
    client: optional(about(text, 'Client it is for; absent: all clients')),
    service: about(text, 'Service of the resulting tickets'),
    component: optional(about(text, 'Configuration item of the resulting tickets')),
    category: optional(about(text, 'Category of the resulting tickets')),
    kind: about(oneOf(TICKET_KINDS), 'Kind of the resulting tickets'),
    impact: about(oneOf(IMPACTS), 'Impact of the resulting tickets'),
    urgency: about(oneOf(URGENCIES), 'Urgency of the resulting tickets'),
    summary: about(text, 'Summary of the resulting tickets; `{name}` stands for the answer to a field'),
    fields: about(formFieldsSchema, 'Fields, in order'),
    withdrawn: about(flag, 'Whether it is closed to new requests'),
  }),
  'A form whose answers open tickets',
);

export type RequestForm = Static<typeof requestFormSchema>;

/** Never defined, or a form. */
export type RequestFormState = RequestForm | null;

@JSONSchema({
  description: 'Defines a form whose answers open tickets, or a new version of it.',
  examples: [
    {
      title: 'A new laptop',
      service: 'workplace',
      category: 'hardware/laptop',
      kind: 'service-request',
      impact: 'low',
      urgency: 'low',
      summary: 'Laptop for {forWhom}',
      fields: [
        { name: 'forWhom', label: 'Who is it for?', kind: 'text', required: true, max: 100 },
        { name: 'size', label: 'Which size?', kind: 'choice', options: ['13 inch', '15 inch'], required: true },
      ],
    },
  ],
})
export class DefineForm {
  @Name({ description: 'What it is for', example: 'A new laptop' })
  title!: string;

  @Name({ description: 'Client it is for; default: all clients', max: 100, optional: true })
  client?: string;

  @Name({ description: 'Service of the resulting tickets', example: 'workplace' })
  service!: string;

  @Name({ description: 'Configuration item of the resulting tickets', optional: true })
  component?: string;

  @Name({ description: 'Category of the resulting tickets', example: 'hardware/laptop', optional: true })
  category?: string;

  @OneOf(TICKET_KINDS, { description: 'Kind of the resulting tickets', example: 'service-request' })
  kind!: TicketKind;

  @OneOf(IMPACTS, { description: 'Impact of the resulting tickets', example: 'low' })
  impact!: Impact;

  @OneOf(URGENCIES, { description: 'Urgency of the resulting tickets', example: 'low' })
  urgency!: Urgency;

  @Text({
    description: 'Summary of the resulting tickets; `{name}` stands for the answer to a field',
    example: 'Laptop for {forWhom}',
    max: 200,
  })
  summary!: string;

  @Fields({ description: 'Fields, in order', list: true })
  fields!: readonly object[];
}

@JSONSchema({ description: 'Closes a form to new requests until it is defined again.', examples: [{}] })
export class WithdrawForm {
  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;
}

@JSONSchema({
  description: 'Submits a form: opens a ticket with the answers.',
  examples: [{ client: 'northwind', reporter: { id: 'j.doe', name: 'Jane Doe' }, answers: { forWhom: 'Ada', size: '13 inch' } }],
})
export class RequestByForm {
  @Name({ description: 'Client (tenant) of the ticket', example: 'northwind', max: 100 })
  client!: string;

  @Part(() => PersonRef, { description: 'Who asks' })
  reporter!: PersonRef;

  @Fields({ description: 'Answers by field name' })
  answers!: Readonly<Record<string, unknown>>;

  @Uuid('a question', { description: 'Question that no article answered', optional: true })
  question?: string;
}

const events = {
  FormDefined: event<RequestFormState, Omit<RequestForm, 'withdrawn'>>({
    personal: null,
    evolve: (_state, defined) => ({ ...defined, withdrawn: false }),
  }),
  FormWithdrawn: event<RequestFormState, { readonly reason?: string }>({
    personal: null,
    evolve: (state) => state && { ...state, withdrawn: true },
  }),
};

const command = commandsOn<RequestFormState, EventsOf<{ readonly events: typeof events }>>();

/** A form whose answers open tickets, with its versions. One stream per form: `form-<name>`. */
export const requestForm = {
  category: 'form',
  noun: 'form',
  idName: 'form',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    DefineForm: command({
      body: DefineForm,
      route: 'POST /v1/forms/{form}',
      refuses: ['form-invalid'],
      decide({ title, client, service, component, category, kind, impact, urgency, summary, fields }, state, { id: form = '' }) {
        const named = new Set(fields.map((one) => (one as { readonly name?: unknown }).name));
        const unknown = [...summary.matchAll(PLACEHOLDER)].filter(([, name]) => !named.has(name));
        const faults = [
          ...faultsOf(formFieldsSchema, fields, 'fields'),
          ...(unknown.length === 0 ? [] : [{ field: 'summary', message: `must not have ${unknown[0]?.[0]}: there is no such field` }]),
          // The client determines who may see its history.
          ...(state === null || state.client === client ? [] : [{ field: 'client', message: 'must not change' }]),
        ];
        if (faults.length > 0) return refuse('form-invalid', 'Invalid form', faults);
        const content = omitUndefined({
          title,
          client,
          service,
          component,
          category,
          kind,
          impact,
          urgency,
          summary,
          fields: fields as readonly FormField[],
        });
        const before = state && { ...content, form, version: state.version, withdrawn: false };
        if (before !== null && same(before, state as RequestForm)) return [];
        return [{ type: 'FormDefined', data: { form, version: (state?.version ?? 0) + 1, ...content } }];
      },
    }),
    WithdrawForm: command({
      body: WithdrawForm,
      route: 'POST /v1/forms/{form}/withdraw',
      refuses: ['form-not-found'],
      decide({ reason }, state) {
        if (state === null) return refuse('form-not-found', 'There is no such form');
        return state.withdrawn ? [] : [{ type: 'FormWithdrawn', data: omitUndefined({ reason }) }];
      },
    }),
  },
} satisfies Aggregate<RequestFormState>;

const PLACEHOLDER = /\{(\w+)\}/g;
const LONGEST_SUMMARY = 200;
const LONGEST_TEXT = { text: 500, 'long-text': 5_000 } as const;

type Opening = Omit<OpenTicket, 'effectiveAt'>;

/** The opening of a ticket from a completed form, or the faults of the answers. */
export function openingByForm(
  form: RequestForm,
  { client, reporter, answers, question }: RequestByForm,
): Opening | { readonly faults: readonly Fault[] } {
  const asked = form.fields.filter(({ onlyIf }) => onlyIf === undefined || inWords(answers[onlyIf.field]) === onlyIf.is);
  const known = new Set(asked.map((field) => field.name));
  const faults = [
    ...asked.flatMap((field) => faultOf(field, own(answers, field.name)) ?? []),
    ...Object.keys(answers).flatMap((name) => (known.has(name) ? [] : [{ field: `answers.${name}`, message: 'is not asked' }])),
  ];
  if (faults.length > 0) return { faults };
  const { service, component, category, kind, impact, urgency, version, title } = form;
  const answered = asked.flatMap(({ name, label }) => {
    const answer = own(answers, name);
    return answer === undefined ? [] : [`${label}\n${inWords(answer)}`];
  });
  const summary = form.summary.replace(PLACEHOLDER, (_, name: string) => inWords(own(answers, name)).replace(/\s+/g, ' '));
  return omitUndefined({
    client,
    kind,
    summary: [...summary].slice(0, LONGEST_SUMMARY).join(''),
    description: [`${title} (form ${form.form}, version ${version})`, ...answered].join('\n\n'),
    reporter,
    channel: 'portal' as const,
    impact,
    urgency,
    service,
    component,
    category,
    question,
    form: { form: form.form, version },
  }) as Opening;
}

function own(answers: Readonly<Record<string, unknown>>, name: string): unknown {
  const answer = Object.hasOwn(answers, name) ? answers[name] : undefined;
  return answer === null ? undefined : answer;
}

function inWords(answer: unknown): string {
  if (Array.isArray(answer)) return answer.map(inWords).join(', ');
  return answer === undefined ? '' : String(answer as string | number | boolean);
}

function faultOf({ name, required = false, ...field }: FormField, answer: unknown): Fault | undefined {
  const message = answer === undefined || answer === '' ? (required ? 'must be answered' : undefined) : ruleOf(field, answer);
  return message === undefined ? undefined : { field: `answers.${name}`, message };
}

/** The rule that an answer breaks. */
function ruleOf({ kind, options = [], min, max }: Omit<FormField, 'name'>, answer: unknown): string | undefined {
  const unless = (holds: boolean, rule: string) => (holds ? undefined : rule);
  switch (kind) {
    case 'text':
    case 'long-text': {
      const [least, most] = [min ?? 1, Math.min(max ?? Infinity, LONGEST_TEXT[kind])];
      const isText = typeof answer === 'string' && /\S/.test(answer) && (kind === 'long-text' || !/[\r\n]/.test(answer));
      return unless(
        isText && answer.length >= least && answer.length <= most,
        `must be text of ${least} to ${most} characters, not blank${kind === 'text' ? ', on one line' : ''}`,
      );
    }
    case 'number': {
      const [least, most] = [min ?? -Infinity, max ?? Infinity];
      const bounds = [...(min === undefined ? [] : [`from ${min}`]), ...(max === undefined ? [] : [`to ${max}`])].join(' ');
      return unless(
        typeof answer === 'number' && Number.isFinite(answer) && answer >= least && answer <= most,
        `must be a number ${bounds}`.trimEnd(),
      );
    }
    case 'date':
      return unless(isDate(answer), 'must be a date such as 2026-11-28');
    case 'choice':
      return unless(typeof answer === 'string' && options.includes(answer), `must be one of ${options.join(', ')}`);
    case 'choices': {
      const [least, most] = [Math.max(min ?? 1, 1), Math.min(max ?? Infinity, options.length)];
      const isSome =
        Array.isArray(answer) && new Set(answer).size === answer.length && answer.every((one) => options.includes(one as string));
      const howMany = min === undefined && max === undefined ? 'some' : least === most ? `${least}` : `${least} to ${most}`;
      return unless(isSome && answer.length >= least && answer.length <= most, `must be ${howMany} of ${options.join(', ')}, each once`);
    }
    case 'flag':
      return unless(typeof answer === 'boolean', 'must be true or false');
  }
}
