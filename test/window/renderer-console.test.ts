import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CallName, Handlers } from '../../preload/contract.ts';
import { createFake, type Fake, sampleQuestion } from '../fixtures/fake-bridge.ts';
import { openStage, type Stage } from './renderer-page.ts';

/** The console's side of main over real HTTP and a real event stream; only what it answers is made up. */
let stage: Stage;
let fake: Fake;
let link: 'open' | 'down' | 'ended' = 'open';
const streams = new Set<ServerResponse>();

function api(request: IncomingMessage, response: ServerResponse): boolean {
  const path = new URL(request.url ?? '/', 'http://x').pathname;
  if (!path.startsWith('/console/api/')) return false;
  if (link === 'down') {
    request.socket.destroy();
  } else if (link === 'ended') {
    response.writeHead(401).end();
  } else if (path === '/console/api/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n');
    streams.add(response);
    response.on('close', () => streams.delete(response));
  } else {
    void answer(path.slice('/console/api/call/'.length) as CallName, request, response);
  }
  return true;
}

async function answer(name: CallName, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const args = JSON.parse(await text(request)) as never;
  const value = await fake.handlers[name as keyof Handlers](args);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ok: true, value }));
}

beforeAll(async () => {
  stage = await openStage(api);
});
afterAll(async () => {
  for (const stream of streams) stream.destroy();
  await stage.close();
});
beforeEach(() => {
  link = 'open';
  fake = createFake({ now: Date.now() });
  fake.bridge.on('changed', (payload) => {
    for (const stream of streams) stream.write(`event: changed\ndata: ${JSON.stringify(payload)}\n\n`);
  });
});

describe('when the window is a browser on this machine', () => {
  it('asks over HTTP and shows what main says', async () => {
    const { page, complaints } = await stage.open({ withoutBridge: true });
    await page.getByText('All quiet. 3 apps use 4 tools.').waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('shows a question over whatever page is open, and carries the answer back', async () => {
    const { page } = await stage.open({ withoutBridge: true, hash: '#/tools' });
    await page.getByRole('heading', { name: 'Files' }).waitFor();
    fake.ask(sampleQuestion(Date.now()));
    await page.getByRole('dialog').getByText('wants to use').waitFor();
    await page.locator('.approval-foot[data-waits="false"]').waitFor();
    await page.getByRole('button', { name: 'Allow once' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(await fake.handlers.questions({})).toEqual([]);
    await page.context().close();
  });

  it('says that main does not answer, and comes back when it does', async () => {
    const { page } = await stage.open({ withoutBridge: true });
    await page.getByText('All quiet. 3 apps').waitFor();
    link = 'down';
    for (const stream of streams) stream.destroy();
    await page.getByRole('alert').filter({ hasText: 'Gatehouse does not answer' }).waitFor();
    expect(await page.getByText('All quiet. 3 apps').count()).toBeGreaterThan(0);
    link = 'open';
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await page.context().close();
  });

  it('shows nothing but how to get a new link once this one has ended', async () => {
    const { page } = await stage.open({ withoutBridge: true });
    await page.getByText('All quiet. 3 apps').waitFor();
    link = 'ended';
    for (const stream of streams) stream.destroy();
    await page.getByText('This link has been used or has ended').waitFor();
    expect(await page.getByText('All quiet. 3 apps').count()).toBe(0);
    await page.context().close();
  });
});
