import { NotCanonical, sha256OfJson } from '../policy/canonical.ts';
import type { Json } from '../policy/json.ts';
import type { Clock } from '../ports.ts';
import { endpointKey } from './admit.ts';
import type { KnownCall } from './call-request.ts';
import { sentBeside, withoutRoundTrip } from './forwarded.ts';

/** How long a yes waits for the request that continues what it was given for. */
const keptMs = 600_000;
const keptLimit = 1_000;

/**
 * A person's yes to a call whose server then asked for more input (2026-07-28, "Multi Round-Trip Requests"): the app asks again with that
 * input and the server's `requestState`, and the person is not asked twice for one thing. It is good once, for ten minutes, for the same
 * app, endpoint, subject, pin, policy and arguments, and the very state the server gave.
 */
export class KeptYes {
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `requestState` is what the server answered; undefined where it gave none. */
  keep(call: KnownCall, requestState: Json | undefined): void {
    const key = keyOf(call, requestState);
    if (key === undefined) return;
    const now = this.#clock.now();
    for (const [each, until] of this.#until) {
      if (until > now && this.#until.size < keptLimit) break;
      this.#until.delete(each);
    }
    this.#until.set(key, now + keptMs);
  }

  /** Whether there is one for this request, which is thereby used. */
  take(call: KnownCall): boolean {
    const { requestState, inputResponses } = call.request.params;
    if (requestState === undefined && inputResponses === undefined) return false;
    const key = keyOf(call, requestState);
    const until = key === undefined ? undefined : this.#until.get(key);
    if (key === undefined || until === undefined) return false;
    this.#until.delete(key);
    const left = until - this.#clock.now();
    // A clock set back must not make it last longer.
    return left > 0 && left <= keptMs;
  }
}

function keyOf(
  { request, subject, snapshot, argumentsDigest }: KnownCall,
  state: Json | undefined,
): string | undefined {
  const { app, session, endpoint } = request.conversation;
  try {
    return sha256OfJson([
      app.id,
      session,
      endpointKey(endpoint),
      request.method,
      subject.server.alias,
      subject.name,
      subject.pin?.sha256 ?? '',
      snapshot.digest,
      argumentsDigest,
      sentBeside(request.method, withoutRoundTrip(request.params)) ?? null,
      state ?? null,
    ]);
  } catch (error) {
    // Without a canonical form nothing says that it is the same: the person is asked again.
    if (error instanceof NotCanonical) return undefined;
    throw error;
  }
}
