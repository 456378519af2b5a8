import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { parse } from 'yaml';
import { Complaint } from '../complaint.js';
import { READY_MAPPINGS } from './ready-mappings.js';

const readyNames = Object.keys(READY_MAPPINGS);

const about = <Schema extends v.GenericSchema>(schema: Schema, description: string) => v.pipe(schema, v.description(description));
const name = v.pipe(v.string(), v.minLength(1));

const from = {
  column: v.optional(about(name, 'A column, by its name in `columns`')),
  expression: v.optional(about(name, 'Or an expression in CEL (https://cel.dev) over `row`, a map of the columns: a string')),
  value: v.optional(about(v.string(), 'Or the same for every row')),
};
const words = {
  words: v.optional(
    about(v.record(v.string(), v.string()), 'What the words of the log mean: each that may occur. An empty string is nothing'),
  ),
  otherwise: v.optional(about(v.string(), 'What any other word means; unless given, the row is marked')),
};
const oneSource = ({ column, expression, value }: { column?: string; expression?: string; value?: string }) =>
  [column, expression, value].filter((one) => one !== undefined).length === 1;
const ONE_SOURCE = 'must have one of column, expression and value';

const sourceSchema = about(
  v.union([
    name,
    v.pipe(
      v.strictObject({ ...from, ...words }),
      v.check((source) => oneSource(source), ONE_SOURCE),
    ),
  ]),
  'The name of a column, or what is computed',
);
export type Source = v.InferOutput<typeof sourceSchema>;

const timeSchema = about(
  v.union([
    name,
    v.pipe(
      v.strictObject({
        ...from,
        formats: v.optional(about(v.array(name), 'Formats as in Luxon (`d/M/yyyy H:mm`), the first that fits; ISO 8601 unless given')),
        zone: v.optional(about(name, 'IANA time zone of times without an offset')),
        locale: v.optional(about(name, 'Language of the names of months; `en` unless given')),
      }),
      v.check((source) => oneSource(source), ONE_SOURCE),
    ),
  ]),
  'The name of a column, or what is computed, as a time',
);
export type TimeSource = v.InferOutput<typeof timeSchema>;

const fields = {
  kind: v.optional(about(sourceSchema, '`incident` or `service-request`; `incident` unless given')),
  channel: v.optional(about(sourceSchema, 'Channel by which it came; `phone` unless given')),
  summary: v.optional(about(sourceSchema, 'One-line summary of what is wrong')),
  reporter: v.optional(about(sourceSchema, 'Id of who reported it')),
  impact: v.optional(about(sourceSchema, '`low`, `medium`, `high` or `major`')),
  urgency: v.optional(about(sourceSchema, '`low`, `medium`, `high` or `critical`')),
  priority: v.optional(
    about(sourceSchema, '`low`, `medium`, `high` or `critical`. Where impact and urgency are not known, such that they lead to it'),
  ),
  category: v.optional(about(sourceSchema, 'Category')),
  service: v.optional(about(sourceSchema, 'Affected service')),
  component: v.optional(about(sourceSchema, 'Affected configuration item')),
  tier: v.optional(about(sourceSchema, '`L0` to `L4`; as before where it is nothing, at first `L1`')),
  team: v.optional(about(sourceSchema, 'Team that has it; as before where it is nothing')),
  assignee: v.optional(about(sourceSchema, 'Id of who has it')),
  actor: v.optional(about(sourceSchema, 'Id of who did what the row says; the assignee where it is nothing')),
  automatic: v.optional(about(sourceSchema, '`true` where the actor is a program')),
  holdReason: v.optional(about(sourceSchema, 'Why it waits: `customer`, `vendor`, `planned-change` or `onsite-visit`')),
  closingCategory: v.optional(about(sourceSchema, 'Category that it was resolved with')),
  closingCause: v.optional(about(sourceSchema, 'Cause that it was resolved with')),
  closingFix: v.optional(about(sourceSchema, 'Fix that it was resolved with')),
  article: v.optional(about(sourceSchema, 'Knowledge article that was used')),
};
export type MappedField = keyof typeof fields;

/** State of the ticket after a row. `none`: the row does not say. */
export const STEP_STATES = ['queued', 'assigned', 'in-progress', 'on-hold', 'resolved', 'closed', 'cancelled', 'none'] as const;
export type StepState = (typeof STEP_STATES)[number];

export const mappingSchema = v.strictObject({
  $schema: v.optional(v.string()),
  name: about(v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,49}$/)), 'Name of the source. With the case it identifies a ticket'),
  client: v.optional(about(name, 'The client whose tickets these are; `--client` unless given')),
  strict: v.optional(
    about(v.boolean(), 'A row with a fault, an unknown column or a row out of order refuses the file; otherwise the row is marked'),
  ),
  delimiter: v.optional(about(v.pipe(v.string(), v.length(1)), 'What separates the cells of a CSV; a comma unless given')),
  absent: v.optional(about(v.array(v.string()), 'Cells that mean that there is no value, besides empty ones, such as `?`')),
  columns: about(
    v.record(name, v.union([name, v.pipe(v.array(name), v.minLength(1))])),
    'The columns, by the name that this mapping and what is kept of a row use: their names in the file. In XES `case:` begins attributes of a trace; `a.b` is `b` within `a`',
  ),
  optional: v.optional(about(v.array(name), 'Columns that a file may lack, and that may be empty')),
  case: about(name, 'The column that identifies the case'),
  sequence: v.optional(about(name, 'A column that numbers the rows of a case from 0')),
  fields: about(v.strictObject(fields), 'What a row says of its ticket'),
  steps: about(
    v.pipe(
      v.array(
        v.strictObject({
          when: v.optional(about(name, 'An expression: whether the row tells of this step; whenever it has the time unless given')),
          time: about(timeSchema, 'When it happened'),
          state: about(sourceSchema, `What the ticket was then: one of ${STEP_STATES.join(', ')}`),
          fields: v.optional(about(v.strictObject(fields), 'What differs in this step from the `fields` of the mapping')),
        }),
      ),
      v.minLength(1),
    ),
    'What a row tells of. A log of events has one step; a list of tickets has one for each of the times of a ticket',
  ),
  told: v.optional(
    about(
      v.strictObject({
        reassignments: v.optional(about(name, 'The column with how many times the case was reassigned so far')),
        reopenings: v.optional(about(name, 'The column with how many times it was reopened so far')),
      }),
      'What the log itself counts: compared with what the tickets have',
    ),
  ),
});
export type Mapping = v.InferOutput<typeof mappingSchema>;

/**
 * A mapping from a YAML or JSON file, or a ready one by its name.
 * @throws Complaint that names the fault
 */
export async function readMapping(nameOrFile: string): Promise<Mapping> {
  const file = readyNames.includes(nameOrFile) ? new URL(`../../mappings/${nameOrFile}.yaml`, import.meta.url) : nameOrFile;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Complaint(
      `The mapping ${nameOrFile} cannot be read: ${(error as Error).message}`,
      `Ready mappings are ${readyNames.join(', ')}`,
    );
  }
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    throw new Complaint(`The mapping ${nameOrFile} is neither YAML nor JSON: ${(error as Error).message}`);
  }
  const checked = v.safeParse(mappingSchema, content);
  if (checked.success) return checked.output;
  const [issue] = checked.issues;
  throw new Complaint(
    `The mapping ${nameOrFile} is wrong at ${v.getDotPath(issue) ?? 'its top'}: ${issue.message}`,
    'docs/import-mapping.schema.json is its schema',
  );
}
