import { userOf } from '../policy/decide.ts';
import { isJsonObject, type JsonObject } from '../policy/json.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import { BackendSides } from './backend-sides.ts';
import { type CallDeps, Calls } from './call.ts';
import { capabilitiesOf, tasksExtension } from './capabilities.ts';
import type { Listed } from './catalog.ts';
import type { Answering, Conversation, Listening, Reply } from './conversation.ts';
import { complete } from './delivery.ts';
import { type ListMember, listPage } from './methods.ts';
import type { View } from './subjects.ts';
import { TaskTable } from './task-table.ts';
import { isTaskMethod, Tasks } from './tasks.ts';
import { callToolName, searchToolName, type ToolSearch } from './tool-search-port.ts';
import { Watches } from './watches.ts';
import { rpcCode } from './wire.ts';

export interface AnsweringDeps extends CallDeps {
  readonly version: string;
  /** Serves profiles that show two tools instead of all. */
  readonly search?: ToolSearch;
}

/** What the gateway itself asks of the answering side, beside what callers do. */
export interface GatewayAnswering extends Answering {
  /** Writes the counts of refusals that got no row of their own, once their minute is over or `all`. */
  flushRefusals(all?: boolean): void;
  /** Another policy is in force, or none: what callers may not see or watch any more ends. */
  policyChanged(): void;
  /** Called now and then: ends what nobody used for long. */
  endIdle(): void;
  /** A legacy session ended, or an app lost its key: what is kept under this key goes, its backend sessions with it. */
  forget(session: string): void;
}

export function createAnswering(deps: AnsweringDeps): GatewayAnswering {
  return new AnsweringRoom(deps);
}

const nothingListed: Listed = { texts: [], tools: [] };

class AnsweringRoom implements GatewayAnswering {
  readonly #deps: AnsweringDeps;
  readonly #sides: BackendSides;
  readonly #calls: Calls;
  readonly #tasks: Tasks;
  readonly #taskTable = new TaskTable();
  readonly #watches: Watches;

  constructor(deps: AnsweringDeps) {
    this.#deps = deps;
    this.#sides = new BackendSides(deps);
    const sides = this.#sides;
    const table = this.#taskTable;
    const calls = new Calls(deps, { sides, tasks: table });
    this.#calls = calls;
    this.#tasks = new Tasks({ ...deps, calls, sides, table });
    this.#watches = new Watches({ ...deps, calls, sides });
  }

  answer(conversation: Conversation, method: string, params: JsonObject): Promise<Reply> | undefined {
    if (!this.#has(conversation, method)) return undefined;
    switch (method) {
      case 'tools/call':
        return this.#callTool(conversation, params);
      case 'prompts/get':
      case 'resources/read':
      case 'completion/complete':
        return this.#calls.run({ conversation, method, params });
      case 'tools/list':
        return this.#guarded(method, this.#list(conversation, 'tools', params));
      case 'prompts/list':
        return this.#guarded(method, this.#list(conversation, 'prompts', params));
      case 'resources/list':
        return this.#guarded(method, this.#list(conversation, 'resources', params));
      case 'resources/templates/list':
        return this.#guarded(method, this.#list(conversation, 'resourceTemplates', params));
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        return this.#guarded(method, this.#subscribe(conversation, method, params));
      default:
        return isTaskMethod(conversation.era, method)
          ? this.#guarded(method, this.#tasks.answer(conversation, method, params))
          : undefined;
    }
  }

  stillAllowed(conversation: Conversation): Reply | undefined {
    return this.#calls.stillAllowed(conversation);
  }

  capabilities(app: CallingApp, endpoint: Endpoint): JsonObject {
    return capabilitiesOf(this.#view({ app, endpoint }), this.#deps.clock.now());
  }

  logLevelChanged(session: string, level: string): void {
    for (const side of this.#sides.of(session)) side.setLevel(level);
  }

  rootsChanged(session: string): void {
    for (const side of this.#sides.of(session)) side.rootsChanged();
  }

  watch(listening: Listening, uris: readonly string[]): Promise<readonly string[]> {
    const inForce = this.#deps.inForce();
    return this.#watches.replace(inForce.ok ? inForce.snapshot : undefined, listening, uris);
  }

  flushRefusals(all = false): void {
    this.#calls.flushRefusals(all);
    this.#sides.questions.flush(all);
  }

  policyChanged(): void {
    this.#sides.policyChanged();
  }

  endIdle(): void {
    this.#sides.endIdle();
  }

  forget(session: string): void {
    this.#taskTable.forget(session);
    this.#sides.forget(session);
  }

  /** What was not declared is not there ("Capability Negotiation"). While no policy says what there is, what is asked is refused one by one. */
  #has(conversation: Conversation, method: string): boolean {
    if (method.startsWith('tools/')) return true;
    const view = this.#view(conversation);
    if (view === undefined) return true;
    const can = capabilitiesOf(view, this.#deps.clock.now());
    const { resources, extensions } = can;
    if (method === 'resources/subscribe' || method === 'resources/unsubscribe') {
      return conversation.era === 'legacy' && isJsonObject(resources) && resources.subscribe === true;
    }
    if (method.startsWith('prompts/')) return can.prompts !== undefined;
    if (method.startsWith('resources/')) return resources !== undefined;
    if (method.startsWith('completion/')) return can.completions !== undefined;
    if (!method.startsWith('tasks/')) return true;
    if (conversation.era === 'modern') return isJsonObject(extensions) && extensions[tasksExtension] !== undefined;
    const { tasks } = can;
    return isJsonObject(tasks) && (!optional.has(method) || tasks[method.slice('tasks/'.length)] !== undefined);
  }

  #view({ app, endpoint }: Pick<Conversation, 'app' | 'endpoint'>): View | undefined {
    const inForce = this.#deps.inForce();
    if (!inForce.ok) return undefined;
    const { snapshot } = inForce;
    return { snapshot, user: userOf(snapshot, this.#deps.account), app: app.name, endpoint };
  }

  /** Answers, too, where something of ours breaks. */
  async #guarded(method: string, reply: Promise<Reply>): Promise<Reply> {
    try {
      return await reply;
    } catch (error) {
      this.#deps.log.error('request-failed', { method, error: String(error) });
      const message = 'Gatehouse failed to answer. Try again; if it happens again, ask your IT team.';
      return { kind: 'error', error: { code: rpcCode.internalError, message } };
    }
  }

  async #list(conversation: Conversation, member: ListMember, params: JsonObject): Promise<Reply> {
    const view = this.#view(conversation);
    const { search } = this.#deps;
    const texts =
      search !== undefined && member === 'tools' && searches(view)
        ? search.tools()
        : (await this.#listed(conversation, member, view)).texts;
    return listPage(conversation.era, member, texts, params);
  }

  async #listed(conversation: Conversation, member: ListMember, view: View | undefined): Promise<Listed> {
    const { catalog } = this.#deps;
    if (view === undefined) return nothingListed;
    switch (member) {
      case 'tools':
        return catalog.tools(view);
      case 'prompts':
        return catalog.prompts(view);
      case 'resourceTemplates':
        return catalog.templates(view);
      case 'resources': {
        await this.#openOwn(conversation);
        return catalog.resources(view, (alias) => this.#sides.opened(conversation, alias));
      }
      default:
        return member satisfies never;
    }
  }

  /** On the endpoint of one server a legacy caller is shown what its own session with it is shown. */
  async #openOwn(conversation: Conversation): Promise<void> {
    const { endpoint, era } = conversation;
    if (endpoint.kind !== 'alias' || era !== 'legacy') return;
    try {
      (await this.#sides.open(conversation, endpoint.alias)).release();
    } catch (error) {
      // What the house last saw will do.
      this.#deps.log.debug('own-session-not-opened', { alias: endpoint.alias, error: String(error) });
    }
  }

  #callTool(conversation: Conversation, params: JsonObject): Promise<Reply> {
    const { search } = this.#deps;
    const stands = search !== undefined && (params.name === searchToolName || params.name === callToolName);
    if (!stands) return this.#calls.run({ conversation, method: 'tools/call', params });
    const wrapped = this.#unwrapped(conversation, params);
    if (wrapped !== undefined) return this.#calls.run({ conversation, ...wrapped });
    const view = this.#view(conversation);
    if (view !== undefined && searches(view) && params.name === searchToolName) {
      return this.#guarded(searchToolName, this.#search(conversation, view, search, params));
    }
    return this.#calls.run({ conversation, method: 'tools/call', params });
  }

  /** What a call of `call_tool` calls; undefined for any other. */
  #unwrapped(conversation: Conversation, params: JsonObject) {
    if (this.#deps.search === undefined || params.name !== callToolName || !searches(this.#view(conversation))) {
      return undefined;
    }
    const given = isJsonObject(params.arguments) ? params.arguments : {};
    const { name, arguments: args = {} } = given;
    const inner = { ...params, name: name ?? null, arguments: args };
    return { method: 'tools/call', params: inner, wrapped: true } as const;
  }

  async #search(conversation: Conversation, view: View, search: ToolSearch, params: JsonObject): Promise<Reply> {
    const { tools } = await this.#deps.catalog.tools(view);
    const reply = await search.search(tools, isJsonObject(params.arguments) ? params.arguments : {});
    const result = reply.ok ? reply.result : { content: [{ type: 'text', text: reply.message }], isError: true };
    const text = JSON.stringify(result);
    return { kind: 'result', text: conversation.era === 'modern' ? complete(text) : text };
  }

  async #subscribe(
    conversation: Conversation,
    method: 'resources/subscribe' | 'resources/unsubscribe',
    params: JsonObject,
  ): Promise<Reply> {
    const { standing } = conversation;
    const inForce = this.#deps.inForce();
    if (standing === undefined)
      return { kind: 'error', error: { code: rpcCode.methodNotFound, message: `Method not found: ${method}` } };
    if (method === 'resources/subscribe') return this.#watches.add(conversation, standing, params);
    if (inForce.ok && typeof params.uri === 'string')
      await this.#watches.remove(inForce.snapshot, standing, params.uri);
    return { kind: 'result', text: '{}' };
  }
}

/** Parts of the tasks capability that stand for one method each (2025-11-25, "Tasks", Server Capabilities). */
const optional: ReadonlySet<string> = new Set(['tasks/list', 'tasks/cancel']);

/** Whether this endpoint shows two tools that stand for all the others. */
function searches(view: View | undefined): boolean {
  if (view?.endpoint.kind !== 'profile') return false;
  const { profile } = view.endpoint;
  return view.snapshot.document.profiles.find(({ name }) => name === profile)?.search === true;
}
