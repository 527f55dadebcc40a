import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Launch } from '../../main/policy/manifest.ts';
import { legacyCaller, modernCaller, textOf } from './support/callers.ts';
import { type House, openHouse, shownBy } from './support/house.ts';

const require = createRequire(import.meta.url);

function published(name: string, ...args: readonly string[]): Launch {
  const manifest = require.resolve(`${name}/package.json`);
  return {
    transport: 'stdio',
    command: process.execPath,
    args: [path.join(manifest, '../dist/index.js'), ...args],
    env: [],
  };
}

describe('when servers from npm stand behind the gateway', () => {
  const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'gatehouse-files-')));
  const everything = published('@modelcontextprotocol/server-everything');
  const filesystem = published('@modelcontextprotocol/server-filesystem', dir);
  const memory = published('@modelcontextprotocol/server-memory');
  let house: House;
  beforeAll(async () => {
    writeFileSync(path.join(dir, 'hello.txt'), 'hello from a file');
    house = await openHouse({
      servers: {
        everything: { launch: everything },
        files: { launch: filesystem },
        memory: { launch: memory },
      },
      cedar: `
        permit (principal, action in [Action::"discover", Action::"call", Action::"unattended"], resource);
        @id("read-only") @reason("Files are read-only here.") forbid (principal, action in Action::"call", resource == Tool::"files.write_file");
      `,
    });
  });
  afterAll(async () => {
    await house.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('lists all of them, key for key as they show themselves', async () => {
    const client = await legacyCaller(house);
    const { tools } = await client.listTools();
    for (const alias of ['everything', 'files', 'memory']) {
      expect(tools.some((tool) => tool.name.startsWith(`${alias}__`))).toBe(true);
    }
    const shown = (await shownBy(filesystem)).find((tool) => tool.name === 'read_text_file');
    const listed = tools.find((tool) => tool.name === 'files__read_text_file');
    expect(listed?.inputSchema).toEqual(shown?.inputSchema);
    expect(house.gateway.heldBack()).toEqual([]);
    await client.close();
  });

  it('reads a file for apps of both eras, and writes none', async () => {
    const file = path.join(dir, 'hello.txt');
    for (const client of [await legacyCaller(house), await modernCaller(house)]) {
      const read = await client.callTool({ name: 'files__read_text_file', arguments: { path: file } });
      expect(textOf(read)).toContain('hello from a file');
      const write = await client.callTool({ name: 'files__write_file', arguments: { path: file, content: 'x' } });
      expect(textOf(write)).toContain('Files are read-only here. (Rule: read-only.)');
      await client.close();
    }
  });

  it('carries a call to each', async () => {
    const client = await modernCaller(house);
    const echo = await client.callTool({ name: 'everything__echo', arguments: { message: 'through the gate' } });
    expect(textOf(echo)).toContain('through the gate');
    const graph = await client.callTool({ name: 'memory__read_graph', arguments: {} });
    expect(graph.isError).not.toBe(true);
    await client.close();
  });
});
