/**
 * A 2025-11-25 server that says and asks things nobody asked it for, in raw JSON. "chatter" begins to: every 20 ms it logs, tells of each
 * resource it was asked to watch, and asks for roots. "ask" asks for input and answers once it has some. It is slow to take up a watch.
 */
import { createInterface } from 'node:readline';

const [, , own = 'unasked'] = process.argv;
type Message = { id?: number; method?: string; params?: Record<string, unknown>; result?: unknown; error?: unknown };

const write = (message: object) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const watched = new Set<string>();
const waiting = new Map<number, (answer: unknown) => void>();
const history: string[] = [];
let capabilities: unknown;
let asked = 1_000;
const content = (value: unknown) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

function chatter(): void {
  write({ method: 'notifications/message', params: { level: 'error', data: `${own} says` } });
  for (const uri of watched) write({ method: 'notifications/resources/updated', params: { uri, 'x-kept': own } });
  write({ id: asked++, method: 'roots/list' });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params = {}, result: answer, error } = JSON.parse(line) as Message;
  if (id === undefined) return;
  if (method === undefined) return waiting.get(id)?.(answer ?? error);
  const result = (value: unknown) => write({ id, result: value });
  const uri = String(params.uri);
  switch (method) {
    case 'initialize':
      ({ capabilities } = params);
      return result({
        protocolVersion: '2025-11-25',
        capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, logging: {} },
        serverInfo: { name: own, version: '1' },
      });
    case 'tools/list':
      return result({
        tools: ['ask', 'plain', 'changed', 'chatter', 'seen'].map((name) => ({
          name,
          inputSchema: { type: 'object' },
        })),
      });
    case 'resources/subscribe':
      history.push(`+${uri}`);
      watched.add(uri);
      return void setTimeout(() => result({}), 100);
    case 'resources/unsubscribe':
      history.push(`-${uri}`);
      watched.delete(uri);
      return result({});
    case 'tools/call':
      break;
    default:
      return result({});
  }
  switch (params.name) {
    case 'ask': {
      const question = asked++;
      waiting.set(question, (value) => result(content(value)));
      const requestedSchema = { type: 'object', properties: {} };
      return write({ id: question, method: 'elicitation/create', params: { message: 'Well?', requestedSchema } });
    }
    case 'changed':
      write({ method: 'notifications/tools/list_changed' });
      return result(content('changed'));
    case 'chatter':
      setInterval(chatter, 20);
      return result(content('chatter'));
    default:
      return result(content({ own, pid: process.pid, watched: [...watched], history, capabilities }));
  }
});
