import type { CallRequest } from './call-request.ts';
import { type Exchange, progressTo, type Service } from './exchange.ts';
import { capabilities, identityOf } from './identity.ts';
import { honouredFilter, type Listeners } from './listeners.ts';
import type { McpHeaders } from './mcp-headers.ts';
import { listTools } from './methods.ts';
import { Answer, EventStream, sendJson } from './sse.ts';
import { errorMessage, metaKey, modernVersions, type RpcRequest, resultMessage, rpcCode } from './wire.ts';

/** Lists depend on who asks and may change at any publish: nobody may share them, and nobody need keep them. */
const cache = '"ttlMs":0,"cacheScope":"private"';

/** The key under which a modern caller's backend sessions and remembered answers are kept: there is no session to name. */
export function modernSession(appId: string): string {
  return `app:${appId}`;
}

/** Callers of 2026-07-28: every request stands alone. */
export class ModernCallers {
  readonly #service: Service;
  readonly #listeners: Listeners;

  constructor(service: Service, listeners: Listeners) {
    this.#service = service;
    this.#listeners = listeners;
  }

  async post(exchange: Exchange, message: RpcRequest): Promise<void> {
    const { response } = exchange;
    switch (message.method) {
      case 'server/discover':
        return sendJson(response, 200, await this.#discover(exchange, message));
      case 'tools/list':
        return sendJson(response, 200, await this.#list(exchange, message));
      case 'tools/call':
        return this.#call(exchange, message);
      case 'subscriptions/listen':
        return this.#listen(exchange, message);
      default: {
        // "Server Validation": a method this server does not have is 404 with -32601.
        const error = { code: rpcCode.methodNotFound, message: `Method not found: ${message.method.slice(0, 200)}` };
        return sendJson(response, 404, errorMessage(message.id, error));
      }
    }
  }

  async #discover({ endpoint }: Exchange, { id }: RpcRequest): Promise<string> {
    const { serverInfo, instructions } = await identityOf(this.#service, this.#snapshot(), endpoint);
    const result = {
      resultType: 'complete',
      supportedVersions: modernVersions,
      capabilities,
      instructions,
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { [metaKey.serverInfo]: serverInfo },
    };
    return resultMessage(id, JSON.stringify(result));
  }

  async #list({ app, endpoint }: Exchange, { id, params }: RpcRequest): Promise<string> {
    const caller = { app, endpoint, account: this.#service.account };
    const page = await listTools(this.#service.catalog, this.#snapshot(), caller, params);
    if (!page.ok) return errorMessage(id, page.error);
    const next = page.nextCursor === undefined ? '' : `,"nextCursor":${JSON.stringify(page.nextCursor)}`;
    return resultMessage(id, `{"resultType":"complete","tools":${page.toolsText}${next},${cache}}`);
  }

  async #call({ request, response, app, endpoint }: Exchange, { id, params }: RpcRequest): Promise<void> {
    const answer = new Answer(response, request.headers.accept);
    const running = this.#service.running.start(app.id, answer);
    // Streamable HTTP, "Cancellation": closing the response stream is the cancel.
    response.on('close', () => {
      if (!response.writableFinished) running.stop.abort('caller');
    });
    const onProgress = progressTo(answer, params);
    const call: CallRequest = {
      era: 'modern',
      app,
      endpoint,
      session: modernSession(app.id),
      params,
      headers: request.headers as McpHeaders,
      signal: running.stop.signal,
      ...(onProgress !== undefined && { onProgress }),
    };
    try {
      const outcome = await this.#service.calls.run(call);
      switch (outcome.kind) {
        case 'result':
          return answer.send(resultMessage(id, outcome.text));
        case 'error':
          return answer.send(errorMessage(id, outcome.error), outcome.httpStatus);
        case 'none':
          return answer.abandon();
        default:
          return outcome satisfies never;
      }
    } finally {
      this.#service.running.finish(running);
    }
  }

  #listen({ response, app }: Exchange, { id, params }: RpcRequest): void {
    const honoured = honouredFilter(params);
    if (honoured === undefined) {
      const message = 'Invalid params: "notifications" is required and says true or false for each kind';
      sendJson(response, 200, errorMessage(id, { code: rpcCode.invalidParams, message }));
      return;
    }
    if (!this.#listeners.mayOpen(app.id)) {
      const message = 'This app already listens on as many streams as it may';
      sendJson(response, 200, errorMessage(id, { code: rpcCode.internalError, message }));
      return;
    }
    const stream = new EventStream(response);
    response.on('close', this.#listeners.open(app.id, id, stream, honoured));
  }

  #snapshot() {
    const inForce = this.#service.inForce();
    return inForce.ok ? inForce.snapshot : undefined;
  }
}
