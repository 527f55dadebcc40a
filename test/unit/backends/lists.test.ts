import { afterEach, describe, expect, it } from 'vitest';
import type { BackendSession, Backends, ListKind } from '../../../main/backends/backends.ts';
import { backendsFor, call, caller, eventually, failureOf, fixture, http, startFixture } from './support.ts';

const timeoutMs = 10_000;
let backends: Backends;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await backends.close();
  for (const stop of stops.splice(0)) await stop();
});

const kinds: readonly ListKind[] = ['tools', 'prompts', 'resources', 'resourceTemplates'];
const announce = (session: BackendSession, kind: string) =>
  session.request('tools/call', call('announce', { kind }), { timeoutMs });

describe('when a server lists things', () => {
  it('reads every page of each kind, raw', async () => {
    backends = backendsFor({ talker: fixture('talker.ts', ['stdio']) });
    const session = await backends.open('talker', 'key');
    expect(await session.list('resources', 0)).toEqual(
      [0, 1, 2].map((page) => ({ uri: `note://${page}`, name: `note ${page}`, 'x-kept': { page } })),
    );
    expect(await session.list('prompts', 0)).toMatchObject([{ name: 'greet', 'x-kept': [1] }]);
    expect(await session.list('resourceTemplates', 0)).toMatchObject([{ uriTemplate: 'note://{n}' }]);
    expect(await session.list('tools', 60_000)).toBe(await session.tools(60_000));
  });

  it.each([
    ['tools', ['tools'], ['tools']],
    ['prompts', ['prompts'], ['prompts']],
    ['resources', ['resources', 'resourceTemplates'], ['resources']],
  ] as const)('keeps each list until %s/list_changed says it is old, and says so once', async (said, read, told) => {
    backends = backendsFor({ talker: fixture('talker.ts', ['stdio']) });
    const client = caller();
    const changed: string[] = [];
    backends.onListChanged((alias, kind) => changed.push(`${alias} ${kind}`));
    const session = await backends.open('talker', 'key', undefined, client);
    const lists = await Promise.all(kinds.map((kind) => session.list(kind, 60_000)));
    expect(await Promise.all(kinds.map((kind) => session.list(kind, 60_000)))).toEqual(lists);
    await announce(session, said);
    await eventually(() => changed.length > 0);
    expect(changed).toEqual(told.map((kind) => `talker ${kind}`));
    expect(client.notifications).toMatchObject([{ method: `notifications/${said}/list_changed`, origin: undefined }]);
    for (const [index, kind] of kinds.entries()) {
      const now = await session.list(kind, 60_000);
      // The fixture counts its reads of prompts and templates; an equal list stays the very same object.
      const counted = kind === 'prompts' || kind === 'resourceTemplates';
      if ((read as readonly string[]).includes(kind) && counted) expect(now).not.toEqual(lists[index]);
      else expect(now).toBe(lists[index]);
    }
  });

  it('asks nothing of a server that does not offer the kind', async () => {
    backends = backendsFor({ echo: fixture('echo-stdio.ts') });
    const session = await backends.open('echo', 'key');
    for (const kind of ['prompts', 'resources', 'resourceTemplates'] as const)
      expect(await session.list(kind, 0)).toEqual([]);
    const seen = JSON.stringify(await session.request('tools/call', call('seen'), { timeoutMs }));
    expect(seen).not.toMatch(/prompts\/list|resources/);
  });

  it('keeps one list of each kind for all sessions that show the same', async () => {
    backends = backendsFor({ talker: fixture('talker.ts', ['stdio']) });
    const [one, two] = await Promise.all([backends.open('talker', 'one'), backends.open('talker', 'two')]);
    expect(await one.list('resources', 0)).toBe(await two.list('resources', 0));
    expect(await one.list('prompts', 0)).toBe(await two.list('prompts', 0));
  });

  it('reads them over HTTP just so, and fails with the session', async () => {
    const remote = await startFixture('talker.ts', ['http']);
    stops.push(remote.stop);
    backends = backendsFor({ remote: http(remote.url) });
    const session = await backends.open('remote', 'key');
    expect(await session.list('resources', 0)).toHaveLength(3);
    backends.apply([]);
    expect((await failureOf(session.list('resources', 60_000))).code).toBe('revoked');
  });
});
