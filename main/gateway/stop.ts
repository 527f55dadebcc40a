import type { WireRefusalCode } from './refusal.ts';

/** Why a call is stopped from outside. */
export type StopReason = 'caller' | 'app-ended' | 'shutting-down' | 'made-room';

/** Stops one request. Most requests are over before anybody looks at the signal, so it is made when somebody does. */
export class Stop {
  #controller: AbortController | undefined;
  #reason: StopReason | undefined;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Why it was stopped; undefined while it was not. */
  get reason(): StopReason | undefined {
    return this.#reason;
  }

  /** The first reason stands. */
  abort(reason: StopReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

/** The reason a call's signal was aborted with; undefined while it is not. */
export function stopReasonOf(signal: AbortSignal): StopReason | undefined {
  if (!signal.aborted) return undefined;
  const reason: unknown = signal.reason;
  return reason === 'app-ended' || reason === 'shutting-down' || reason === 'made-room' ? reason : 'caller';
}

export function whyStopped(action: string, stop: StopReason): string {
  switch (stop) {
    case 'caller':
      return `${action} was stopped: the app cancelled it.`;
    case 'app-ended':
      return `${action} was stopped: this app's key for Gatehouse was withdrawn. Open Gatehouse, go to Apps and connect the app again.`;
    case 'shutting-down':
      return `${action} was stopped: Gatehouse is closing. Start it again to use your tools.`;
    case 'made-room':
      return `${action} was stopped: its question was not answered, and later requests of this app needed its place. Send the request again if it is still wanted.`;
    default:
      return stop satisfies never;
  }
}

export function stopCode(stop: StopReason): WireRefusalCode & ('cancelled' | 'app-not-allowed' | 'shutting-down') {
  switch (stop) {
    case 'caller':
    case 'made-room':
      return 'cancelled';
    case 'app-ended':
      return 'app-not-allowed';
    case 'shutting-down':
      return 'shutting-down';
    default:
      return stop satisfies never;
  }
}
