// A raw stdio MCP server with as little in it as the protocol allows: what bridges from HTTP to stdio are measured with.
import { createInterface } from 'node:readline';

interface Message {
  id?: number | string;
  method?: string;
  params?: { arguments?: { text?: string }; protocolVersion?: string };
}

const tool = {
  name: 'echo',
  description: 'Answers with the text it was given.',
  inputSchema: {
    type: 'object',
    properties: { text: { type: 'string' }, count: { type: 'integer' } },
    required: ['text'],
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
};

function answer({ method, params }: Message): unknown {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'echo', version: '1.0.0' },
      };
    case 'ping':
      return {};
    case 'tools/list':
      return { tools: [tool] };
    case 'tools/call':
      return { content: [{ type: 'text', text: params?.arguments?.text ?? '' }] };
    default:
      return undefined;
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const message: Message = JSON.parse(line);
    if (message.id === undefined || message.method === undefined) return;
    const result = answer(message);
    const outcome =
      result === undefined ? { error: { code: -32601, message: `Method not found: ${message.method}` } } : { result };
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id: message.id, ...outcome })}\n`);
  })
  .on('close', () => process.exit(0));
