import { alert } from '../alerts/alert.js';
import { alertSource } from '../alerts/alert-source.js';
import { maintenance } from '../alerts/maintenance.js';
import { automation } from '../automation/automation.js';
import { contract } from '../contract/contract-agreement.js';
import { agent } from './agent.js';
import { attention } from './attention.js';
import { onCall } from './on-call.js';
import { privacy } from './privacy.js';
import { report } from './report.js';
import { team } from './team.js';
import { webhook } from './webhook.js';
import { account } from '../identity/account.js';
import { credential } from '../identity/credential.js';
import { article } from '../knowledge/article.js';
import { majorIncident } from '../major-incident/major-incident.js';
import { outage } from '../major-incident/outage.js';
import { problem } from '../problem/problem.js';
import { recurrence } from '../problem/recurrence.js';
import { question } from '../self-service/question.js';
import { requestForm } from '../self-service/request-form.js';
import { ticketFilter } from '../ticket/ticket-filter.js';
import { ticket } from '../ticket/ticket.js';

/** Every aggregate: routes, documentation and fixture checks are derived from this list. */
export const aggregates = [
  ticket,
  contract,
  onCall,
  team,
  agent,
  attention,
  ticketFilter,
  credential,
  webhook,
  report,
  account,
  privacy,
  problem,
  recurrence,
  article,
  alertSource,
  alert,
  maintenance,
  majorIncident,
  outage,
  automation,
  question,
  requestForm,
] as const;
