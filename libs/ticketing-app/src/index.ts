export { followersOfOtherLog, unlessOfOtherLog } from './log-guard.js';
export { tzdata, WebhookNetworks } from './needs.js';
export {
  groupHealth,
  healthOfDeliveries,
  groupPosition,
  policyHealth,
  type Page,
  databaseAnswer,
  readByIds,
  readByName,
  ReadModels,
  type Sources,
  WALLS,
} from './read-models.js';
export { Accounts, issueAccountLink, type LogInContext, type PasskeyProof, type Proof } from './accounts.js';
export { Passkeys } from './passkeys.js';
export { TotpCodes } from './totp.js';
export {
  asOperator,
  credentialIdIn,
  findCredential,
  issueCredential,
  issueLink,
  type Issuing,
  type KnownCredential,
  type LoggedIn,
  SESSION_LASTS_MS,
  startSession,
  today,
} from './credentials.js';
export * from './alerts.js';
export * from './automation-tasks.js';
export * from './changed-documents.js';
export * from './client-report.js';
export { logInKey, webhookKey } from './deriving-keys.js';
export * from './desk-queries.js';
export { eraseForgotten, tellErased, type Erasing } from './erasures.js';
export * from './history-query.js';
export * from './export-queries.js';
export * from './flow-query.js';
export * from './kpi-query.js';
export { PasswordHashes } from './passwords.js';
export * from './period-parameters.js';
export * from './major-incidents.js';
export { evaluatedAt, isPast, type When } from './past.js';
export { countedBy, type CountsAsked } from './past-lists.js';
export { endSessionsOfProvider, type LoggedOutAtProvider } from './provider-log-out.js';
export * from './queries.js';
export * from './reactions-query.js';
export * from './report-queries.js';
export { discardTicketInstants, TICKET_INSTANTS } from './ticket-instants.js';
export * from './restatement-query.js';
export { type Due, eraseWhatIsDue } from './retention.js';
export { Revocations, type Standing } from './revocations.js';
export { digestOfReport, readRootCauseReport, type RootCauseAsked } from './root-cause-query.js';
export { REPORT_STYLE, reportAsHtml, reportAsMarkdown } from './root-cause-pages.js';
export * from './run-command.js';
export { type AppQuery, type Asker, query, runQuery } from './run-query.js';
export * from './saved-filters.js';
export * from './sealed-categories.js';
export * from './simulate.js';
export * from './sla-board-query.js';
export * from './status-page.js';
export * from './ticket-autopsy.js';
export * from './ticket-list-parameters.js';
export * from './ticket-list-query.js';
export * from './ticket-queries.js';
export * from './ticket-why.js';
export * from './webhook-queries.js';
export { contactOf } from './who-is-there.js';
export {
  INBOUND_MAIL,
  inboundMail,
  type InboundMailDocument,
  type InboundMailRecord,
  type MailAside,
  type MailHeaders,
  mailId,
  mailPerson,
  openMail,
  ownerOf,
  sealHeaders,
} from './inbound-mail-records.js';
