import type { Article } from '../knowledge/article.js';
import type { Agent } from '../desk/agent.js';
import type { Team } from '../desk/team.js';
import { type Scope, seesClient } from '../identity/principal.js';
import { without } from '../plain-json.js';
import type { TicketFilter } from '../ticket/ticket-filter.js';

/** A team that serves only certain clients is visible to those who can see one of these clients. */
export function seesTeam(scope: Scope, { clients }: Pick<Team, 'clients'>): boolean {
  return clients === undefined || clients.some((client) => seesClient(scope, client));
}

/** A team, or part of one, without the clients that may not be seen. */
export function shownTeam<Fields extends { readonly clients?: readonly string[] }>(scope: Scope, team: Fields): Fields {
  return team.clients === undefined ? team : { ...team, clients: team.clients.filter((client) => seesClient(scope, client)) };
}

/** An agent, or part of one, without the clients that may not be seen. */
export function shownAgent<Fields extends Pick<Agent, 'contact'>>(scope: Scope, agent: Fields): Fields {
  const { contact } = agent;
  if (contact === undefined || contact.clients === 'all') return agent;
  return { ...agent, contact: { ...contact, clients: contact.clients.filter((client) => seesClient(scope, client)) } };
}

/** A filter for a client is visible to those who can see that client. */
export function seesFilter(scope: Scope, { query: { client } }: Pick<TicketFilter, 'query'>): boolean {
  return client === undefined || seesClient(scope, client);
}

/** An article as its reader may see it: requesters see only published text, and not whom the desk reminds of reviews. */
export function shownArticle({ reporter }: Scope, article: Article): Article {
  if (reporter === undefined) return article;
  const { published, ...shown } = without(article, 'reminded', 'nextReminderAt');
  return published === undefined ? shown : { ...shown, published, status: 'published', latest: published };
}
