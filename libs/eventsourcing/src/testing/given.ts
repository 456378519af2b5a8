import {
  type Aggregate,
  type AnyEvent,
  type CommandsOf,
  type DecisionContext,
  type EventFacts,
  type EventOf,
  type EventsOf,
  evolve,
  type GivenOf,
  type Instant,
  instantFrom,
  isRefusal,
  type Refusal,
  type StateOf,
} from '#eventsourcing';

/**
 * A command by name, with its content, when it is sent (milliseconds after the start; default: a step after the previous one), and what it
 * needs.
 */
export type Sent<Of extends Aggregate> = {
  [Name in keyof CommandsOf<Of> & string]: readonly [
    name: Name,
    command: CommandsOf<Of>[Name],
    offset?: number,
    outside?: GivenOf<Of, Name>,
  ];
}[keyof CommandsOf<Of> & string];

/** The context of a spec's commands: the sender, the aggregate, the start, and the step in milliseconds. */
export type Setting = Pick<DecisionContext, 'id' | 'actor'> & { readonly start: number; readonly step: number };

/** An aggregate after some commands. */
export interface Scenario<Of extends Aggregate> {
  readonly state: StateOf<Of>;
  /** The events of the commands, with when they took effect. */
  readonly told: readonly { readonly type: string; readonly at: Instant }[];
  /** The same after more commands. */
  and(...more: readonly Sent<Of>[]): Scenario<Of>;
  /** @param offset in milliseconds after the start; default: a step after the last command */
  when<Name extends keyof CommandsOf<Of> & string>(
    name: Name,
    command: CommandsOf<Of>[Name],
    offset?: number,
    outside?: GivenOf<Of, Name>,
  ): {
    /** The command's events; fails if it is refused. */
    events(): readonly EventOf<EventsOf<Of>>[];
    /** Why it is refused; fails if it is accepted. */
    refusal(): Refusal;
  };
}

/** For specs of deciders: `given(...commands).when(name, command).events()`, or `.refusal()`. */
export function scenariosOf<Of extends Aggregate>(aggregate: Of, { start, step, ...sender }: Setting) {
  const contextAt = (offset: number, commandId: string): DecisionContext & EventFacts => {
    const at = instantFrom(start + offset);
    return { ...sender, commandId, effectiveAt: at, recordedAt: at };
  };
  const decide = (name: string, command: object, state: StateOf<Of>, context: DecisionContext, outside?: unknown) =>
    (aggregate.commands[name] as Of['commands'][string]).decide(command, state, context, outside);

  return function given(...commands: readonly Sent<Of>[]): Scenario<Of> {
    let state = aggregate.initial as StateOf<Of>;
    let last = 0;
    const told: { readonly type: string; readonly at: Instant }[] = [];
    commands.forEach(([name, command, offset, outside], index) => {
      last = offset ?? last + step;
      const context = contextAt(last, `given-${index}`);
      const decision = decide(name, command as object, state, context, outside);
      if (isRefusal(decision)) throw new Error(`given ${name}: ${JSON.stringify(decision)}`);
      for (const event of decision as readonly AnyEvent[]) {
        const effectiveAt = event.effectiveAt ?? context.effectiveAt;
        state = evolve(aggregate, state, event, { ...context, effectiveAt });
        told.push({ type: event.type, at: effectiveAt });
      }
    });
    return {
      state,
      told,
      and: (...more) => given(...commands, ...more),
      when(name, command, offset = last + step, outside = undefined) {
        const decision = decide(name, command as object, state, contextAt(offset, 'command'), outside);
        return {
          events() {
            if (isRefusal(decision)) throw new Error(JSON.stringify(decision));
            return decision as readonly EventOf<EventsOf<Of>>[];
          },
          refusal() {
            if (!isRefusal(decision)) throw new Error(`done: ${JSON.stringify(decision)}`);
            return decision;
          },
        };
      },
    };
  };
}
