import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import type { Launch } from '../../../main/policy/manifest.ts';
import { backendsFor, call, textOf } from './support.ts';

const require = createRequire(import.meta.url);
const published = (name: string, ...args: string[]): Launch => {
  const root = path.dirname(require.resolve(`@modelcontextprotocol/${name}/package.json`));
  return {
    transport: 'stdio',
    command: process.execPath,
    args: [path.join(root, 'dist', 'index.js'), ...args],
    env: [],
  };
};

let backends: Backends | undefined;
const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'real-')));
afterEach(async () => {
  await backends?.close();
  rmSync(folder, { recursive: true, force: true });
});
const timeoutMs = 15_000;

describe('when the servers are published ones', () => {
  it('lists and calls everything, filesystem and memory', async () => {
    writeFileSync(path.join(folder, 'note.txt'), 'written by a test');
    backends = backendsFor({
      everything: published('server-everything'),
      files: published('server-filesystem', folder),
      memory: published('server-memory'),
    });
    const [everything, files, memory] = await Promise.all(
      ['everything', 'files', 'memory'].map((alias) => backends?.open(alias, 'key')),
    );
    if (!everything || !files || !memory) throw new Error('not opened');
    expect((await everything.tools(0)).length).toBeGreaterThanOrEqual(10);
    expect((await files.tools(0)).map((tool) => tool.name)).toContain('read_text_file');
    expect((await memory.tools(0)).map((tool) => tool.name)).toContain('read_graph');
    expect(textOf(await everything.request('tools/call', call('echo', { message: 'hello' }), { timeoutMs }))).toContain(
      'hello',
    );
    const note = await files.request('tools/call', call('read_text_file', { path: path.join(folder, 'note.txt') }), {
      timeoutMs,
    });
    expect(textOf(note)).toBe('written by a test');
    const outside = await files.request('tools/call', call('read_text_file', { path: '/etc/hostname' }), { timeoutMs });
    expect(outside).toMatchObject({ ok: true, result: { isError: true } });
    expect(backends.status().map((status) => [status.alias, status.state, status.era])).toEqual([
      ['everything', 'running', 'legacy'],
      ['files', 'running', 'legacy'],
      ['memory', 'running', 'legacy'],
    ]);
  });
});
