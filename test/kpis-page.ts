import { kpis } from '#ticketing';

/** The page of all KPIs. */
export function kpisPage(): string {
  const rows = kpis.map(
    ({ id, version, says, unit, dimensions }) =>
      `| \`${id}\` | ${version} | ${says} | ${unit} | ${dimensions.map((one) => `\`${one}\``).join(', ')} |`,
  );
  return `# KPIs

Generated from the formulas in \`libs/ticketing/src/reports/kpis.ts\`; do not edit. \`UPDATE_DOCS=1 npm test -- test/documentation\` regenerates
it. [reporting.md](reporting.md#kpis) explains the queries.

| id | version | formula | unit | grouped and filtered by |
|---|---|---|---|---|
${rows.join('\n')}

All can also be grouped by \`hour\`, \`day\`, \`week\` or \`month\`, in the time zone of each client's calendar. Shares are 0 to 1. What people did counts when it
happened, whenever it was recorded. A ticket that was reopened is not resolved until it is resolved again.
`;
}
