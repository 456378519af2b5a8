import { singleLine } from '#eventsourcing';
import { about, fields, matching, name, open, optional, type Static, text, withRule } from '../schema.js';

/** What braces of a template may stand for. */
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

/** How messages about escalations read, where it is not as usual. */
export type MessageTemplate = Static<typeof messageTemplateSchema>;

export const messageSchema = open({
  subject: about(text, 'Subject, on one line'),
  text: about(text, 'Plain text, several lines'),
});

/** What a step of an escalation policy tells. */
export type Message = Static<typeof messageSchema>;

const SUBJECT = '[{priority}] {summary}';
const TEXT = `Ticket {ticket} of {client} needs you: {summary}

Priority: {priority}
Tier: {tier}
Escalation policy: {policy}, step {step}, due {due}`;

const LONGEST_SUBJECT = 200;

/** The message that a template makes of what holds now. */
export function escalationMessage(template: MessageTemplate | undefined, values: Readonly<Record<Placeholder, string>>): Message {
  const { subject = SUBJECT, text = TEXT } = template ?? {};
  const filled = (text: string) => text.replace(PLACEHOLDER, (braces, word: string) => (isPlaceholder(word) ? values[word] : braces));
  return { subject: subjectLine(filled(subject)), text: filled(text) };
}

/** Text as the subject of a message: on one line, not too long. */
export function subjectLine(text: string): string {
  return [...singleLine(text)].slice(0, LONGEST_SUBJECT).join('');
}

function isPlaceholder(word: string): word is Placeholder {
  return (PLACEHOLDERS as readonly string[]).includes(word);
}
