import { createInterface } from 'node:readline';

/** A 2025 server that asks for the app's roots as often as it is told to, and answers how often it got some. */

type Json = { readonly [key: string]: unknown };
const write = (message: Json) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const waiting = new Map<unknown, (answer: Json) => void>();
let lastId = 0;

async function ask(times: number): Promise<number> {
  const asked = Array.from({ length: times }, () => {
    const id = ++lastId;
    return new Promise<Json>((resolve) => {
      waiting.set(id, resolve);
      write({ id, method: 'roots/list' });
    });
  });
  const answers = await Promise.all(asked);
  return answers.filter(({ result }) => result !== undefined).length;
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const message = JSON.parse(line) as Json & { readonly params?: Json };
  const { id, method, params = {} } = message;
  if (method === undefined) {
    waiting.get(id)?.(message);
    return;
  }
  if (id === undefined) return;
  switch (method) {
    case 'initialize':
      write({
        id,
        result: {
          protocolVersion: '2025-11-25',
          capabilities: { tools: {} },
          serverInfo: { name: 'curious', version: '1' },
        },
      });
      return;
    case 'tools/list':
      write({ id, result: { tools: [{ name: 'ask', inputSchema: { type: 'object' } }] } });
      return;
    case 'tools/call': {
      // In rounds, because no more than a few questions may be open at once.
      let left = Number((params.arguments as Json | undefined)?.times ?? 1);
      let got = 0;
      for (; left > 0; left -= 10) got += await ask(Math.min(left, 10));
      write({ id, result: { content: [{ type: 'text', text: String(got) }] } });
      return;
    }
    default:
      write({ id, error: { code: -32601, message: 'Method not found' } });
  }
});
