/** An AI app that was given a token, as far as the door is concerned. */
export interface CallingApp {
  readonly id: string;
  readonly name: string;
}

/** Where a request is addressed to. */
export type Endpoint =
  | { readonly kind: 'all' }
  | { readonly kind: 'profile'; readonly profile: string }
  | { readonly kind: 'alias'; readonly alias: string };

/** The headers the door looks at, as Node gives them (lower-case names, first value of a repeated one). */
export interface DoorHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly authorization?: string | undefined;
}

export type RejectionCode =
  | 'foreign-host'
  | 'foreign-origin'
  | 'no-token'
  | 'unknown-token'
  | 'app-not-allowed'
  | 'unknown-endpoint';

export interface Rejection {
  readonly ok: false;
  readonly code: RejectionCode;
  readonly httpStatus: 401 | 403 | 404;
  readonly message: string;
}

/** What the policy in force says about apps and endpoints; absent while no policy is in force. */
export interface DoorPolicy {
  readonly appsAllowed: readonly string[];
  readonly profiles: readonly string[];
  /** The servers of which this app may see something. Of any other it learns nothing, not even that it exists. */
  readonly aliasesFor: (app: CallingApp) => ReadonlySet<string>;
  readonly contact: string;
}

const segment = /^[A-Za-z0-9._-]{1,64}$/;

/** `/mcp`, `/mcp/<profile>`, `/mcp/~<alias>`; undefined for anything else. Nothing is decoded: no name needs it. */
export function endpointOf(url: string): Endpoint | undefined {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  if (path === '/mcp') return { kind: 'all' };
  if (!path.startsWith('/mcp/')) return undefined;
  const name = path.slice(5);
  if (name.startsWith('~')) return segment.test(name.slice(1)) ? { kind: 'alias', alias: name.slice(1) } : undefined;
  return segment.test(name) ? { kind: 'profile', profile: name } : undefined;
}

/** One text per endpoint, to compare and to key by. */
export function endpointKey(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'all':
      return '';
    case 'profile':
      return endpoint.profile;
    case 'alias':
      return `~${endpoint.alias}`;
    default:
      return endpoint satisfies never;
  }
}

/**
 * Streamable HTTP §Security: only our own loopback names, so that a web page whose name was re-bound to 127.0.0.1 is
 * turned away (Host), and so is any page served by somebody else (Origin).
 */
export function checkOrigin(headers: DoorHeaders, port: number): Rejection | undefined {
  if (!isOwnAuthority(headers.host?.toLowerCase(), port)) {
    return reject(
      'foreign-host',
      403,
      'This address does not belong to Gatehouse. Use http://127.0.0.1 and the port shown in Gatehouse.',
    );
  }
  const origin = headers.origin?.toLowerCase();
  if (origin === undefined) return undefined;
  if (origin.startsWith('http://') && isOwnAuthority(origin.slice(7), port)) return undefined;
  return reject('foreign-origin', 403, 'Web pages may not use Gatehouse. Only AI apps on this computer may.');
}

function isOwnAuthority(authority: string | undefined, port: number): boolean {
  return authority === `127.0.0.1:${port}` || authority === `localhost:${port}` || authority === `[::1]:${port}`;
}

/** The bearer token of RFC 6750 §2.1, or undefined. */
export function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const match = /^bearer +([A-Za-z0-9._~+/=-]{1,512})$/i.exec(authorization);
  return match?.[1];
}

/** Who is asking, or why not. Pure: `identify` is a constant-time look-up of the token. Never repeats a token in a message. */
export function admit(
  request: { readonly headers: DoorHeaders; readonly endpoint: Endpoint },
  identify: (token: string) => CallingApp | undefined,
  policy: DoorPolicy | undefined,
): { readonly ok: true; readonly app: CallingApp } | Rejection {
  const token = bearerOf(request.headers.authorization);
  if (token === undefined) {
    return reject(
      'no-token',
      401,
      'This app has no key for Gatehouse. Open Gatehouse, go to Apps and connect this app.',
    );
  }
  const app = identify(token);
  if (app === undefined) {
    return reject(
      'unknown-token',
      401,
      "This app's key for Gatehouse is not valid, or was withdrawn. Open Gatehouse, go to Apps and connect this app again.",
    );
  }
  if (policy === undefined) return { ok: true, app };
  if (!policy.appsAllowed.includes('*') && !policy.appsAllowed.includes(app.name)) {
    return reject(
      'app-not-allowed',
      403,
      `Your organisation does not allow ${app.name} to use Gatehouse. ${askLine(policy.contact)}`,
    );
  }
  const { endpoint } = request;
  if (endpoint.kind === 'profile' && !policy.profiles.includes(endpoint.profile)) {
    return reject(
      'unknown-endpoint',
      404,
      `Your organisation has no set of tools called "${endpoint.profile}". ${askLine(policy.contact)}`,
    );
  }
  if (endpoint.kind === 'alias' && !policy.aliasesFor(app).has(endpoint.alias)) {
    return reject(
      'unknown-endpoint',
      404,
      `Your organisation has not approved "${endpoint.alias}". ${askLine(policy.contact)}`,
    );
  }
  return { ok: true, app };
}

function askLine(contact: string): string {
  return contact === '' ? 'Ask your IT team.' : `Ask ${contact}.`;
}

function reject(code: RejectionCode, httpStatus: Rejection['httpStatus'], message: string): Rejection {
  return { ok: false, code, httpStatus, message };
}
