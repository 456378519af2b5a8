/** One thing that is wrong or missing, with its field (a JSON path such as `handoff.summary`). */
export interface Fault {
  readonly field: string;
  readonly message: string;
}

/** Why a command was not done: a value, never an exception. `code` is stable and documented; `message` is for people. */
export interface Refusal<Code extends string = string> {
  readonly refused: Code;
  readonly message: string;
  readonly faults?: readonly Fault[];
  /** Facts of the message for programs, by field name, such as the ticket that a merged one continues in. */
  readonly details?: Readonly<Record<string, string | number>>;
}

export function refuse<const Code extends string>(
  code: Code,
  message: string,
  faults?: readonly Fault[],
  details?: Refusal['details'],
): Refusal<Code> {
  return { refused: code, message, ...(faults && { faults }), ...(details && { details }) };
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'refused' in value;
}
