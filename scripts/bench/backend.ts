// A raw Streamable HTTP MCP server with as little in it as the protocol allows: what the gateway's cost is measured against.
// Any number of endpoints /mcp/0, /mcp/1 … with a hundred tools each, or as many as /mcp/0?tools=N says. Prints {"ready":true,"port":N}.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const TOOLS = 100;

const tool = (index: number) => ({
  name: `tool_${index}`,
  title: `Tool ${index}`,
  description: `Answers with the text it was given. Number ${index}.`,
  inputSchema: {
    type: 'object',
    properties: {
      text: { type: 'string', description: 'What to answer with' },
      count: { type: 'integer', minimum: 0 },
    },
    required: ['text'],
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
});
const lists = new Map<string, object>();

function listFor(url: string): object {
  const length = Number(/[?&]tools=(\d+)/.exec(url)?.[1] ?? TOOLS);
  const made = lists.get(url) ?? { tools: Array.from({ length }, (_, index) => tool(index)) };
  lists.set(url, made);
  return made;
}

interface Message {
  id?: number | string;
  method: string;
  params?: { arguments?: { text?: string }; protocolVersion?: string };
}

function answer(url: string, { method, params }: Message): unknown {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'bench', version: '1.0.0' },
      };
    case 'tools/list':
      return listFor(url);
    case 'tools/call':
      return { content: [{ type: 'text', text: params?.arguments?.text ?? '' }] };
    default:
      return undefined;
  }
}

function respond(request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== 'POST') {
    response.writeHead(405).end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const message: Message = JSON.parse(Buffer.concat(chunks).toString());
    if (message.id === undefined) {
      response.writeHead(202).end();
      return;
    }
    const result = answer(request.url ?? '', message);
    const body = JSON.stringify(
      result === undefined
        ? { jsonrpc: '2.0', id: message.id, error: { code: -32601, message: `Method not found: ${message.method}` } }
        : { jsonrpc: '2.0', id: message.id, result },
    );
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(message.method === 'initialize' ? { 'mcp-session-id': crypto.randomUUID() } : {}),
    });
    response.end(body);
  });
}

const server = createServer({ keepAliveTimeout: 60_000 }, respond);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${JSON.stringify({ ready: true, port: typeof address === 'object' ? address?.port : 0 })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
