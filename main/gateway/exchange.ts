import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Backends } from '../backends/backends.ts';
import type { GatewayLimits } from '../policy/document.ts';
import type { Log } from '../ports.ts';
import type { CallingApp, Endpoint } from './admit.ts';
import type { Allowances } from './allowance.ts';
import type { Answering } from './conversation.ts';
import type { InForce } from './gateway.ts';
import type { RunningRequests } from './running.ts';
import { sendJson } from './sse.ts';
import { errorMessage, type RpcError, type RpcId, rpcCode } from './wire.ts';

/** One admitted HTTP request. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly app: CallingApp;
  readonly endpoint: Endpoint;
  readonly limits: GatewayLimits;
}

/** What serving a caller of either era needs. */
export interface Service {
  readonly version: string;
  readonly log: Log;
  readonly inForce: () => InForce;
  readonly backends: Backends;
  readonly answering: Answering;
  readonly running: RunningRequests;
  /** Bounds what is answered at once and therefore never under way: pings, notifications, responses. */
  readonly allowances: Allowances;
  /** Open GET and subscriptions/listen streams of one app. */
  readonly streamsOf: (appId: string) => number;
}

/** Answers with an error that belongs to HTTP, not to what was asked. */
export function refuse(
  response: ServerResponse,
  httpStatus: number,
  id: RpcId | null,
  message: string,
  code: number = rpcCode.refused,
): void {
  sendJson(response, httpStatus, errorMessage(id, { code, message }));
}

export const tooManyMessages: RpcError = {
  code: rpcCode.refused,
  message: 'Too many messages: this app sends more than Gatehouse takes. Wait a moment.',
};

export function tooManyRequests(limit: number): RpcError {
  const message = `Too many requests: ${limit} of this app are under way already. Wait until one is answered.`;
  return { code: rpcCode.refused, message };
}
