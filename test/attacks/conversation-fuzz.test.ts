import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../main/policy/json.ts';
import { BareApp, modernMessage, openSession } from '../gateway/support/bare-app.ts';
import type { Events } from '../gateway/support/events.ts';
import { openScripted, type Script, type Scripted } from '../gateway/support/scripted.ts';

let house: Scripted;
afterEach(() => house.close());

const text = (value: unknown): JsonObject => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
const asks: Script = async (conversation) => text(await conversation.ask('roots/list', {}, conversation.signal));
const talks: Script = (conversation) => {
  for (let progress = 1; progress < 4; progress++) conversation.notify('notifications/progress', { progress });
  return text('said');
};
const hangs: Script = (conversation) =>
  new Promise((resolve) => {
    conversation.signal.addEventListener('abort', () => resolve(text('over')));
  });

const word = fc.constantFrom('asks', 'talks', 'hangs', 'none');
const method = fc.constantFrom(
  'tools/call',
  'ping',
  'logging/setLevel',
  'initialize',
  'server/discover',
  'subscriptions/listen',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
  'none',
);
const odd = fc.oneof(fc.jsonValue(), fc.constantFrom(1, 2, 'input-1', 'x'.repeat(300), '__proto__'));
const params = fc.oneof(
  fc.record({ name: word }),
  fc.record({ requestId: odd }),
  fc.record({ progressToken: odd }),
  fc.record({ level: odd }),
  fc.record({ notifications: odd }),
  fc.record({ name: word, requestState: fc.oneof(odd, fc.constant('gatehouse.AAAA')), inputResponses: odd }),
  fc.record({ protocolVersion: odd, capabilities: odd, clientInfo: odd }),
  odd,
);
const id = fc.oneof(fc.integer({ min: 1, max: 4 }), odd);
const message = fc.oneof(
  fc.record({ jsonrpc: fc.constant('2.0'), id, method, params }),
  fc.record({ jsonrpc: fc.constant('2.0'), method, params }),
  fc.record({ jsonrpc: fc.constant('2.0'), id, result: odd }),
  fc.record({ jsonrpc: fc.constant('2.0'), id, error: odd }),
  odd,
);
const action = fc.oneof(
  fc.record({ kind: fc.constant('legacy'), body: fc.oneof(message, fc.array(message, { maxLength: 4 })) }),
  fc.record({
    kind: fc.constant('modern'),
    body: fc.record({ id, method, params: fc.record({ name: word }), more: params }),
  }),
  fc.record({ kind: fc.constant('listen'), event: fc.option(fc.nat({ max: 9 })) }),
  fc.record({ kind: fc.constantFrom('drop', 'delete', 'announce', 'end') }),
);
type Action = {
  readonly kind: string;
  readonly body?: unknown;
  readonly event?: number | null;
};

const answersKnown = new Set([200, 202, 204, 400, 404, 405, 406, 409, 413, 429, 503]);

describe('when apps do everything in any order', () => {
  it('answers each by the rules, breaks nowhere, and keeps serving', async () => {
    house = await openScripted({
      tools: { asks, talks, hangs },
      limits: { sessionsPerApp: 4, streamsPerSession: 2, streamsPerApp: 6, parkedPerApp: 3, callsPerApp: 20 },
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 25 }),
        fc.constantFrom('2025-03-26', '2025-11-25'),
        async (actions, version) => {
          let app = await openSession(house, { roots: {} }, { version });
          const open: Events[] = [];
          const ids: string[] = [];
          const take = async (calling: Promise<Events>) => {
            // What hangs is left to hang: its headers may never come.
            const events = await Promise.race([calling, new Promise<undefined>((done) => setTimeout(done, 15))]);
            if (events === undefined) {
              calling.then((late) => open.push(late)).catch(() => {});
              return;
            }
            expect(answersKnown).toContain(events.response.status);
            open.push(events);
            for (const { id: event } of events.seen) if (event !== undefined) ids.push(event);
          };
          for (const each of actions as readonly Action[]) {
            if (each.kind === 'legacy') await take(app.fetch('POST', JSON.stringify(each.body)));
            else if (each.kind === 'modern') {
              const {
                id: number,
                method: called,
                params: own,
                more,
              } = each.body as {
                id: never;
                method: string;
                params: JsonObject;
                more: JsonObject;
              };
              const sent = modernMessage(called, { ...own, ...more }, { id: number, capabilities: { roots: {} } });
              const headers = Object.fromEntries(
                Object.entries(sent.headers).filter(([, value]) => /^[\x20-\x7e]*$/.test(value)),
              );
              await take(new BareApp(house).fetch('POST', JSON.stringify(sent.body), headers));
            } else if (each.kind === 'listen')
              await take(app.listen(each.event === null ? undefined : ids[each.event ?? 0]));
            else if (each.kind === 'drop') open.pop()?.drop();
            else if (each.kind === 'announce') house.announce();
            else if (each.kind === 'end') house.gateway.appEnded('nobody');
            else {
              await take(app.fetch('DELETE', undefined));
              app = await openSession(house, { roots: {} }, { version });
            }
          }
          for (const events of open) events.drop();
          expect((await app.request('ping', {}, 'last')).status).toBeLessThan(500);
          house.gateway.appEnded(house.appId);
          expect(house.log.lines.filter((line) => line.includes('request-failed'))).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
    expect(house.gateway.connections().size).toBe(0);
    expect((await (await openSession(house)).request('tools/call', { name: 'talks' })).json.result).toEqual(
      text('said'),
    );
  });
});
