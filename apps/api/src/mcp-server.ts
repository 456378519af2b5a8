import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { CallToolRequestSchema, ErrorCode, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Problem } from '#http';
import type { Principal } from '#ticketing';
import { inArguments, requestOf, type Tool, type ToolRequest } from './mcp-tools.js';

/** An answer of the API. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

/** What a request to the server needs. */
interface McpCaller {
  readonly tools: readonly Tool[];
  readonly principal: Principal;
  /** Calls the API under the identity of the caller. */
  ask(request: ToolRequest): Promise<ApiAnswer>;
}

const instructions =
  'Tierline is the system of record of a tiered IT support desk (L0 self-service, L1 service desk, L2 technical support, L3 experts, L4 vendors). ' +
  'Everything you do is recorded under your name. Read a ticket before you act on it; record each diagnostic step with its outcome. ' +
  'Errors are problem details: `code` says what is wrong, `faults` which arguments.';

/** Answers one request of the Model Context Protocol (Streamable HTTP, without sessions). @param message its parsed body */
export async function answerMcp(request: Request, message: unknown, { tools, principal, ask }: McpCaller): Promise<Response> {
  const server = new Server({ name: 'tierline', version: '1' }, { capabilities: { tools: {} }, instructions });
  const offered = tools.filter((tool) => tool.isFor(principal));
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: offered.map(({ name, description, inputSchema, annotations }) => ({ name, description, inputSchema, annotations })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params: { name, arguments: given = {} } }) => {
    const tool = offered.find((one) => one.name === name);
    if (tool === undefined)
      throw Object.assign(new Error(`There is no tool ${name}, or your role may not use it`), { code: ErrorCode.InvalidParams });
    const asked = requestOf(tool, given);
    const { status, body } =
      asked instanceof Problem ? { status: asked.kind.status, body: JSON.stringify(asked.details('/mcp')) } : await ask(asked);
    if (status < 400) return { content: [{ type: 'text', text: body }], structuredContent: JSON.parse(body), isError: false };
    const problem = inArguments(tool, JSON.parse(body));
    return { content: [{ type: 'text', text: JSON.stringify(problem) }], structuredContent: problem, isError: true };
  });
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  await server.connect(transport);
  try {
    const response = await transport.handleRequest(request, { parsedBody: message });
    // Read before the server is closed.
    return new Response(response.status === 202 ? null : await response.text(), response);
  } finally {
    await server.close();
  }
}
