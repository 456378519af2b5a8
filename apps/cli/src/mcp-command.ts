import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { readRunFile } from '#local';
import { type Api, keyFor } from './api-client.js';
import { Complaint } from './complaint.js';

/**
 * Serves the tools of an API to a program that speaks the Model Context Protocol on the other end of a transport, until that end is closed.
 * @throws when the API does not answer, or not to this key
 */
export async function bridgeMcp({ url, key }: Api, transport: Transport, signal: AbortSignal): Promise<void> {
  const about = { name: 'tierline', version: '1' };
  const client = new Client(about);
  const requestInit = { headers: { Authorization: `Bearer ${key}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit }));
  try {
    const instructions = client.getInstructions();
    const server = new Server(about, { capabilities: { tools: {} }, ...(instructions === undefined ? {} : { instructions }) });
    server.setRequestHandler(ListToolsRequestSchema, ({ params }) => client.listTools(params));
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => client.callTool(params));
    const closed = new Promise<void>((resolve) => {
      server.onclose = resolve;
    });
    const close = () => void server.close();
    signal.addEventListener('abort', close);
    await server.connect(transport);
    await closed;
    signal.removeEventListener('abort', close);
  } finally {
    await client.close();
  }
}

/** The same on standard input and output, of the API of an `npm start` on the data directory unless it is named. @throws Complaint */
export async function serveMcp(dataDir: string, { url, key }: Partial<Api>, signal: AbortSignal): Promise<void> {
  const found = url ?? (await readRunFile(dataDir))?.api;
  if (found === undefined)
    throw new Complaint(`No \`npm start\` runs on ${dataDir}`, 'Start it, or name the API: --api http://127.0.0.1:3000');
  const api = { url: found, key: await keyFor(dataDir, key) };
  const transport = new StdioServerTransport();
  // The transport itself does not notice that nobody writes any more.
  process.stdin.once('end', () => void transport.close());
  await bridgeMcp(api, transport, signal);
}
