import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Origins } from '../../../main/backends/origins.ts';
import { subscriptionOf, withoutSubscription } from '../../../main/backends/subscription-id.ts';
import type { JsonObject } from '../../../main/policy/json.ts';

const KEY = 'io.modelcontextprotocol/subscriptionId';

describe('when requests with an origin begin and end in any order', () => {
  it('knows the origin of each, of the tasks they wait for, and the only one there is', () => {
    const origins = [{ n: 0 }, { n: 1 }, { n: 2 }];
    const step = fc.record({ id: fc.nat(8), origin: fc.nat(2), task: fc.option(fc.nat(3)), ends: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const own = new Origins();
        const model = new Map<number, { origin: object; task: string | undefined }>();
        for (const { id, origin, task, ends } of steps) {
          const taken = model.has(id);
          if (ends) {
            own.remove(id);
            model.delete(id);
          } else if (!taken) {
            // A task is waited for by one request at a time here.
            const taskId = task === null ? undefined : `t-${task}`;
            const free = ![...model.values()].some((each) => each.task === taskId);
            own.add(id, origins[origin] ?? {}, free ? taskId : undefined);
            model.set(id, { origin: origins[origin] ?? {}, task: free ? taskId : undefined });
          }
          const distinct = new Set([...model.values()].map((each) => each.origin));
          expect(own.only()).toBe(distinct.size === 1 ? [...distinct][0] : undefined);
          for (let n = 0; n <= 8; n += 1) expect(own.of(n)).toBe(model.get(n)?.origin);
          for (let n = 0; n <= 3; n += 1)
            expect(own.ofTask(`t-${n}`)).toBe([...model.values()].find((each) => each.task === `t-${n}`)?.origin);
        }
      }),
    );
  });
});

describe('when a notification carries the id of a subscription', () => {
  it('loses that and nothing else', () => {
    const other = fc.dictionary(
      fc.string().filter((key) => key !== KEY),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(other, other, fc.jsonValue(), (params, meta, id) => {
        const { _meta: _, ...rest } = params;
        const said = { ...rest, _meta: { ...meta, [KEY]: id } } as JsonObject;
        expect(withoutSubscription(said)).toEqual(Object.keys(meta).length > 0 ? { ...rest, _meta: meta } : rest);
        expect(subscriptionOf(said)).toBe(typeof id === 'number' ? id : -1);
        const plain = { ...rest, _meta: meta } as JsonObject;
        expect(withoutSubscription(plain)).toBe(plain);
        expect(subscriptionOf(plain)).toBeUndefined();
      }),
    );
  });
});
