import { aggregates, commandAccess, type Condition, queryAccess, type Role, ROLES } from '#ticketing';
import type { Aggregate } from '#eventsourcing';

type Grant = true | Condition<unknown, object> | 'all' | 'own' | undefined;

/**
 * The page of who may do what, from the enforced table.
 * @param routesOf the routes of a row, such as `GET /v1/tickets`
 */
export function rolesPage(routesOf: (row: string) => readonly string[]): string {
  const commands = (aggregates as readonly Aggregate[]).flatMap(({ category, commands }) =>
    Object.keys(commands).map((name) => ({ category, name, row: commandAccess[category]?.[name] ?? {} })),
  );
  const open = commands.filter(({ row }) => Object.keys(row).length > 0);
  const closed = commands.filter(({ row }) => Object.keys(row).length === 0);
  return `# Roles

Generated from the table that is enforced ([\`libs/ticketing/src/access\`](../libs/ticketing/src/access/command-access.ts)); do not edit.
\`UPDATE_DOCS=1 npm test -- apps/api/src/roles\` regenerates it. [identity.md](identity.md) explains the roles. The test sends every
request below as each role, and compares the answers with the table.

A principal with several roles may do what any of them may. All of it is only for the clients of the principal.

# Commands

${table(open.map(({ category, name, row }) => ({ name, routes: routesOf(`${category}.${name}`), row })))}
Reserved for the system itself: ${closed.map(({ name }) => `\`${name}\``).join(', ')}.

# Queries

\`own\`: only tickets that the requester reported.

${table(Object.entries(queryAccess).map(([name, row]) => ({ name, routes: routesOf(name), row })))}`;
}

interface Line {
  readonly name: string;
  readonly routes: readonly string[];
  readonly row: Readonly<Partial<Record<Role, Grant>>>;
}

function table(lines: readonly Line[]): string {
  const rows = lines.map(({ name, routes, row }) =>
    [name, routes.map((route) => `\`${route}\``).join(', '), ...ROLES.map((role) => inWords(row[role]))].join(' | '),
  );
  return `| row | routes | ${ROLES.join(' | ')} |\n|---|---|${'---|'.repeat(ROLES.length)}\n${rows.map((row) => `| ${row} |\n`).join('')}`;
}

function inWords(grant: Grant): string {
  if (grant === undefined) return '';
  if (grant === 'own') return 'own';
  return grant === true || grant === 'all' ? 'yes' : grant.needs;
}
