import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mediaType } from '../../../main/backends/http-answer.ts';
import { type Exchange, exchange, HttpAgents, readBody } from '../../../main/backends/http-exchange.ts';
import { MessageRefused } from '../../../main/backends/message.ts';

let server: Server;
let url: URL;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let connections: Set<Socket>;
let agents: HttpAgents[];

beforeEach(async () => {
  connections = new Set();
  agents = [];
  server = createServer((request, response) => {
    request.resume();
    request.on('end', () => answer(request, response));
  });
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp?x=1`);
});

afterEach(async () => {
  for (const each of agents) each.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function session(): HttpAgents {
  const made = new HttpAgents();
  agents.push(made);
  return made;
}

const post = (over: Partial<Exchange> = {}): Exchange => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: '{}',
  signal: new AbortController().signal,
  ...over,
});

const text = async (over: Partial<Exchange> = {}, through = session()) =>
  (await readBody(await exchange(through, url, post(over)), 1_000)).toString();

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    if (tries > 200) throw new Error('it did not happen within 2 seconds');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('an exchange with a remote server', () => {
  it('sends method, path, query, headers and body, and its length', async () => {
    answer = ({ method, url: path, headers }, response) =>
      response.end(JSON.stringify([method, path, headers['content-type'], headers['content-length']]));
    expect(await text({ body: '{"ü":1}' })).toBe('["POST","/mcp?x=1","application/json","8"]');
  });

  it('shares kept connections among sessions with one server, one after the other', async () => {
    answer = (_, response) => response.end('{}');
    const [one, two] = [session(), session()];
    for (let times = 0; times < 10; times += 1) {
      await text({}, one);
      await text({}, two);
    }
    // The one an answer just came on is free a moment later.
    expect(connections.size).toBeLessThanOrEqual(2);
  });

  it('keeps the connections of the others when one session ends, and none after the last', async () => {
    let open: ServerResponse | undefined;
    answer = (_, response) => {
      response.write('{"a":');
      open = response;
    };
    const [one, two] = [session(), session()];
    const gone = exchange(one, url, post());
    const kept = exchange(two, url, post());
    const bodies = [await gone, await kept].map((each) => readBody(each, 1_000));
    one.destroy();
    await expect(bodies[0]).rejects.toThrow('closed');
    open?.end('1}');
    expect(String(await bodies[1])).toBe('{"a":1}');
    two.destroy();
    await until(() => connections.size === 0);
    await expect(exchange(two, url, post())).rejects.toThrow('closed');
  });

  it('gives the body to whoever asks for it later', async () => {
    answer = (_, response) => response.end('early');
    const got = await exchange(session(), url, post());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(String(await readBody(got, 1_000))).toBe('early');
  });

  it('passes over an interim answer', async () => {
    answer = (_, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.writeHead(201).end('final');
    };
    const got = await exchange(session(), url, post());
    expect([got.statusCode, String(await readBody(got, 1_000))]).toEqual([201, 'final']);
  });

  it('takes the first of a repeated content type', async () => {
    answer = (_, response) => {
      response.writeHead(200, [
        ['content-type', 'Application/JSON; charset=utf-8'],
        ['content-type', 'text/html'],
      ]);
      response.end('{}');
    };
    expect(mediaType(await exchange(session(), url, post()))).toBe('application/json');
  });
});

describe('what ends an exchange early', () => {
  it('is a signal that aborted before it began: nothing is sent', async () => {
    let reached = false;
    answer = (_, response) => {
      reached = true;
      response.end();
    };
    await expect(exchange(session(), url, post({ signal: AbortSignal.abort(new Error('not now')) }))).rejects.toThrow(
      'not now',
    );
    expect(reached).toBe(false);
  });

  it.each(['before the headers', 'within the body'])(
    'is a signal that aborts %s: the connection goes',
    async (when) => {
      answer = (_, response) => {
        if (when === 'within the body') response.write('a');
      };
      const stop = new AbortController();
      const through = session();
      const reading = exchange(through, url, post({ signal: stop.signal })).then((got) => readBody(got, 1_000));
      await until(() => connections.size === 1);
      setTimeout(() => stop.abort(new Error('enough')), 50);
      await expect(reading).rejects.toThrow('enough');
      await until(() => connections.size === 0);
      answer = (_, response) => response.end('next');
      expect(await text({}, through)).toBe('next');
    },
  );

  it('is a body above its bound', async () => {
    answer = (_, response) => response.end('x'.repeat(100_000));
    const got = await exchange(session(), url, post());
    await expect(readBody(got, 1_000)).rejects.toBeInstanceOf(MessageRefused);
    await until(() => connections.size === 0);
  });

  it('is a connection that breaks before the body is whole', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => response.destroy());
    };
    await expect(text()).rejects.toThrow();
  });

  it('is the end of its session, even where nobody reads an endless body', async () => {
    answer = (_, response) => {
      const again = setInterval(() => response.write('more'), 5);
      response.on('close', () => clearInterval(again));
    };
    const [one, two] = [session(), session()];
    const got = await exchange(one, url, post());
    got.resume();
    const other = await exchange(two, url, post());
    other.resume();
    expect(connections.size).toBe(2);
    one.destroy();
    await until(() => connections.size === 1);
  });

  it('is a header that cannot be sent', async () => {
    await expect(exchange(session(), url, post({ headers: { 'x-bad': 'a\r\nb: c' } }))).rejects.toThrow();
    expect(connections.size).toBe(0);
  });
});
