import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStore, eventLimits } from '../../../main/gateway/event-store.ts';
import type { EventStream } from '../../../main/gateway/sse.ts';

/** A connection that takes everything, until it breaks. */
class Wire {
  readonly got: string[] = [];
  readonly ids: string[] = [];
  open = true;
  ready = true;
  deliver(text: string, id?: string): void {
    if (!this.open) return;
    this.got.push(text);
    this.ids.push(id ?? '');
  }
  prime(id: string): void {
    this.ids.push(id);
  }
  pulse(): void {}
  end(): void {
    this.open = false;
  }
}

const wire = () => new Wire() as Wire & EventStream;

function store(limits = {}) {
  const time = { now: 0 };
  const kept = new EventStore({ now: () => time.now }, { ...eventLimits, ...limits });
  return { time, kept };
}

describe('when connections break at any moment', () => {
  it('gives a caller that resumes each message once, in order', () => {
    const action = fc.constantFrom('send', 'break', 'resume');
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const session = store().kept.open(true);
        let connection = wire();
        const stream = session.begin(connection, false);
        const received: string[] = [];
        let last = connection.ids.at(-1) ?? '';
        const collect = () => {
          received.push(...connection.got);
          last = connection.ids.at(-1) ?? last;
        };
        let sent = 0;
        for (const each of actions) {
          if (each === 'send') stream.tell(String(++sent));
          else if (each === 'break') connection.open = false;
          else if (!connection.open) {
            collect();
            connection = wire();
            const found = session.find(last);
            expect(found?.stream).toBe(stream);
            found?.stream.resume(connection, found.seen);
          }
        }
        if (!connection.open) {
          collect();
          connection = wire();
          stream.resume(connection, session.find(last)?.seen ?? -1);
        }
        stream.deliver('end');
        stream.end();
        collect();
        expect(received).toEqual([...Array.from({ length: sent }, (_, i) => String(i + 1)), 'end']);
      }),
    );
  });
});

describe('when more is kept than there is room for', () => {
  it('forgets the oldest of a session, and says so to whoever would miss one of them', () => {
    const session = store({ eventsPerSession: 3 }).kept.open(true);
    const connection = wire();
    const stream = session.begin(connection, false);
    connection.open = false;
    for (let i = 1; i <= 5; i++) stream.tell(String(i));
    const eventId = (seen: number) => `${stream.id}.${seen}`;
    expect(session.find(connection.ids[0] ?? '')).toBeUndefined();
    expect(session.find(eventId(1))).toBeUndefined();
    const again = wire();
    const found = session.find(eventId(2));
    found?.stream.resume(again, found.seen);
    expect(again.got).toEqual(['3', '4', '5']);
    stream.end();
    const other = session.begin(wire(), false);
    for (let i = 1; i <= 3; i++) other.tell(String(i));
    expect(session.find(eventId(4))).toBeUndefined();
    expect(session.find(eventId(5))?.seen).toBe(5);
  });

  it('bounds what one session keeps in size, whatever it sends', () => {
    const session = store({ sizePerSession: 100 }).kept.open(true);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 })), (sizes) => {
        const stream = session.begin(wire(), false);
        for (const size of sizes) stream.deliver('x'.repeat(size));
        expect(session.size).toBeLessThanOrEqual(100);
        stream.end();
      }),
    );
  });

  it('takes it from the session that keeps the most', () => {
    const { kept } = store({ sizeInAll: 1_000 });
    const modest = kept.open(true);
    const greedy = kept.open(true);
    const connection = wire();
    modest.begin(connection, false).deliver('x'.repeat(100));
    const stream = greedy.begin(wire(), false);
    for (let i = 0; i < 50; i++) stream.deliver('x'.repeat(100));
    expect([modest.size, greedy.size]).toEqual([100, 900]);
    greedy.close();
    expect(greedy.size).toBe(0);
  });

  it('forgets streams that ended long ago, and those left behind', () => {
    const { kept, time } = store({ streamsPerSession: 20 });
    const session = kept.open(true);
    const first = wire();
    session.begin(first, false).end();
    expect(session.find(first.ids[0] ?? '')).toBeDefined();
    time.now = 300_001;
    kept.expire();
    expect(session.find(first.ids[0] ?? '')).toBeUndefined();
    const left = wire();
    session.begin(left, false);
    left.open = false;
    for (let i = 0; i < 20; i++) session.begin(wire(), false);
    expect(session.find(left.ids[0] ?? '')).toBeUndefined();
  });

  it('keeps a standing stream however old, with what came lately', () => {
    const { kept, time } = store();
    const session = kept.open(true);
    const first = wire();
    session.begin(first, true);
    first.open = false;
    session.tell('old');
    const [stream] = (first.ids[0] ?? '').split('.');
    time.now = 300_001;
    session.tell('new');
    kept.expire();
    expect(session.find(first.ids[0] ?? '')).toBeUndefined();
    const again = wire();
    const found = session.find(`${stream}.1`);
    found?.stream.resume(again, found.seen);
    expect(again.got).toEqual(['new']);
  });
});

describe('when nobody reads', () => {
  it('drops what may be dropped, and keeps what may not', () => {
    const session = store().kept.open(true);
    const connection = wire();
    const stream = session.begin(connection, false);
    connection.ready = false;
    expect(stream.tell('progress')).toBe(false);
    stream.deliver('answer');
    expect(connection.got).toEqual(['answer']);
  });

  it('leaves a message for no stream at all unsent', () => {
    const session = store().kept.open(true);
    expect(session.tell('x')).toBe(false);
    session.begin(wire(), false);
    expect(session.tell('x')).toBe(false);
    expect(session.tellNow('x')).toBe(false);
  });
});
