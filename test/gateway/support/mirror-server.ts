/** Answers each tools/call with whatever `arguments.answer` says, raw: { result } or { error }. Remembers the last params it got. */
import { createInterface } from 'node:readline';

const write = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);
let last: unknown = null;

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line) as { id?: number; method: string; params?: Record<string, unknown> };
  if (id === undefined) return;
  const reply = (body: object) => write({ jsonrpc: '2.0', id, ...body });
  if (method === 'initialize') {
    reply({
      result: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'mirror', version: '1', 'x-unknown': true },
      },
    });
  } else if (method === 'tools/list') {
    reply({
      result: {
        tools: [
          {
            'x-first': [null, { deep: 1.5 }],
            description: 'Says what it is told. ünï¢ödé ‮',
            name: 'say',
            inputSchema: { type: 'object', 'x-vendor': { a: [] } },
            icons: [{ src: 'data:,', 'x-icon': 1 }],
            execution: { taskSupport: 'forbidden', 'x-more': 1 },
            annotations: { readOnlyHint: true, 'x-ann': 'kept' },
            _meta: { 'com.example/x': { y: [1] } },
          },
          { name: 'last', inputSchema: { type: 'object' } },
          { name: 'half', inputSchema: { type: 'object' } },
          { name: 'half-error', inputSchema: { type: 'object' } },
        ],
      },
    });
  } else if (method === 'tools/call' && params?.name === 'last') {
    reply({ result: { content: [], structuredContent: last } });
  } else if (method === 'tools/call' && params?.name === 'half') {
    reply({ result: { content: [{ type: 'text', text: '\ud800' }], '\udc00': 1 } });
  } else if (method === 'tools/call' && params?.name === 'half-error') {
    reply({ error: { code: -1, message: 'half \ud800' } });
  } else if (method === 'tools/call') {
    last = params;
    const { answer } = (params?.arguments ?? {}) as { answer?: object };
    reply(answer ?? { result: { content: [] } });
  } else reply({ error: { code: -32601, message: 'no' } });
});
