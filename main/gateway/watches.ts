import type { PolicySnapshot } from '../policy/decide.ts';
import type { Clock, Log } from '../ports.ts';
import { AskFailure } from './ask-failure.ts';
import type { BackendSides } from './backend-sides.ts';
import type { Calls } from './call.ts';
import { newCallId } from './call-id.ts';
import type { CallRequest } from './call-request.ts';
import type { Carrying } from './carry.ts';
import type { Conversation, Listening, Reply } from './conversation.ts';
import type { InForce } from './gateway.ts';
import { knownCall } from './known-call.ts';
import { askLine, ruleLine, sentence } from './refusal.ts';
import { actionOf } from './refuse.ts';
import type { Side } from './side.ts';
import { decideOn, findResource } from './subjects.ts';
import { uriNames } from './uris.ts';
import { rpcCode } from './wire.ts';

/** Resources of one server that one listener may hear of. */
const watchLimit = 256;

/** Who hears of changes of which resources. Each is asked for as a call of its own, so that the policy decides and the record knows. */
export class Watches {
  readonly #calls: Calls;
  readonly #sides: BackendSides;
  readonly #inForce: () => InForce;
  readonly #clock: Clock;
  readonly #log: Log;
  /** What each modern listener asked for last and is not done yet. */
  readonly #turns = new WeakMap<Listening, Promise<unknown>>();

  constructor(parts: {
    readonly calls: Calls;
    readonly sides: BackendSides;
    readonly inForce: () => InForce;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#calls = parts.calls;
    this.#sides = parts.sides;
    this.#inForce = parts.inForce;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** resources/subscribe of a legacy caller. */
  add(conversation: Conversation, listening: Listening, params: Conversation['capabilities']): Promise<Reply> {
    return this.#calls.run({ conversation, method: 'resources/subscribe', params }, watchWith(listening));
  }

  /** resources/unsubscribe of a legacy caller. To stop hearing of something needs nobody's leave. */
  async remove(snapshot: PolicySnapshot, listening: Listening, wireUri: string): Promise<void> {
    const found = uriNames(snapshot.manifest, listening.endpoint).find(wireUri);
    if (found === undefined) return;
    for (const side of this.#sides.of(listening.session)) {
      if (side.alias !== found.server.alias) continue;
      const watched = side.watchedBy(listening);
      if (watched.has(found.uri)) await this.#reduce(side, listening, without(watched, found.uri));
    }
  }

  /** What a modern listener hears of from now on; answers what of it it will hear of. One change of a listener after the other. */
  replace(
    snapshot: PolicySnapshot | undefined,
    listening: Listening,
    uris: readonly string[],
  ): Promise<readonly string[]> {
    const before = this.#turns.get(listening) ?? Promise.resolve();
    const turn = before.then(() => this.#replaceNow(snapshot, listening, uris));
    this.#turns.set(
      listening,
      turn.catch(() => undefined),
    );
    return turn;
  }

  /** Where the listener leaves meanwhile, nothing stays watched for it. */
  async #replaceNow(
    snapshot: PolicySnapshot | undefined,
    listening: Listening,
    uris: readonly string[],
  ): Promise<readonly string[]> {
    if (uris.length === 0) return this.#change(snapshot, listening, uris);
    try {
      return await this.#change(snapshot, listening, uris);
    } finally {
      if (listening.signal?.aborted === true) await this.#change(undefined, listening, []);
    }
  }

  async #change(
    snapshot: PolicySnapshot | undefined,
    listening: Listening,
    uris: readonly string[],
  ): Promise<readonly string[]> {
    const names = snapshot && uriNames(snapshot.manifest, listening.endpoint);
    const wanted = new Map<string, Set<string>>();
    const accepted: string[] = [];
    for (const wireUri of new Set(uris)) {
      const found = names?.find(wireUri);
      if (found === undefined) continue;
      const { alias } = found.server;
      const ofServer = wanted.get(alias) ?? new Set<string>();
      wanted.set(alias, ofServer.add(found.uri));
    }
    for (const side of this.#sides.of(listening.session)) {
      const watched = side.watchedBy(listening);
      const kept = new Set([...watched].filter((uri) => wanted.get(side.alias)?.has(uri) === true));
      if (kept.size < watched.size) await this.#reduce(side, listening, kept);
    }
    // One after the other: what a server is asked to watch is the whole list each time.
    const conversation = asConversation(listening);
    for (const wireUri of new Set(uris)) {
      if (conversation.signal.aborted) break;
      const request: CallRequest = { conversation, method: 'resources/subscribe', params: { uri: wireUri } };
      if (this.#needsPerson(request, wireUri)) continue;
      const reply = await this.#calls.run(request, watchWith(listening));
      if (reply.kind === 'result') accepted.push(wireUri);
    }
    return accepted;
  }

  /**
   * A person would be asked, about one resource after the other, while the app waits to hear what it will hear of: instead it hears nothing of
   * those, and the record says so.
   */
  #needsPerson(request: CallRequest, wireUri: string): boolean {
    const inForce = this.#inForce();
    if (!inForce.ok) return false;
    const { snapshot } = inForce;
    const subject = findResource(snapshot, request.conversation.endpoint, wireUri);
    if (subject === undefined) return false;
    const at = this.#clock.now();
    const view = this.#calls.viewOf(snapshot, request.conversation);
    if (decideOn(view, subject, at).effect === 'deny') return false;
    const decision = decideOn(view, subject, at, { uri: subject.name });
    const call = decision.effect === 'ask' && knownCall(newCallId(at), request, snapshot, subject);
    if (call === false || !call.ok) return false;
    const message = sentence(
      `${actionOf(call.value)} was not done: a person would have to be asked, and nobody is asked for what an app listens to.`,
      ruleLine(decision.rules),
      askLine(decision.contact),
    );
    this.#calls.refusals.refuse(call.value, 'not-approved-by-person', decision, message);
    return true;
  }

  async #reduce(side: Side, listening: Listening, uris: ReadonlySet<string>): Promise<void> {
    try {
      if (side.session === undefined) side.unwatch(listening, uris);
      else await side.watch(side.session, listening, uris);
    } catch (error) {
      // The session is gone, and with it what it watched; a new one is not asked for this any more.
      side.unwatch(listening, uris);
      this.#log.debug('backend-not-unwatched', { alias: side.alias, error: String(error) });
    }
  }
}

function watchWith(listening: Listening): Carrying {
  return async ({ subject }, { side, session }) => {
    const watched = new Set(side.watchedBy(listening));
    if (watched.has(subject.name)) return { ok: true, result: {} };
    if (watched.size >= watchLimit) {
      const message = `At most ${watchLimit} resources of one server can be watched at once.`;
      return { ok: false, error: { code: rpcCode.refused, message } };
    }
    const refusal = (await side.watch(session, listening, watched.add(subject.name))).get(subject.name);
    return refusal?.ok === false ? refusal : { ok: true, result: {} };
  };
}

/** A listener asks for what it hears of as if by a request of its own; nothing can be asked of it, and nobody waits for it. */
function asConversation(listening: Listening): Conversation {
  const { era, app, endpoint, session } = listening;
  return {
    era,
    app,
    endpoint,
    session,
    capabilities: {},
    logLevel: undefined,
    signal: listening.signal ?? new AbortController().signal,
    notify: () => {},
    ask: () => Promise.reject(new AskFailure('nobody-listens')),
  };
}

function without(uris: ReadonlySet<string>, uri: string): ReadonlySet<string> {
  const rest = new Set(uris);
  rest.delete(uri);
  return rest;
}
