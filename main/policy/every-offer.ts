import type { JsonObject } from './json.ts';

/**
 * Everything an app could offer a server ("Capability Negotiation"), because servers show some things only to apps that offer what these
 * need. What is pinned is what a server shows for this offer, so what is compared with the pins must be shown for the same one.
 */
export const everyOffer: JsonObject = {
  roots: { listChanged: true },
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
  tasks: {
    list: {},
    cancel: {},
    requests: { sampling: { createMessage: {} }, elicitation: { create: {} } },
  },
};
