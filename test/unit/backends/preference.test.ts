import { afterEach, describe, expect, it } from 'vitest';
import type { Backends } from '../../../main/backends/backends.ts';
import { backendsFor, caller, fixture, http, script, startFixture } from './support.ts';

let backends: Backends | undefined;
afterEach(() => backends?.close());

const prefersLegacy = () => ({ ...caller(), prefers: 'legacy' as const });

/** Says on stderr which methods it was asked for; knows `server/discover` and `initialize` alike. */
const both = script(`
  const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method } = JSON.parse(line);
    process.stderr.write(method + '\\n');
    if (method === 'server/discover') answer(id, { supportedVersions: ['2026-07-28', '2025-11-25'], capabilities: {} });
    if (method === 'initialize')
      answer(id, { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } });
  });`);

describe('when a server knows both revisions', () => {
  it('is spoken to in the one its caller prefers, and in the newer one by everybody else', async () => {
    backends = backendsFor({ s: both });
    expect((await backends.open('s', 'old', undefined, prefersLegacy())).era).toBe('legacy');
    expect((await backends.open('s', 'new', undefined, caller())).era).toBe('modern');
    expect((await backends.open('s', 'house')).era).toBe('modern');
    expect((await backends.open('s', 'old-again', undefined, prefersLegacy())).era).toBe('legacy');
  });
});

describe('when a server knows only the newer revision', () => {
  it('is spoken to in it whatever its caller prefers, and asked for the other once', async () => {
    const server = await startFixture('echo-http-modern.ts');
    try {
      backends = backendsFor({ s: http(server.url) });
      expect((await backends.open('s', 'one', undefined, prefersLegacy())).era).toBe('modern');
      expect((await backends.open('s', 'two', undefined, prefersLegacy())).era).toBe('modern');
    } finally {
      await server.stop();
    }
  });

  it('is so over stdio, too', async () => {
    backends = backendsFor({ s: fixture('echo-stdio-modern.ts') });
    const session = await backends.open('s', 'one', undefined, prefersLegacy());
    expect(await session.tools(0)).not.toEqual([]);
  });
});

describe('when a server knows only the older revision', () => {
  it('is spoken to in it', async () => {
    backends = backendsFor({ s: fixture('echo-stdio.ts') });
    expect((await backends.open('s', 'one', undefined, prefersLegacy())).era).toBe('legacy');
  });
});
