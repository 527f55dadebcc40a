import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Puppet, Raw, Refuse, type Turn } from '../fixtures/servers/puppet.ts';
import { everything } from '../fixtures/servers/puppet-tools.ts';
import { modern, openSession } from '../gateway/support/bare-app.ts';
import { type House, openHouse } from '../gateway/support/house.ts';
import { type Action, anyAction, anyDeed } from './fuzz-actions.ts';
import { exchange, slowSenders, wrongWith } from './fuzz-wire.ts';

/**
 * Whatever is sent, the gateway answers by the rules, stays up, and serves the next good call. Another seed each time, said at the start:
 * FUZZ_SEED=… repeats a run, FUZZ_FROM=… and FUZZ_COUNT=… a part of it.
 */
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const from = Number(process.env.FUZZ_FROM ?? 0);
const count = Number(process.env.FUZZ_COUNT ?? 100_000);
const seconds = Number(process.env.FUZZ_SECONDS ?? 15);
const atOnce = Math.min(8, count);

let house: House;
let puppets: readonly Puppet[];
let other = '';
const done = () => ({ resultType: 'complete', content: [], contents: [], messages: [], completion: { values: [] } });
/** What nobody caught: in the app it would be the end of it. */
const uncaught: string[] = [];
const onUncaught = (error: Error) => void uncaught.push(String(error.stack));

/** Servers do whatever they like, too, but for what a good call needs. */
let deeds = 0;
function act({ params, notify, ask }: Turn): object {
  if (params.name === 'count') return done();
  const [deed] = fc.sample(anyDeed, { seed: seed + deeds++, numRuns: 1 });
  if (deed === undefined) return done();
  for (const [method, text] of deed.says) notify(method, new Raw(text));
  for (const [method, text] of deed.asks) void ask(method, new Raw(text));
  if (!deed.failed) return new Raw(deed.result);
  throw new Refuse(new Raw(deed.result));
}

beforeAll(async () => {
  process.prependListener('uncaughtException', onUncaught);
  const acts = Object.fromEntries(Object.keys(everything.acts ?? {}).map((key) => [key, act]));
  puppets = await Promise.all([
    Puppet.start({ ...everything, acts, era: 'legacy', transport: 'stdio' }),
    Puppet.start({ ...everything, acts, era: 'modern', transport: 'http' }),
  ]);
  const [old, fresh] = puppets as readonly [Puppet, Puppet];
  const gateway = {
    bodyBytes: 65_536,
    sessionsPerApp: 8,
    streamsPerSession: 2,
    streamsPerApp: 6,
    batch: 8,
    depth: 100,
  };
  house = await openHouse({ servers: { old: old.approved, fresh: fresh.approved }, document: { gateway } });
  const issued = house.apps.issue('Other');
  if (!issued.ok) throw new Error(issued.message);
  other = issued.token;
});
afterAll(async () => {
  process.removeListener('uncaughtException', onUncaught);
  await house.close();
  await Promise.all(puppets.map((puppet) => puppet.close()));
});

const session = async () => {
  const app = await openSession(house, { elicitation: {}, roots: {} }, { version: '2025-03-26' });
  return { app, id: app.header('mcp-session-id') };
};

async function play(action: Action, filling: Readonly<Record<string, string>>): Promise<void> {
  const fill = (text: string) =>
    text.replaceAll(/\{(host|token|other|session)\}/g, (_, key: string) => filling[key] ?? '');
  // Filling in changes no body, so that lengths stay right.
  const pieces = action.pieces.map((piece) => Buffer.from(fill(piece), 'utf8'));
  const { expected, hangUp } = action;
  const { answers, rest, closed } = await exchange(house.port, pieces, { expected: Math.max(expected, 1), hangUp });
  if (answers.length < expected)
    throw new Error(`no answer${closed ? ': it hung up' : ' in time'} ${rest.slice(0, 200)}`);
  if (rest !== '') throw new Error(`bytes that are no answer: ${rest.slice(0, 200)}`);
  for (const answer of answers) {
    const wrong = wrongWith(answer);
    if (wrong !== undefined) throw new Error(`${wrong}: ${answer.status} ${answer.body.slice(0, 600)}`);
  }
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

describe('whatever is sent', () => {
  it('is answered by the rules, and the next good call is served', async () => {
    process.stdout.write(`FUZZ_SEED=${seed}\n`);
    const end = Date.now() + seconds * 1_000;
    let { app, id } = await session();
    // Beside all that, some that begin and never go on.
    const slow = seconds < 15 ? undefined : slowSenders(house.port, 100);
    let played = from;
    let heap = 0;
    for (; played < from + count && Date.now() < end; played += atOnce) {
      const filling = { host: `127.0.0.1:${house.port}`, token: house.token, other, session: id };
      const actions = Array.from({ length: atOnce }, (_, i) => {
        const [action] = fc.sample(anyAction, { seed: seed + played + i, numRuns: 1 });
        return action as Action;
      });
      const outcomes = await Promise.allSettled(actions.map((action) => play(action, filling)));
      if (uncaught.length > 0) {
        const sent = actions.map(({ what, pieces }) => `${what}: ${JSON.stringify(pieces).slice(0, 1_500)}`).join('\n');
        throw new Error(
          `uncaught: ${uncaught.join('\n')}\n${sent}\nFUZZ_SEED=${seed} FUZZ_FROM=${played} FUZZ_COUNT=8`,
        );
      }
      for (const [i, outcome] of outcomes.entries()) {
        if (outcome.status === 'fulfilled') continue;
        const { what, pieces } = actions[i] as Action;
        const where = `FUZZ_SEED=${seed} FUZZ_FROM=${played + i} FUZZ_COUNT=1`;
        throw new Error(`${String(outcome.reason)}\n${what}: ${JSON.stringify(pieces).slice(0, 3_000)}\n${where}`);
      }
      const good = await modern(house, 'tools/call', { name: 'fresh__count' });
      expect([good.status, good.json.result]).toEqual([200, done()]);
      let kept = await app.request('tools/call', { name: 'old__count' }, 'good');
      if (kept.status !== 200) {
        // It was ended, as apps may, or made room for one of those that were opened meanwhile.
        expect(kept.status).toBe(404);
        ({ app, id } = await session());
        kept = await app.request('tools/call', { name: 'old__count' }, 'good');
      }
      expect(kept.json.result).toEqual(done());
      if (heap === 0 && played - from > 400) heap = heapUsed();
    }
    process.stdout.write(`${played - from} requests\n`);
    for (const heard of (await slow) ?? []) {
      expect(heard).toMatch(/^HTTP\/1\.1 408 .*"message":"The request took too long to arrive"/s);
    }
    if (heap > 0) expect(heapUsed() - heap).toBeLessThan(32 * 2 ** 20);
    expect(house.log.lines.filter((line) => line.startsWith('error'))).toEqual([]);
    expect(puppets.flatMap(({ complaints }) => complaints)).toEqual([]);
    expect(house.gateway.connections().get(house.appId)).toBeLessThanOrEqual(8 + 6);
    expect(house.audit.reader.verify().ok).toBe(true);
  });
});
