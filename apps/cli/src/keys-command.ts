import { instantFrom, isRefusal, type Instant, readAggregate } from '#eventsourcing';
import { credential, isValid, type Principal, shown } from '#ticketing';
import { asOperator, issueAccountLink, issueCredential, issueLink, runCommand } from '#ticketing-app';
import { Complaint } from './complaint.js';
import { showProgress } from './progress.js';
import type { Session } from './session.js';

export interface KeyAsked {
  readonly label: string;
  readonly principal: Principal;
  readonly routes?: readonly string[];
  readonly expiresAt?: Instant;
}

/** Issues a key, and prints it, for the only time. @throws Complaint */
export async function issueKey(
  { store }: Session,
  { label, principal, routes, expiresAt }: KeyAsked,
  print: (text: string) => void,
): Promise<void> {
  if (!isValid({ expiresAt }, instantFrom(Date.now()))) throw new Complaint(`The key would have expired at ${expiresAt}`);
  const issuing = { form: 'key', label, principal, ...(routes && { routes }), ...(expiresAt && { expiresAt }) } as const;
  const issued = await issueCredential(store, issuing, asOperator());
  if (isRefusal(issued)) throw new Complaint(issued.message);
  print(`${issued.token}\n`);
}

/** Makes a one-time log-in link, and prints it. @param api URL of the API, unless it runs here @throws Complaint */
export async function makeLoginLink(
  { store, running }: Session,
  principal: Principal,
  api: string,
  print: (text: string) => void,
): Promise<void> {
  const issued = await issueLink(store, { label: 'Made on the command line', principal }, asOperator());
  if (isRefusal(issued)) throw new Complaint(issued.message);
  print(`${running?.api ?? api}/login#${issued.token}\n`);
}

/** Makes a one-time link for setting the password of an account, and prints it. @param api see `makeLoginLink` @throws Complaint */
export async function makeAccountLink(
  { store, running }: Session,
  account: string,
  api: string,
  print: (text: string) => void,
): Promise<void> {
  const issued = await issueAccountLink(store, account, asOperator());
  if (isRefusal(issued)) throw new Complaint(issued.message);
  print(`${running?.api ?? api}/login#password-${issued.token}\n`);
}

/** Prints a key, without its secret. @throws Complaint if there is none */
export async function showKey({ store }: Session, key: string, print: (text: string) => void): Promise<void> {
  const { state } = await readAggregate(store, credential, key);
  if (state === null) throw new Complaint(`There is no key ${key}`);
  print(`${JSON.stringify(shown(state), null, 2)}\n`);
}

/** Wraps the keys of personal data with the current master key; the previous one is no longer needed. */
export async function rewrapKeys({ keys }: Session, print: (text: string) => void): Promise<void> {
  const progress = showProgress('Wrapping keys of personal data', 'keys');
  try {
    const rewrapped = await keys.rewrap((looked) => progress.update(looked, undefined));
    progress.stop();
    print(`${rewrapped.toLocaleString('en')} keys of personal data were rewrapped: PERSONAL_KEY_FILE now unwraps all of them\n`);
  } finally {
    progress.stop();
  }
}

/** Revokes a key: a running API notices within seconds. @throws Complaint if there is none */
export async function revokeKey({ store }: Session, key: string, print: (text: string) => void): Promise<void> {
  const revoked = await runCommand(store, { aggregate: credential, id: key, name: 'RevokeCredential', body: {}, context: asOperator() });
  if (isRefusal(revoked)) throw new Complaint(revoked.message);
  print(revoked.events.length > 0 ? `Revoked at ${instantFrom(Date.now())}\n` : 'It was revoked already\n');
}
