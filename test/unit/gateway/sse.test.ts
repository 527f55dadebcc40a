import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Answer, EventStream, sendJson } from '../../../main/gateway/sse.ts';

/** One real request, answered by `handle`. */
async function exchange(
  handle: (response: ServerResponse, request: IncomingMessage) => void,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; type: string | null; text: string }> {
  const server = createServer((request, response) => handle(response, request));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}`, { headers });
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const both = { accept: 'application/json, text/event-stream' };

describe('when a request is answered', () => {
  it('is plain JSON as long as nothing went out before', async () => {
    const got = await exchange((response) => new Answer(response, both.accept).send('{"a":"ü"}', 400), both);
    expect(got).toEqual({ status: 400, type: 'application/json', text: '{"a":"ü"}' });
  });

  it('turns into a stream with the first notification', async () => {
    const got = await exchange((response) => {
      const answer = new Answer(response, both.accept);
      answer.tell('{"n":1}');
      answer.tell('{"n":2}');
      answer.send('{"r":1}');
      answer.send('{"r":2}');
      answer.tell('{"n":3}');
    }, both);
    expect(got).toEqual({
      status: 200,
      type: 'text/event-stream',
      text: 'event: message\ndata: {"n":1}\n\nevent: message\ndata: {"n":2}\n\nevent: message\ndata: {"r":1}\n\n',
    });
  });

  it('gives a sign of life while a person decides', async () => {
    const got = await exchange((response) => {
      const answer = new Answer(response, both.accept);
      answer.pulse();
      setTimeout(() => answer.send('{"r":1}'), 20);
    }, both);
    expect(got.text).toMatch(/^: waiting\n\nevent: message\ndata: \{"r":1\}\n\n$/);
  });

  it('never sends a stream to a caller that cannot read one', async () => {
    const got = await exchange((response) => {
      const answer = new Answer(response, 'application/json');
      answer.tell('{"n":1}');
      answer.pulse();
      answer.send('{"r":1}');
    });
    expect(got).toMatchObject({ type: 'application/json', text: '{"r":1}' });
  });

  it('ends without a response where none is wanted', async () => {
    const got = await exchange((response) => new Answer(response, both.accept).abandon(), both);
    expect(got).toMatchObject({ status: 200, text: '' });
    await expect(exchange((response) => new Answer(response, 'application/json').abandon())).rejects.toThrow();
  });

  it('answers once only', async () => {
    const got = await exchange((response) => {
      sendJson(response, 200, '{}');
      sendJson(response, 500, '{"late":true}');
    });
    expect(got).toMatchObject({ status: 200, text: '{}' });
  });
});

describe('when nobody reads a stream', () => {
  it('stops taking messages instead of keeping them all', async () => {
    let refusedAt = 0;
    const server = createServer((_request, response) => {
      const stream = new EventStream(response);
      const chunk = JSON.stringify('x'.repeat(100_000));
      for (let i = 1; i <= 1_000 && refusedAt === 0; i++) if (!stream.tell(chunk)) refusedAt = i;
      response.destroy();
      expect(stream.open).toBe(false);
      expect(stream.tell(chunk)).toBe(false);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await fetch(`http://127.0.0.1:${port}`)
      .then((response) => response.text())
      .catch(() => '');
    expect(refusedAt).toBeGreaterThan(0);
    expect(refusedAt).toBeLessThan(100);
    await new Promise((resolve) => server.close(resolve));
  });
});
