import { singleLine } from '#eventsourcing';
import { about, fields, matching, name, open, optional, type Static, text, withRule } from '../schema.js';

/** Placeholders in the braces of a template. */
const PLACEHOLDERS = ['summary', 'ticket', 'client', 'priority', 'tier', 'policy', 'step', 'due'] as const;
type Placeholder = (typeof PLACEHOLDERS)[number];

const PLACEHOLDER = /\{([^{}]*)\}/g;
const NAMED = PLACEHOLDERS.map((one) => `{${one}}`).join(', ');

const template = (schema: ReturnType<typeof matching>) =>
  withRule(schema, (text) =>
    [...text.matchAll(PLACEHOLDER)].flatMap(([braces, word = '']) =>
      isPlaceholder(word) ? [] : [{ at: [], message: `must not have ${braces}: there are ${NAMED}` }],
    ),
  );

export const messageTemplateSchema = fields({
  subject: optional(about(template(name(200)), `Subject. May contain ${NAMED}`)),
  text: optional(
    about(template(matching(/\S/, 'must be text of 1 to 4000 characters, not blank', 4000)), 'Text, with the same placeholders'),
  ),
});

/** The wording of messages about escalations, if it is not the usual one. */
export type MessageTemplate = Static<typeof messageTemplateSchema>;

export const messageSchema = open({
  subject: about(text, 'Subject, on one line'),
  text: about(text, 'Plain text, several lines'),
});

/** The message of a step of an escalation policy. */
export type Message = Static<typeof messageSchema>;

const SUBJECT = '[{priority}] {summary}';
const TEXT = `Ticket {ticket} of {client} needs you: {summary}

Priority: {priority}
Tier: {tier}
Escalation policy: {policy}, step {step}, due {due}`;

const LONGEST_SUBJECT = 200;

/** The message from a template and the current values. */
export function escalationMessage(template: MessageTemplate | undefined, values: Readonly<Record<Placeholder, string>>): Message {
  const { subject = SUBJECT, text = TEXT } = template ?? {};
  const filled = (text: string) => text.replace(PLACEHOLDER, (braces, word: string) => (isPlaceholder(word) ? values[word] : braces));
  return { subject: subjectLine(filled(subject)), text: filled(text) };
}

/** Text as the subject of a message: one line of limited length. */
export function subjectLine(text: string): string {
  return [...singleLine(text)].slice(0, LONGEST_SUBJECT).join('');
}

function isPlaceholder(word: string): word is Placeholder {
  return (PLACEHOLDERS as readonly string[]).includes(word);
}
