/**
 * An MCP server of the 2025 kind over stdio that lists what a file says, and records what its client declared.
 *   node listing-server.ts FILE
 * FILE: { capabilities, instructions, tools, prompts, resourceTemplates }; `asked: true` makes it ask for the roots first.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const file = process.argv[2] ?? '';
const content = JSON.parse(readFileSync(file, 'utf8'));
const write = (message: object) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params, error } = JSON.parse(line);
  if (method === 'initialize') {
    writeFileSync(`${file}.client`, JSON.stringify(params));
    const { capabilities, instructions } = content;
    const serverInfo = { name: 'listing', version: '1.0.0' };
    write({ id, result: { protocolVersion: '2025-11-25', capabilities, serverInfo, instructions } });
  } else if (method === 'notifications/initialized') {
    if (content.asked) write({ id: 'roots', method: 'roots/list', params: {} });
  } else if (id === 'roots') {
    writeFileSync(`${file}.answer`, JSON.stringify(error));
  } else if (method === 'tools/list') {
    write({ id, result: { tools: content.tools ?? [] } });
  } else if (method === 'prompts/list' && content.prompts) {
    // Two pages, the second only for who follows the cursor.
    const [first, ...rest] = content.prompts;
    const page = params?.cursor === 'more' ? { prompts: rest } : { prompts: first ? [first] : [], nextCursor: 'more' };
    write({ id, result: page });
  } else if (method === 'resources/templates/list' && content.resourceTemplates) {
    write({ id, result: { resourceTemplates: content.resourceTemplates } });
  } else if (id !== undefined) {
    write({ id, error: { code: -32601, message: 'Method not found' } });
  }
}
