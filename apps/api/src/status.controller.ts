import { Controller, Get, Header, Inject, Param, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore, instantFrom } from '#eventsourcing';
import { Problem, QueryParameters } from '#http';
import { escapeHtml } from '#platform';
import { elsewhere, seesClient, type StatusPage, systemPrincipal } from '#ticketing';
import { isStatusPublic, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { callerOf } from './caller.js';
import { documented } from './documented.js';
import { pagePolicy } from './page-policy.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});
const clientName = new PathName('contract-not-found', 'There is no such client');

/** Reads the page for anonymous visitors. */
const ANYBODY = systemPrincipal({ id: 'status-page' });

const style = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; background: #fff; overflow-wrap: anywhere }
.said { display: block; white-space: pre-line } li { margin: .25rem 0 } time { color: #555 } .down { color: #a00000; font-weight: 600 } .maintenance { color: #7a5200; font-weight: 600 } .up { color: #00602b }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #161616 } time { color: #aaa } .down { color: #ff8a80 } .maintenance { color: #ffcc80 } .up { color: #a5d6a7 } }`;
const policy = pagePolicy(style);

/** The condition of a client's services: public if the contract says so, otherwise for those who may see the client. */
@Controller()
export class StatusController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Get('v1/status/:client')
  @documented((openapi) => openapi.documentRecord('statusPage'))
  status(@Param('client', clientName) client: string, @Query(noQuery) _query: object, @Req() request: FastifyRequest): Promise<StatusPage> {
    return this.#read(client, request);
  }

  @Get('status/:client')
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', policy)
  @documented((openapi) => openapi.ApiExcludeEndpoint())
  async page(
    @Param('client', clientName) client: string,
    @Query(noQuery) _query: object,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    try {
      return statusPage(await this.#read(client, request));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      void reply.code(error.kind.status).headers(error.headers);
      return refusalPage(error);
    }
  }

  async #read(client: string, request: FastifyRequest): Promise<StatusPage> {
    const at = instantFrom(Date.now());
    const isPublic = await isStatusPublic({ store: this.store }, client, at);
    const caller = isPublic ? { principal: ANYBODY } : callerOf(request);
    if (!seesClient(caller.principal, client)) unlessRefused(elsewhere());
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.statusPage, { client, at })));
  }
}

const time = (at: string) => `<time datetime="${at}">${at.slice(0, 16).replace('T', ' ')} UTC</time>`;
const list = (items: readonly string[], none: string) =>
  items.length === 0 ? `<p>${none}</p>` : `<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`;
const STATES = { up: 'works', maintenance: 'in maintenance', down: 'major incident' } as const;

function statusPage({ client, at, services, majorIncidents, maintenance }: StatusPage): string {
  const incidents = majorIncidents.map(({ service, beganAt, endedAt, updates }) => {
    const since = `${time(beganAt)} ${endedAt === undefined ? '– ongoing' : `– ${time(endedAt)}`}`;
    const told = updates.toReversed().map((update) => `${time(update.at)} <span class="said" dir="auto">${escapeHtml(update.text)}</span>`);
    return `<h3 class="${endedAt === undefined ? 'down' : 'up'}" dir="auto">${escapeHtml(service ?? 'Major incident')}</h3><p>${since}</p>${list(told, 'No updates yet.')}`;
  });
  const windows = maintenance.map(
    ({ title, services: some, from, until }) =>
      `${time(from)} – ${time(until)} <bdi>${escapeHtml(title)}</bdi>${some === undefined ? '' : ` (${some.map((service) => `<bdi>${escapeHtml(service)}</bdi>`).join(', ')})`}`,
  );
  return page(
    `Status of ${escapeHtml(client)}`,
    `<p>As of ${time(at)}</p>
<h2>Services</h2>
${list(
  services.map(({ service, state }) => `<bdi>${escapeHtml(service)}</bdi>: <span class="${state}">${STATES[state]}</span>`),
  'No services are listed.',
)}
<h2>Major incidents</h2>
${incidents.length === 0 ? '<p>None within the last week.</p>' : incidents.join('\n')}
<h2>Maintenance</h2>
${list(windows, 'None planned.')}`,
    '<meta http-equiv="refresh" content="60">\n',
  );
}

/** A refusal for a person rather than a program. */
function refusalPage({ kind: { status, title }, message }: Problem): string {
  const said = status === 401 ? 'To read this page, <a href="/login">log in</a> and come back.' : escapeHtml(message);
  return page(escapeHtml(title), `<p>${said}</p>`);
}

function page(title: string, content: string, more = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
${more}<title>${title}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
}
