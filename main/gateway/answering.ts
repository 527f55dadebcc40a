import type { JsonObject } from '../policy/json.ts';
import { isJsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import { type CallDeps, Calls } from './call.ts';
import type { CallRequest } from './call-request.ts';
import type { Answering, Conversation, Listening, Reply } from './conversation.ts';
import { capabilities } from './identity.ts';
import { listTools } from './methods.ts';
import type { ToolSearch } from './tool-search-port.ts';

export interface AnsweringDeps extends CallDeps {
  readonly version: string;
  /** Serves profiles that show two tools instead of all. */
  readonly search?: ToolSearch;
}

/** What the gateway itself asks of the answering side, beside what callers do. */
export interface GatewayAnswering extends Answering {
  /** Writes the counts of refusals that got no row of their own, once their minute is over or `all`. */
  flushRefusals(all?: boolean): void;
  /** A legacy session ended, or an app lost its key: what is kept under this key goes, its backend sessions with it. */
  forget(session: string): void;
}

export function createAnswering(deps: AnsweringDeps): GatewayAnswering {
  return new AnsweringRoom(deps);
}

/** Lists depend on who asks and may change at any publish: nobody may share them, and nobody need keep them. */
const cache = '"ttlMs":0,"cacheScope":"private"';

class AnsweringRoom implements GatewayAnswering {
  readonly #deps: AnsweringDeps;
  readonly #calls: Calls;

  constructor(deps: AnsweringDeps) {
    this.#deps = deps;
    this.#calls = new Calls(deps);
  }

  answer(conversation: Conversation, method: string, params: JsonObject): Promise<Reply> | undefined {
    switch (method) {
      case 'tools/list':
        return this.#list(conversation, params);
      case 'tools/call':
        return this.#calls.run(callRequestOf(conversation, params));
      default:
        return undefined;
    }
  }

  stillAllowed(_conversation: Conversation, _method: string, _params: JsonObject): Reply | undefined {
    return undefined;
  }

  capabilities(_app: CallingApp, _endpoint: Endpoint): JsonObject {
    return capabilities;
  }

  logLevelChanged(_session: string, _level: string): void {}

  rootsChanged(_session: string): void {}

  watch(_session: Listening, _uris: readonly string[]): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  flushRefusals(all = false): void {
    this.#calls.flushRefusals(all);
  }

  forget(session: string): void {
    this.#deps.backends.release(session).catch((error: unknown) => {
      this.#deps.log.warn('backend-session-not-released', { error: String(error) });
    });
  }

  async #list({ app, endpoint, era }: Conversation, params: JsonObject): Promise<Reply> {
    const { catalog, account } = this.#deps;
    const inForce = this.#deps.inForce();
    const snapshot = inForce.ok ? inForce.snapshot : undefined;
    const page = await listTools(catalog, snapshot, { app, endpoint, account }, params);
    if (!page.ok) return { kind: 'error', error: page.error };
    const next = page.nextCursor === undefined ? '' : `,"nextCursor":${JSON.stringify(page.nextCursor)}`;
    const text =
      era === 'modern'
        ? `{"resultType":"complete","tools":${page.toolsText}${next},${cache}}`
        : `{"tools":${page.toolsText}${next}}`;
    return { kind: 'result', text };
  }
}

function callRequestOf(conversation: Conversation, params: JsonObject): CallRequest {
  const { era, app, endpoint, session, signal, headers } = conversation;
  const onProgress = progressTo(conversation, params);
  return {
    era,
    app,
    endpoint,
    session,
    params,
    signal,
    ...(headers !== undefined && { headers }),
    ...(onProgress !== undefined && { onProgress }),
  };
}

/** Passes a backend's progress on under the caller's own token (Progress: tokens are chosen per hop by who asks). */
function progressTo(conversation: Conversation, params: JsonObject): ((progress: JsonObject) => void) | undefined {
  const meta = params._meta;
  const progressToken = isJsonObject(meta) ? meta.progressToken : undefined;
  if (typeof progressToken !== 'string' && typeof progressToken !== 'number') return undefined;
  return (progress) => conversation.notify('notifications/progress', { ...progress, progressToken });
}
