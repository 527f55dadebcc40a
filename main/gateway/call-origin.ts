import type { Conversation } from './conversation.ts';
import type { Deadline } from './deadline.ts';

/** One request under way at a backend: the `Origin` by which what the server says and asks meanwhile finds its caller, and its record. */
export class CallOrigin {
  readonly conversation: Conversation;
  readonly callId: string;
  /** Where the server may ask the caller things: the time it takes to answer is not the server's. */
  deadline: Deadline | undefined;

  constructor(conversation: Conversation, callId: string) {
    this.conversation = conversation;
    this.callId = callId;
  }
}
