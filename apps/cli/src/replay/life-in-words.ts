import { epochMillis } from '#eventsourcing';
import { type Colours, escapeNewlines } from '#platform';
import { spelledOut } from '#ticketing';
import { duration, type LifeStep } from './ticket-life.js';

const LABEL = 18;

/** A step for the terminal. Derived from the event's own words, so that a new type of event needs no line here. */
export function inWords(step: LifeStep, pc: Colours): string {
  const row = (label: string, text: string): string => `${' '.repeat(5)}${pc.cyan(label.padEnd(LABEL))}${escapeNewlines(text)}`;
  const { revision, type, effectiveAt, recordedAt, actor, cause, changes, data, imported } = step;
  const late = epochMillis(recordedAt) - epochMillis(effectiveAt);
  const lines = [
    `${pc.dim(`#${revision}`.padEnd(5))}${pc.bold(spelledOut(type))}  ${pc.dim('by')} ${escapeNewlines(actor.name ?? actor.id)} ${pc.dim(`(${actor.kind}${actor.name === undefined ? '' : ` ${escapeNewlines(actor.id)}`})`)}`,
    row('happened', effectiveAt),
    ...(late === 0
      ? []
      : [row('recorded', `${recordedAt} ${pc.yellow(`(${duration(Math.abs(late))} ${late > 0 ? 'later' : 'earlier'})`)}`)]),
    ...changes.map(({ what, from, to }) =>
      row(
        what,
        `${from === undefined ? pc.dim('none') : pc.dim(from)} ${pc.dim('->')} ${to === undefined ? pc.dim('none') : pc.green(to)}`,
      ),
    ),
    row('because of', because(cause, pc)),
    ...(imported === undefined
      ? []
      : [
          row(
            'imported from',
            `${imported.system}, record ${imported.key}, row ${imported.row}: ${Object.entries(imported.said)
              .map(([key, value]) => `${key} "${value}"`)
              .join(', ')}`,
          ),
          ...(imported.deviations?.length ? [row('against rules', pc.yellow(imported.deviations.join(', ')))] : []),
        ]),
    ...described(data, pc).map((line) => `${' '.repeat(5)}${line}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** A command that someone sent, or one that followed from another event or command. */
function because({ commandType, commandId, causationId, correlationId }: LifeStep['cause'], pc: Colours): string {
  const origin = causationId === commandId ? '' : `, caused by ${causationId}`;
  const conversation = correlationId === commandId || correlationId === causationId ? '' : `, in ${correlationId}`;
  return `${commandType} ${pc.dim(`${commandId}${origin}${conversation}`)}`;
}

/** Any JSON as indented lines of `label  text`. */
function described(value: unknown, pc: Colours): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const label = spelledOut(key).padEnd(LABEL);
    const short = brief(inner, pc);
    if (short !== undefined) return short.split(/\r?\n/).map((line, index) => `${index === 0 ? pc.dim(label) : ' '.repeat(LABEL)}${line}`);
    const items = Array.isArray(inner)
      ? inner.flatMap((item: unknown) => bullet(brief(item, pc)?.split(/\r?\n/) ?? described(item, pc)))
      : described(inner, pc);
    return [pc.dim(label.trimEnd()), ...items.map((line) => `  ${line}`)];
  });
}

function bullet(lines: readonly string[]): string[] {
  return lines.map((line, index) => `${index === 0 ? '-' : ' '} ${line}`);
}

/** What fits behind its label: plain values, people, and lists of one plain value. */
function brief(value: unknown, pc: Colours): string | undefined {
  if (value === null || typeof value === 'undefined') return pc.dim('none');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (Array.isArray(value))
    return value.length === 0
      ? pc.dim('none')
      : value.every((item) => typeof item === 'number')
        ? value.join(', ')
        : value.length === 1
          ? onlyPlain(value[0], pc)
          : undefined;
  const { id, name, ...rest } = value as Record<string, unknown>;
  if (typeof id !== 'string' || Object.keys(rest).length > 0) return undefined;
  return typeof name === 'string' ? `${name} (${id})` : id;
}

function onlyPlain(value: unknown, pc: Colours): string | undefined {
  return typeof value === 'object' ? undefined : brief(value, pc);
}
