import type { JsonObject } from '../policy/json.ts';

/** Why a whole connection is gone. */
export interface WireLoss {
  readonly code: 'unavailable' | 'protocol';
  /** A sentence's end: "it …". */
  readonly message: string;
  /** True where the next open may start at once: the server is well, only the session is gone. */
  readonly atOnce?: boolean;
}

/**
 * What a message came on. A number: the stream that answers the request of ours with this id. 'server': a stream of the server's own beside all
 * requests. 'shared': the one stream that carries everything.
 */
export type CameOn = number | 'server' | 'shared';

export interface WireEvents {
  /** One JSON-RPC message, exactly as parsed from the wire, and how much of the wire it took. */
  onMessage(message: JsonObject, bytes: number, cameOn: CameOn): void;
  /** Largest message that may come now, in bytes; a larger one ends the session so that memory stays bounded. */
  mostBytes(): number;
  /** At most once, and never after `close` was called. */
  onLoss(loss: WireLoss): void;
}

export interface SendOptions {
  /** Ends this exchange: over HTTP its stream is closed, over stdio nothing happens. */
  readonly signal?: AbortSignal;
  /** HTTP only. */
  readonly headers?: Readonly<Record<string, string>>;
  /** HTTP only: see RequestOptions. */
  readonly onPolling?: ((retryMs: number) => void) | undefined;
}

/** Carries whole JSON-RPC messages both ways and knows nothing of ids. */
export interface Wire {
  readonly transport: 'stdio' | 'http' | 'sse';
  /** True where everything that answers a request arrives before its `send` settles (HTTP). */
  readonly answersWithinSend: boolean;
  start(events: WireEvents): Promise<void>;
  /** Rejects with WireFailure. */
  send(message: JsonObject, options?: SendOptions): Promise<void>;
  /** A 2025 revision was agreed and the server told so; HTTP sends it as a header from here on. */
  agreed(protocolVersion: string): void;
  /** Resolves when process or connections are gone; bounded. */
  close(): Promise<void>;
}

/** One message could not be delivered or was not answered as the transport demands. */
export class WireFailure extends Error {
  readonly code: 'unavailable' | 'protocol';
  /** HTTP status of the refusal, where there was one. */
  readonly status: number | undefined;
  /** First bytes of the refusal's body. */
  readonly body: string | undefined;

  constructor(
    code: 'unavailable' | 'protocol',
    message: string,
    answer?: { status: number; body: string },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'WireFailure';
    this.code = code;
    this.status = answer?.status;
    this.body = answer?.body;
  }
}
