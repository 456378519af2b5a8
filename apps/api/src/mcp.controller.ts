import { Body, Controller, Inject, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiDocument } from './api-document.js';
import { callerOf } from './caller.js';
import { documented } from './documented.js';
import type { Tool } from './mcp-tools.js';

/** Headers about the caller, its origin and trace: a tool call gets those of the request that carries it. */
const PASSED_ON = [
  'authorization',
  'cookie',
  'host',
  'origin',
  'sec-fetch-site',
  'x-csrf-protection',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-actor-id',
  'x-actor-kind',
  'x-actor-name',
];

/** The Model Context Protocol: tools are operations of the API, each called as a separate request under the caller's identity. */
@documented((openapi) => openapi.ApiExcludeController())
@Controller('mcp')
export class McpController {
  #tools: Promise<readonly Tool[]> | undefined;

  constructor(@Inject(ApiDocument) private readonly openapi: ApiDocument) {}

  @Post()
  async answer(@Body() message: unknown, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { principal } = callerOf(request);
    // The protocol's library is loaded on first use.
    const { answerMcp } = await import('./mcp-server.js');
    const tools = await (this.#tools ??= this.#findTools());
    const headers = new Headers({ 'content-type': 'application/json', accept: String(request.headers.accept ?? '') });
    const asked = new Request(`http://${request.host}${request.url}`, { method: 'POST', headers });
    const answer = await answerMcp(asked, message, {
      tools,
      principal,
      ask: async ({ method, url, headers: more, body }) => {
        const answered = await request.server.inject({
          method: method as 'GET',
          url,
          headers: { ...this.#passedOn(request), ...more },
          remoteAddress: request.socket.remoteAddress ?? '',
          ...(body === undefined ? {} : { payload: body }),
        });
        return { status: answered.statusCode, body: answered.body };
      },
    });
    void reply.code(answer.status).headers(Object.fromEntries(answer.headers));
    await reply.send(await answer.text());
  }

  #passedOn({ headers, correlationId }: FastifyRequest): Record<string, string> {
    const known = PASSED_ON.flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]]] : []));
    return { ...Object.fromEntries(known), 'x-correlation-id': correlationId };
  }

  async #findTools(): Promise<readonly Tool[]> {
    const [{ toolsOf }, document] = await Promise.all([import('./mcp-tools.js'), this.openapi.get()]);
    return toolsOf(document);
  }
}
