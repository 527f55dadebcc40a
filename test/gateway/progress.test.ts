import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, legacyCaller, modernCaller, startSession, textOf } from './support/callers.ts';
import { fixture, type House, openHouse, until } from './support/house.ts';

describe('when a call takes a while', () => {
  let house: House;
  beforeAll(async () => {
    house = await openHouse({
      servers: { files: { launch: fixture('echo-stdio.ts') }, fresh: { launch: fixture('echo-stdio-modern.ts') } },
    });
  });
  afterAll(() => house.close());

  for (const tool of ['files__slow', 'fresh__slow']) {
    it(`passes progress of ${tool} to apps of both eras`, async () => {
      const legacy = await legacyCaller(house);
      const modern = await modernCaller(house);
      const call = { name: tool, arguments: { steps: 3, ms: 10 } };
      const seen: [number, number] = [0, 0];
      await legacy.callTool(call, undefined, { onprogress: () => seen[0]++ });
      await modern.callTool(call, { onprogress: () => seen[1]++ });
      expect(seen).toEqual([3, 3]);
      await Promise.all([legacy.close(), modern.close()]);
    });
  }

  it('keeps two callers with the same token apart', async () => {
    const sessions = await Promise.all([startSession(house), startSession(house)]);
    const answers = await Promise.all(
      sessions.map((session, i) =>
        ask(house, session, 'tools/call', {
          name: 'files__slow',
          arguments: { steps: i + 1, ms: 5 },
          _meta: { progressToken: 'same' },
        }),
      ),
    );
    const counts = answers.map((answer) => answer.text.split('notifications/progress').length - 1);
    expect(counts).toEqual([1, 2]);
    expect(answers.every((answer) => !answer.text.includes('"progressToken":1'))).toBe(true);
  });

  it('answers plain JSON where nothing has to go out before the result', async () => {
    const session = await startSession(house);
    const quick = { name: 'files__slow', arguments: { steps: 1, ms: 1 } };
    // The first call waits for the server to start, and what waits becomes a stream.
    await ask(house, session, 'tools/call', quick);
    const answer = await ask(house, session, 'tools/call', quick);
    expect(answer.headers.get('content-type')).toBe('application/json');
  });

  it('passes a legacy cancel on to the server, and answers nothing', async () => {
    const client = await legacyCaller(house);
    const stop = new AbortController();
    const calling = client.callTool({ name: 'files__hang', arguments: {} }, undefined, { signal: stop.signal });
    calling.catch(() => {});
    const before = house.rows('call.end').length;
    await until('the call runs', () => house.rows('call.begin').some((row) => row.tool === 'hang'));
    stop.abort();
    await expect(calling).rejects.toThrow();
    await until('its end is recorded', () => house.rows('call.end').length > before);
    expect(house.rows('call.end').at(-1)).toMatchObject({ outcome: 'cancelled' });
    expect(textOf(await client.callTool({ name: 'files__seen', arguments: {} }))).toContain('notifications/cancelled');
    await client.close();
  });

  it('takes a closed stream of a modern app as its cancel', async () => {
    const client = await modernCaller(house);
    const stop = new AbortController();
    const runs = house.rows('call.begin').filter((row) => row.tool === 'hang').length;
    const calling = client.callTool({ name: 'files__hang', arguments: {} }, { signal: stop.signal });
    calling.catch(() => {});
    await until('the call runs', () => house.rows('call.begin').filter((row) => row.tool === 'hang').length > runs);
    const callId = house.rows('call.begin').at(-1)?.callId;
    stop.abort();
    await expect(calling).rejects.toThrow();
    const end = await until('its end', () => house.rows('call.end').find((row) => row.callId === callId));
    expect(end.outcome).toBe('cancelled');
    await client.close();
  });

  it('does not take a lost connection of a legacy app as a cancel', async () => {
    const session = await startSession(house);
    const lost = new AbortController();
    const runs = house.rows('call.begin').length;
    const calling = fetch(house.endpoint, {
      method: 'POST',
      signal: lost.signal,
      headers: { authorization: `Bearer ${house.token}`, 'content-type': 'application/json', ...session.headers },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 3,
        method: 'tools/call',
        params: { name: 'files__slow', arguments: { steps: 3, ms: 60 } },
      }),
    }).then((response) => response.text());
    calling.catch(() => {});
    await until('the call runs', () => house.rows('call.begin').length > runs);
    const callId = house.rows('call.begin').at(-1)?.callId;
    lost.abort();
    await expect(calling).rejects.toThrow();
    const end = await until('its end', () => house.rows('call.end').find((row) => row.callId === callId));
    expect(end.outcome).toBe('ok');
  });
});
