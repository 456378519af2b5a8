import Table from 'cli-table3';
import { isRefusal, type Position } from '#eventsourcing';
import { type Colours, escapeNewlines, spelledOut } from '#platform';
import {
  type Contract,
  contractTerms,
  type EscalationTally,
  type Simulation,
  type Tally,
  type TicketComparison,
  ticketViews,
} from '#ticketing';
import { groupPosition, simulate, type SimulationRequest } from '#ticketing-app';
import { Complaint } from '../complaint.js';
import { readJson } from '../json-file.js';
import { showProgress } from '../progress.js';
import type { Session } from '../session.js';

export interface SimulateOptions extends Omit<SimulationRequest, 'contract'> {
  readonly session: Pick<Session, 'store' | 'mongo'>;
  /** A JSON file with the terms. */
  readonly contractFile: string;
  /** Prints the whole result as JSON, for programs. */
  readonly json: boolean;
  readonly colours: Colours;
  readonly print: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * `tierline simulate`: replays the tickets of a period under the contract in a file, and prints the results of their clocks.
 * @throws Complaint if the file has no valid contract
 */
export async function runSimulation({ session, contractFile, json, colours, print, signal, ...request }: SimulateOptions): Promise<void> {
  const contract = await readContract(contractFile);
  const progress = showProgress('Replaying', 'of the log');
  // The length of the log is unknown, but the progress of a view is known.
  const end = Number((await groupPosition(session.mongo, ticketViews.name))?.commit ?? 0);
  try {
    const onProgress = ({ commit }: Position, tickets: number) =>
      progress.update(Math.min(Number(commit), end), end, `${number(tickets)} tickets`);
    const simulation = await simulate(session.store, { ...request, contract }, { signal, onProgress });
    progress.stop();
    print(json ? `${JSON.stringify(simulation, null, 2)}\n` : inWords(simulation, colours));
  } finally {
    progress.stop();
  }
}

async function readContract(file: string): Promise<Contract> {
  const terms = await readJson(file);
  if (typeof terms !== 'object' || terms === null || Array.isArray(terms))
    throw new Complaint(`${file} must hold a JSON object: the terms of a contract`);
  const contract = contractTerms(terms as Readonly<Record<string, unknown>>);
  if (!isRefusal(contract)) return contract;
  const faults = (contract.faults ?? []).map(({ field, message }) => `  ${field} ${message}`);
  throw new Complaint([`${file}: ${contract.message}`, ...faults].join('\n'));
}

function inWords({ asOf, totals, items }: Simulation, { green, red, dim, bold }: Colours): string {
  const { tickets, changed, gained, lost, escalations, rules, byKind, byTier, byPriority, byClient } = totals;
  const table = new Table({
    head: ['', 'met', 'breached', 'open', 'would be met', 'breached', 'open', 'gained', 'lost'].map(bold),
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  const row = (name: string, { actual, proposed, ...tally }: Tally) =>
    table.push([
      cell(name),
      ...[actual.met, actual.breached, actual.open, proposed.met, proposed.breached, proposed.open].map(number),
      tally.gained > 0 ? red(number(tally.gained)) : '0',
      tally.lost > 0 ? green(number(tally.lost)) : '0',
    ]);
  row('all clocks', totals);
  for (const one of byKind) row(one.kind, one);
  for (const one of byTier) row(`of ${one.tier}`, one);
  for (const one of byPriority) row(`priority ${one.priority}`, one);
  for (const one of byClient) row(`client ${one.client}`, one);
  const shown = items.length < changed ? `, the first ${number(items.length)}` : '';
  return [
    `${count(tickets, 'ticket')} replayed, as of ${asOf}: ${count(gained, 'breach')} gained, ${number(lost)} lost, on ${count(changed, 'ticket')}`,
    '',
    table.toString(),
    ...(escalations.length === 0 ? [] : ['', steps(escalations, { green, red, bold })]),
    ...rules.map(({ rule, tickets, fired }) => `rule ${cell(rule)}: would fire ${count(fired, 'time')} on ${count(tickets, 'ticket')}`),
    ...(items.length === 0 ? [] : ['', bold(`Tickets with a difference${shown}:`), ...items.map((ticket) => comparisonLine(ticket, dim))]),
    '',
  ].join('\n');
}

/** What escalation policies did, and would have done. */
function steps(escalations: readonly EscalationTally[], { green, red, bold }: Pick<Colours, 'green' | 'red' | 'bold'>): string {
  const table = new Table({
    head: ['escalation policy', '', 'fired', 'would fire', 'gained', 'lost'].map(bold),
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { policy, kind, actual, proposed, gained, lost } of escalations) {
    const gain = gained > 0 ? red(number(gained)) : '0';
    const loss = lost > 0 ? green(number(lost)) : '0';
    table.push([cell(policy), kind, number(actual), number(proposed), gain, loss]);
  }
  return table.toString();
}

function comparisonLine(
  { ticketId, client, priority, openedAt, clocks, escalations, rules }: TicketComparison,
  dim: (text: string) => string,
): string {
  const changes = clocks.map(({ kind, tier, vendor, cycle, actual, proposed, breach }) => {
    const at = (breach === 'gained' ? proposed : actual)?.breachedAt;
    return `${breach} ${[kind, tier, vendor, cycle > 1 ? `(${cycle})` : undefined].filter((part) => part !== undefined).join(' ')} ${dim(`at ${at}`)}`;
  });
  const fired = escalations.map(({ policy, time, round, step, kind, to, actual, proposed, escalation }) => {
    const which = `step ${step + 1}${round > 0 ? ` of round ${round + 1}` : ''}${time > 1 ? ` (${time})` : ''}`;
    return `${escalation} ${policy} ${which}${kind === 'functional' ? ` handing on to ${to}` : ''} ${dim(`at ${proposed ?? actual}`)}`;
  });
  const byRule = rules.map(({ rule, on, at }) => `rule ${escapeNewlines(rule)} on ${on} ${dim(`at ${at}`)}`);
  return `  ${ticketId}  ${escapeNewlines(client)}, ${priority}, opened ${openedAt}: ${[...changes, ...fired, ...byRule].join('; ')}`;
}

/** Measured by the table itself as printed. */
const cell = (text: string): string => spelledOut(escapeNewlines(text));
const number = (value: number): string => value.toLocaleString('en');
const count = (value: number, what: string): string => `${number(value)} ${what}${value === 1 ? '' : what.endsWith('ch') ? 'es' : 's'}`;
