import { scenariosOf } from '../../../eventsourcing/src/testing/given.js';
import { openingByForm, type RequestForm, requestForm } from './request-form.js';

const given = scenariosOf(requestForm, { id: 'laptop', actor: { id: 'lea', kind: 'agent' }, start: 0, step: 60_000 });
const base = { title: 'A new laptop', service: 'workplace', kind: 'service-request', impact: 'low', urgency: 'low' } as const;
const fields = [
  { name: 'forWhom', label: 'Who is it for?', kind: 'text', required: true, max: 20 },
  { name: 'size', label: 'Which size?', kind: 'choice', options: ['13', '15'], required: true },
  { name: 'extras', label: 'With what?', kind: 'choices', options: ['Dock', 'Bag'] },
  { name: 'years', label: 'For how many years?', kind: 'number', min: 1, max: 5 },
  { name: 'by', label: 'By when?', kind: 'date' },
  { name: 'special', label: 'Anything special?', kind: 'flag' },
  { name: 'what', label: 'What?', kind: 'long-text', required: true, onlyIf: { field: 'special', is: 'true' } },
];
const content = { ...base, summary: 'Laptop for {forWhom}', fields };
const define = ['DefineForm', content] as const;
const form = given(define).state as RequestForm;
const filled = (answers: Readonly<Record<string, unknown>>) =>
  openingByForm(form, { client: 'northwind', reporter: { id: 'j.doe' }, answers });
const faults = (answers: Readonly<Record<string, unknown>>) => {
  const opening = filled({ forWhom: 'Ada', size: '13', ...answers });
  return 'faults' in opening ? opening.faults.map(({ field }) => field) : [];
};

describe('a form', () => {
  it('has versions, and none where nothing changes', () => {
    expect(form).toMatchObject({ form: 'laptop', version: 1, withdrawn: false });
    expect(
      given(define)
        .when(...define)
        .events(),
    ).toEqual([]);
    const next = given(define)
      .when('DefineForm', { ...content, title: 'A laptop' })
      .events();
    expect(next).toMatchObject([{ type: 'FormDefined', data: { version: 2, title: 'A laptop' } }]);
    const withdrawn = given(define, ['WithdrawForm', {}]);
    expect(withdrawn.state?.withdrawn).toBe(true);
    expect(withdrawn.when('WithdrawForm', {}).events()).toEqual([]);
    expect(withdrawn.when(...define).events()).toMatchObject([{ data: { version: 2 } }]);
    expect(given().when('WithdrawForm', {}).refusal().refused).toBe('form-not-found');
  });

  it.each([
    ['a field without a kind', { fields: [{ name: 'a', label: 'A' }] }, ['fields[0].kind', 'summary']],
    ['two fields of one name', { fields: [...fields, fields[0]] }, ['fields[7].name']],
    ['a choice without options', { fields: [fields[0], { name: 'b', label: 'B', kind: 'choice' }] }, ['fields[1].options']],
    [
      'the same option twice',
      { fields: [fields[0], { name: 'b', label: 'B', kind: 'choice', options: ['x', 'x'] }] },
      ['fields[1].options'],
    ],
    ['bounds of what has none', { fields: [fields[0], { name: 'b', label: 'B', kind: 'date', max: 3 }] }, ['fields[1].max']],
    ['a condition on a later field', { fields: [fields[6], fields[0], fields[5]] }, ['fields[0].onlyIf.field']],
    ['a summary with what is no field', { summary: 'For {nobody}' }, ['summary']],
    ['a name that everything has', { fields: [{ name: '__proto__', label: 'A', kind: 'text' }], summary: 's' }, ['fields[0].name']],
  ])('is refused with %s', (_, wrong, where) => {
    const refusal = given()
      .when('DefineForm', { ...content, ...wrong } as never)
      .refusal();
    expect([refusal.refused, refusal.faults?.map(({ field }) => field)]).toEqual(['form-invalid', where]);
  });

  it('stays of one client', () => {
    expect(
      given(define)
        .when('DefineForm', { ...content, client: 'northwind' })
        .refusal()
        .faults?.map(({ field }) => field),
    ).toEqual(['client']);
  });
});

describe('a form that is filled in', () => {
  it.each([
    [{ max: 1 }, ['Dock', 'Bag'], 'must be 1 of Dock, Bag, Mouse, each once'],
    [{ min: 2 }, ['Dock'], 'must be 2 to 3 of Dock, Bag, Mouse, each once'],
    [{ min: 1, max: 2 }, ['Dock', 'Bag'], undefined],
    [{}, [], 'must be some of Dock, Bag, Mouse, each once'],
  ])('limits how many are chosen: %j', (bounds, chosen, message) => {
    const field = { name: 'extras', label: 'With what?', kind: 'choices', options: ['Dock', 'Bag', 'Mouse'], ...bounds };
    const of = given(['DefineForm', { ...base, summary: 's', fields: [field] }]).state as RequestForm;
    const opening = openingByForm(of, { client: 'northwind', reporter: { id: 'j.doe' }, answers: { extras: chosen } });
    expect('faults' in opening ? opening.faults : []).toEqual(message === undefined ? [] : [{ field: 'answers.extras', message }]);
  });

  it('opens a ticket that contains the answers', () => {
    const answers = { forWhom: 'Ada', size: '15', extras: ['Bag', 'Dock'], years: 3, by: '2028-02-29', special: true, what: 'A\nstand' };
    expect(filled(answers)).toEqual({
      ...{ client: 'northwind', kind: 'service-request', impact: 'low', urgency: 'low', service: 'workplace', channel: 'portal' },
      summary: 'Laptop for Ada',
      description:
        'A new laptop (form laptop, version 1)\n\nWho is it for?\nAda\n\nWhich size?\n15\n\nWith what?\nBag, Dock\n\n' +
        'For how many years?\n3\n\nBy when?\n2028-02-29\n\nAnything special?\ntrue\n\nWhat?\nA\nstand',
      reporter: { id: 'j.doe' },
      form: { form: 'laptop', version: 1 },
    });
  });

  it.each([
    [{}, []],
    [{ forWhom: undefined }, ['forWhom']],
    [{ forWhom: ' ' }, ['forWhom']],
    [{ forWhom: 'A'.repeat(21) }, ['forWhom']],
    [{ forWhom: 'A\nB' }, ['forWhom']],
    [{ size: '14' }, ['size']],
    [{ size: ['13'] }, ['size']],
    [{ extras: ['Bag', 'Bag'] }, ['extras']],
    [{ extras: 'Bag' }, ['extras']],
    [{ years: 6 }, ['years']],
    [{ years: '3' }, ['years']],
    [{ by: '2027-02-29' }, ['by']],
    [{ by: 'soon' }, ['by']],
    [{ special: 'true' }, ['special', 'what']],
    [{ special: true }, ['what']],
    [{ special: false }, []],
    [{ special: false, what: 'x' }, ['what']],
    [{ more: 'x' }, ['more']],
    [{ toString: 'x' }, ['toString']],
  ])('has faults where answers are not as fields say: %j', (answers, where) => {
    expect(faults(answers as never)).toEqual(where.map((name) => `answers.${name}`));
  });
});
