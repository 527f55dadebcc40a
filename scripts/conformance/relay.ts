import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The suite can send no key, and checks what a server does about a foreign Host or Origin. This relay adds the key and nothing else. Host and
 * Origin that name the relay itself are written as naming Gatehouse; any other passes as it came, so that a foreign one is still foreign there.
 */
export interface Relay {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

export async function startRelay(endpoint: string, token: string): Promise<Relay> {
  const target = new URL(endpoint);
  const own = (): number => (server.address() as AddressInfo).port;
  const mapped = (authority: string) =>
    new RegExp(`^(?:127\\.0\\.0\\.1|localhost|\\[::1\\]):${own()}$`, 'i').test(authority) ? target.host : authority;

  /** Header names and values in the order and spelling they came in. */
  function headersFor(request: IncomingMessage): string[] {
    const raw = request.rawHeaders;
    const headers: string[] = ['authorization', `Bearer ${token}`];
    for (let index = 0; index < raw.length; index += 2) {
      const name = raw[index] ?? '';
      const value = raw[index + 1] ?? '';
      const lower = name.toLowerCase();
      if (lower === 'host') headers.push(name, mapped(value));
      else if (lower === 'origin') headers.push(name, value.replace(/(?<=^http:\/\/).*$/, mapped));
      else headers.push(name, value);
    }
    return headers;
  }

  function pass(request: IncomingMessage, response: ServerResponse): void {
    const { hostname: host, port } = target;
    const options = { host, port, path: request.url, method: request.method, headers: headersFor(request) };
    const onward = send({ ...options, setHost: false, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    // Whoever goes away on one side goes away on the other: a closed stream means something in this protocol.
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  const server = createServer(pass);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    port: own(),
    url: `http://127.0.0.1:${own()}${target.pathname}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}
