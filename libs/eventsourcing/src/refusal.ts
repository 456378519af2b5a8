/** One thing that is wrong or missing, with the field it is about (a JSON path such as `handoff.summary`). */
export interface Fault {
  readonly field: string;
  readonly message: string;
}

/** Why a command was not done: a value, never an exception. `code` is stable and documented; `message` is for people. */
export interface Refusal<Code extends string = string> {
  readonly refused: Code;
  readonly message: string;
  readonly faults?: readonly Fault[];
}

export function refuse<const Code extends string>(code: Code, message: string, faults?: readonly Fault[]): Refusal<Code> {
  return faults === undefined ? { refused: code, message } : { refused: code, message, faults };
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'refused' in value;
}
