/** Where to get the log; this project may not distribute it. */
export const BPIC2013_SOURCE =
  'BPI Challenge 2013, incidents (Volvo IT Belgium), 4TU.ResearchData, DOI 10.4121/uuid:500573e6-accc-4b0c-9576-aa5468b10cee';

/** Mappings of known logs, in `apps/cli/mappings`, with their purpose. */
export const READY_MAPPINGS = {
  bpic2013: BPIC2013_SOURCE,
  'bpic2013-open-problems': 'BPI Challenge 2013, open problems, DOI 10.4121/uuid:3537c19d-6c64-4b1d-815d-915ab0e479da',
  'bpic2013-closed-problems': 'BPI Challenge 2013, closed problems, DOI 10.4121/uuid:c2c3b154-ab26-4b31-a0e8-8f2350ddac11',
  freshservice: 'Freshservice: tickets of its API with `include=stats`, a JSON object a line',
  glpi: 'GLPI: the list of tickets as CSV, in English',
  'jira-service-management': 'Jira Service Management: the issues of a data pipeline export (CSV)',
  servicenow: 'ServiceNow: event log of the incident table, a row for each update, as in the UCI repository (CSV)',
  tierline: 'Tierline: the event log of `tierline extract event-log`, as XES, CSV or NDJSON',
  zammad: 'Zammad: tickets of its API with `expand=true`, a JSON object a line',
} as const;

/** Source and client of that log's tickets. */
export const BPIC2013 = { name: 'bpic2013', client: 'volvo-it-belgium' } as const;
