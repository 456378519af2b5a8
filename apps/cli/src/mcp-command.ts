import type { Readable, Writable } from 'node:stream';
import { types } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport, StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolRequestSchema,
  CancelledNotificationSchema,
  isJSONRPCRequest,
  ListToolsRequestSchema,
  McpError,
  type RequestId,
} from '@modelcontextprotocol/sdk/types.js';
import { readRunFile } from '#local';
import { type Api, keyFor } from './api-client.js';
import { Complaint } from './complaint.js';

/**
 * Serves the tools of an API to a program that speaks the Model Context Protocol at the other end of a transport, until that end closes.
 * @throws if the API does not answer, or refuses the key
 */
export async function bridgeMcp({ url, key }: Api, transport: Transport, signal: AbortSignal): Promise<void> {
  const about = { name: 'tierline', version: '1' };
  const client = new Client(about);
  const requestInit = { headers: { Authorization: `Bearer ${key}` } };
  if (!URL.canParse(url)) throw new Complaint(`${url} is no address of an API`, 'It is such as http://127.0.0.1:3000');
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit }));
  } catch (error) {
    throw asComplaint(error, url);
  }
  try {
    const instructions = client.getInstructions();
    const server = new Server(about, { capabilities: { tools: {} }, ...(instructions === undefined ? {} : { instructions }) });
    const relayFailure = (error: unknown) => relay(asComplaint(error, url));
    server.setRequestHandler(ListToolsRequestSchema, ({ params }) => client.listTools(params).catch(relayFailure));
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => client.callTool(params).catch(relayFailure));
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

/** Passes on an error of the API unchanged: the library prefixes the message with its code. */
function relay(error: unknown): never {
  if (!(error instanceof McpError)) throw error;
  throw Object.assign(new Error(error.message.replace(`MCP error ${error.code}: `, '')), { code: error.code, data: error.data });
}

function asComplaint(error: unknown, url: string): unknown {
  if (error instanceof StreamableHTTPError && error.code === 401)
    return new Complaint(`The API at ${url} does not take the key`, 'TIERLINE_KEY is one that `npx tierline keys issue` printed');
  // What fetch throws if nothing answers.
  if (types.isNativeError(error) && error.name === 'TypeError') return new Complaint(`No API answers at ${url}`, 'Is it running there?');
  return error;
}

/**
 * The same for a program with one stream each way, until it has closed its own and all requests are answered.
 * @throws as bridgeMcp
 */
export async function bridgeStreams(api: Api, input: Readable, output: Writable, signal: AbortSignal): Promise<void> {
  const transport = new StdioServerTransport(input, output);
  const waiting = new Set<RequestId>();
  let ended = false;
  const closeIfDone = () => {
    if (ended && waiting.size === 0) void transport.close();
  };
  transport.onmessage = (message) => {
    if (isJSONRPCRequest(message)) waiting.add(message.id);
    // Cancelled requests are not answered.
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params.requestId;
    if (cancelled !== undefined) waiting.delete(cancelled);
  };
  const send = transport.send.bind(transport);
  transport.send = async (message) => {
    await send(message);
    if (!('method' in message) && message.id !== undefined) waiting.delete(message.id);
    closeIfDone();
  };
  // The transport itself does not notice the end of input.
  input.once('end', () => {
    ended = true;
    closeIfDone();
  });
  await bridgeMcp(api, transport, signal);
}

/** The same on standard input and output, by default for the API of an `npm start` on the data directory. @throws Complaint */
export async function serveMcp(dataDir: string, { url, key }: Partial<Api>, signal: AbortSignal): Promise<void> {
  const found = url ?? (await readRunFile(dataDir))?.api;
  if (found === undefined)
    throw new Complaint(`No \`npm start\` runs on ${dataDir}`, 'Start it, or name the API: --api http://127.0.0.1:3000');
  await bridgeStreams({ url: found, key: await keyFor(dataDir, key) }, process.stdin, process.stdout, signal);
}
