import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { BareApp, type Door, modern, openSession } from '../gateway/support/bare-app.ts';
import { until } from '../gateway/support/house.ts';
import { openScripted, type Script, type Scripted } from '../gateway/support/scripted.ts';

let house: Scripted;
afterEach(() => house.close());

const never = new AbortController().signal;
const text = (value: unknown): JsonObject => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
const asks: Script = async (conversation) =>
  text(await conversation.ask('elicitation/create', { message: 'Pay?' }, never));
const elicitation = { capabilities: { elicitation: {} } };

const thief = (): Door => ({ endpoint: house.endpoint, token: house.token2() });

interface Stolen {
  readonly inputRequests: JsonObject;
  readonly requestState: string;
}

async function park(): Promise<Stolen> {
  const { json } = await modern(house, 'tools/call', { name: 'asks', arguments: { a: 1 } }, elicitation);
  return json.result as unknown as Stolen;
}

const yes = ({ inputRequests, requestState }: Stolen): JsonObject => ({
  requestState,
  inputResponses: Object.fromEntries(Object.keys(inputRequests).map((key) => [key, { action: 'accept' }])),
});

describe('when somebody else would answer what an app was asked', () => {
  it('is worth nothing from another app, another session or another endpoint', async () => {
    house = await openScripted({ tools: { asks } });
    const victim = await openSession(house, { elicitation: {} });
    const stream = await victim.call('asks');
    const { id } = (await stream.message('elicitation/create')).json;
    const session = stream.response.headers.get('mcp-session-id');
    expect(session).toBeNull();
    const others = [
      await openSession(thief(), { elicitation: {} }),
      await openSession(house, { elicitation: {} }),
      await openSession(house, { elicitation: {} }, { suffix: '/other' }),
    ];
    for (const other of others) expect((await other.respond(id, { action: 'accept' })).status).toBe(202);
    expect((await new BareApp(thief()).respond(id, { action: 'accept' })).status).toBe(400);
    await victim.respond(id, { action: 'decline' });
    expect((await stream.answer(1)).json.result).toEqual(text({ ok: true, result: { action: 'decline' } }));
  });

  it('needs the key of the app as well as its session', async () => {
    house = await openScripted({ tools: { asks } });
    const params = { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo: {} };
    const { headers } = await new BareApp(house).request('initialize', params);
    const own = { 'mcp-session-id': headers.get('mcp-session-id') ?? '' };
    const victim = new BareApp(house, own);
    const stream = await victim.call('asks');
    const { id } = (await stream.message('elicitation/create')).json;
    expect((await new BareApp(thief(), own).respond(id, { action: 'accept' })).status).toBe(404);
    expect((await new BareApp(house, own, '/other').respond(id, { action: 'accept' })).status).toBe(404);
    expect((await new BareApp(thief(), own).listen('AAAAAAAAAAAA.0')).response.status).toBe(404);
    await victim.respond(id, { action: 'decline' });
    expect(JSON.stringify((await stream.answer(1)).json)).toContain('decline');
  });
});

describe('when a handle gets into other hands', () => {
  it('opens for no other app and no other endpoint, and is not used up by trying', async () => {
    house = await openScripted({ tools: { asks } });
    const stolen = await park();
    const params = { name: 'asks', arguments: { a: 1 }, ...yes(stolen) };
    const attempts = [
      await modern(thief(), 'tools/call', params, elicitation),
      await modern(house, 'tools/call', params, { ...elicitation, suffix: '/other' }),
      await modern(house, 'tools/call', { ...params, arguments: { a: '1' } }, elicitation),
    ];
    for (const { json } of attempts) expect(json.error).toMatchObject({ code: -32602 });
    expect(house.conversations).toHaveLength(1);
    const own = await modern(house, 'tools/call', params, elicitation);
    expect(own.json.result).toMatchObject({ resultType: 'complete' });
    const replayed = await modern(house, 'tools/call', params, elicitation);
    expect(replayed.json.error).toMatchObject({ code: -32602 });
  });

  it('opens with no letter of it changed', async () => {
    house = await openScripted({ tools: { asks } });
    const stolen = await park();
    const state = stolen.requestState;
    const marker = state.slice(0, state.lastIndexOf('.') + 1);
    const forged = [
      `${state}-TAMPERED`,
      `${state}=`,
      state.slice(0, -1),
      `${marker}${Buffer.alloc(64).toString('base64url')}`,
      marker,
      `${marker}💥`,
      ...Array.from({ length: 20 }, (_, i) => {
        const at = marker.length + i * 3;
        return `${state.slice(0, at)}${state[at] === 'A' ? 'B' : 'A'}${state.slice(at + 1)}`;
      }),
    ];
    for (const requestState of forged) {
      const params = { name: 'asks', arguments: { a: 1 }, ...yes({ ...stolen, requestState }) };
      const { json } = await modern(house, 'tools/call', params, elicitation);
      expect(json.error).toMatchObject({ code: -32602 });
    }
    expect(house.conversations).toHaveLength(1);
    expect(house.heard).toEqual([]);
  });

  it('is to another Gatehouse what any state of a server is: nothing goes on with it, and what is called asks anew', async () => {
    house = await openScripted({ tools: { asks } });
    const stolen = await park();
    await house.close();
    house = await openScripted({ tools: { asks } });
    const params = { name: 'asks', arguments: { a: 1 }, ...yes(stolen) };
    const { result } = (await modern(house, 'tools/call', params, elicitation)).json;
    expect(result).toMatchObject({ resultType: 'input_required' });
    expect(result).not.toMatchObject({ requestState: stolen.requestState });
    expect(house.heard).toEqual([]);
  });
});

describe('when an app names an event of somebody else', () => {
  it('replays nothing of another session, of the same app or another', async () => {
    const secret: Script = async (conversation) => {
      conversation.notify('notifications/progress', { progress: 1, message: 'secret' });
      return text('secret');
    };
    house = await openScripted({ tools: { secret } });
    const victim = await openSession(house);
    const stream = await victim.call('secret');
    await stream.answer(1);
    const standing = await victim.listen();
    const ids = [...stream.seen, await standing.next(() => true)].map(({ id }) => id ?? '');
    for (const other of [await openSession(house), await openSession(thief())]) {
      for (const id of [...ids, ...ids.map((each) => each.replace(/\.\d+$/, '.0'))]) {
        const answer = await other.listen(id);
        expect(answer.response.status).toBe(400);
        expect(await answer.ended().then(() => JSON.stringify(answer.seen))).not.toContain('secret');
      }
    }
    expect((await victim.listen(ids[0])).response.status).toBe(200);
  });
});

describe('when a server asks without end', () => {
  it('lets 64 of 10,000 questions wait, and fails the others at once', async () => {
    const codes = new Map<string, number>();
    const floods: Script = async (conversation) => {
      const asked = Array.from({ length: 10_000 }, () =>
        conversation.ask('elicitation/create', { message: 'x'.repeat(100) }, never).catch((error: { code: string }) => {
          codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
        }),
      );
      await until('most have failed', () => (codes.get('too-many') ?? 0) > 0);
      house.heard.push('waits');
      await Promise.all(asked);
      return text('over');
    };
    house = await openScripted({ tools: { floods } });
    const app = await openSession(house, { elicitation: {} });
    const stream = await app.call('floods');
    await until('it waits', () => house.heard.includes('waits'));
    expect(codes.get('too-many')).toBe(10_000 - 64);
    expect((await app.request('ping', {}, 2)).json.result).toEqual({});
    await app.notify('notifications/cancelled', { requestId: 1 });
    await stream.ended();
    expect(codes.get('caller-gone')).toBe(64);
    codes.clear();
    const now = await modern(house, 'tools/call', { name: 'floods' }, elicitation);
    const { inputRequests } = now.json.result as unknown as Stolen;
    expect(Object.keys(inputRequests)).toHaveLength(32);
    expect(codes.get('too-many')).toBe(10_000 - 32);
    house.gateway.appEnded(house.appId);
    await until('it is over', () => codes.get('caller-gone') === 32);
  });
});

describe('when streams are opened and never read', () => {
  it('keeps a bounded part of what is sent, and serves everybody else', async () => {
    const chunk = 'x'.repeat(100_000);
    let sent = 0;
    const talks: Script = async (conversation) => {
      for (; sent < 2_000 && !conversation.signal.aborted; sent++) {
        conversation.notify('notifications/progress', { progress: sent, message: chunk });
        if (sent % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      return text('done');
    };
    house = await openScripted({ tools: { talks, hello: () => text('hi') } });
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} };
    const { headers } = await new BareApp(house).request('initialize', params);
    const session = headers.get('mcp-session-id') ?? '';
    const before = process.memoryUsage();
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'talks' } });
    const head = [
      'POST /mcp HTTP/1.1',
      `Host: 127.0.0.1:${house.port}`,
      `Authorization: Bearer ${house.token}`,
      'Content-Type: application/json',
      `Mcp-Session-Id: ${session}`,
      `Content-Length: ${body.length}`,
    ].join('\r\n');
    const deaf = connect(house.port, '127.0.0.1');
    deaf.on('error', () => {});
    deaf.pause();
    deaf.write(`${head}\r\n\r\n${body}`);
    await until('all of it was said', () => sent === 2_000);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    expect(grown).toBeLessThan(100 << 20);
    const app = await openSession(house);
    expect((await app.request('tools/call', { name: 'hello' })).json.result).toEqual(text('hi'));
    deaf.destroy();
  });
});
