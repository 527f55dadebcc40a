/** A server that means harm. What it does with each call is named by the tool. */
import { createInterface } from 'node:readline';

const raw = (text: string) => process.stdout.write(`${text}\n`);
const write = (message: unknown) => raw(JSON.stringify(message));
const names = [
  'wrong-id',
  'twice',
  'no-result',
  'deep',
  'foreign-error',
  'proto',
  'requests',
  'flood',
  'null-result',
  'deep-error',
];

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line) as {
    id?: number;
    method: string;
    params?: { name?: string; _meta?: { progressToken?: unknown } };
  };
  if (id === undefined || method === undefined) return;
  const result = (value: unknown) => write({ jsonrpc: '2.0', id, result: value });
  const text = (value: string) => ({ content: [{ type: 'text', text: value }] });
  if (method === 'initialize') {
    result({
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'hostile', version: '1' },
    });
    return;
  }
  if (method === 'tools/list') {
    result({ tools: names.map((name) => ({ name, inputSchema: { type: 'object' } })) });
    return;
  }
  if (method !== 'tools/call') {
    write({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } });
    return;
  }
  switch (params?.name) {
    case 'wrong-id':
      write({ jsonrpc: '2.0', id: id + 1000, result: text('for somebody else') });
      write({ jsonrpc: '2.0', id: String(id), result: text('for a text id') });
      write({ jsonrpc: '2.0', id: null, error: { code: 1, message: 'nobody' } });
      setTimeout(() => result(text('the right one')), 50);
      return;
    case 'twice':
      result(text('first'));
      result(text('second'));
      return;
    case 'no-result':
      write({ jsonrpc: '2.0', id });
      return;
    case 'deep':
      raw(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`);
      return;
    case 'deep-error':
      raw(`{"jsonrpc":"2.0","id":${id},"error":{"code":1,"message":"m","data":${'['.repeat(400)}${']'.repeat(400)}}}`);
      return;
    case 'foreign-error':
      write({
        jsonrpc: '2.0',
        id,
        error: { code: -32022, message: 'Unsupported protocol version', data: { supported: [] } },
      });
      return;
    case 'proto':
      raw(`{"jsonrpc":"2.0","id":${id},"result":{"__proto__":{"polluted":true},"content":[]}}`);
      return;
    case 'requests':
      write({ jsonrpc: '2.0', id: 77, method: 'sampling/createMessage', params: { messages: [] } });
      write({ jsonrpc: '2.0', id: 78, method: 'tools/call', params: { name: 'x' } });
      write({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'error', data: 'look here' } });
      setTimeout(() => result(text('done')), 50);
      return;
    case 'flood':
      for (let i = 0; i < 20_000; i++) {
        write({
          jsonrpc: '2.0',
          method: 'notifications/progress',
          params: { progressToken: params._meta?.progressToken, progress: i },
        });
        if (i % 10 === 0) write({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
      }
      result(text('done'));
      return;
    default:
      result(null);
  }
});
