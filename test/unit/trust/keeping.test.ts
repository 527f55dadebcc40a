import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS } from '../../../main/admin/metadata.ts';
import {
  createClock,
  createLaptop,
  createPublisher,
  type Laptop,
  makeKeys,
  type Publisher,
  type TestClock,
} from './publisher.ts';

let clock: TestClock;
let publisher: Publisher;
let laptop: Laptop;

beforeEach(async () => {
  clock = createClock();
  publisher = createPublisher(clock);
  publisher.publish();
  laptop = createLaptop(clock);
  await laptop.trust.start();
  expect(await laptop.trust.enrol(publisher.orgJson())).toEqual({ ok: true, changed: true });
});

afterEach(async () => {
  await laptop.remove();
  publisher.remove();
});

const away = () => rmSync(publisher.dir, { recursive: true, force: true });
const kept = (name: string) => join(laptop.dir, name);
const seenFile = () => readdirSync(laptop.dir).find((name) => /^seen-[0-9a-f]{32}\.json$/.test(name)) ?? 'none';

describe('when the laptop starts without the network', () => {
  it('has the last good policy in force, verified again', async () => {
    const before = laptop.trust.state();
    away();
    const trust = await laptop.restart();
    expect(trust.state().current).toEqual(before.current);
    expect(trust.state().checkedAt).toBe(before.checkedAt);
    expect(await trust.refresh()).toMatchObject({ ok: false, problem: { code: 'unreachable' } });
    expect(trust.state().current).toEqual(before.current);
  });

  it('names who signed', () => {
    const { policy, servers } = publisher.keys;
    expect(laptop.trust.state().current?.signers).toEqual({ policy: [policy.keyId], servers: [servers.keyId] });
  });

  it('keeps what it keeps readable for its own account only, and leaves no working files', () => {
    expect(readdirSync(laptop.dir).sort()).toEqual(['good.json', 'org.json', seenFile()]);
    if (process.platform !== 'win32') {
      for (const name of readdirSync(laptop.dir)) expect(statSync(kept(name)).mode & 0o777).toBe(0o600);
    }
  });

  it('clears what a crash left behind', async () => {
    mkdirSync(kept('work-abcdef'));
    writeFileSync(kept('good.json.1-abc.tmp'), 'half');
    await (await laptop.restart()).refresh();
    expect(readdirSync(laptop.dir).sort()).toEqual(['good.json', 'org.json', seenFile()]);
  });
});

describe('when the last good policy on disk is damaged', () => {
  const spoilers: readonly [string, (text: string) => string][] = [
    ['cut in the middle', (text) => text.slice(0, text.length / 2)],
    ['empty', () => ''],
    ['not the right shape', () => '{"schema":1,"files":{"metadata/timestamp.json":7}}'],
    ['a changed rule', (text) => text.replace('permit (principal', 'permit (principal ')],
    ['a changed version', (text) => text.replace('\\"version\\": 1', '\\"version\\": 9')],
    ['without one file', (text) => text.replace('metadata/1.servers.json', 'metadata/1.other.json')],
  ];

  it.each(spoilers)('has nothing in force and says why: %s', async (_, spoil) => {
    const before = readFileSync(kept('good.json'), 'utf8');
    expect(spoil(before)).not.toBe(before);
    writeFileSync(kept('good.json'), spoil(before));
    away();
    const trust = await laptop.restart();
    expect(trust.state().current).toBeUndefined();
    expect(trust.state().problem?.message).toBeTruthy();
  });

  it.each(spoilers)('is healed by the next refresh: %s', async (_, spoil) => {
    writeFileSync(kept('good.json'), spoil(readFileSync(kept('good.json'), 'utf8')));
    const trust = await laptop.restart();
    expect(trust.state().current?.version).toBe(1);
    expect(trust.state().problem).toBeUndefined();
    away();
    expect((await laptop.restart()).state().current?.version).toBe(1);
  });

  it('does not take a complete, validly signed repository of a stranger for it', async () => {
    const stranger = createPublisher(clock);
    stranger.publish();
    writeFileSync(kept('good.json'), JSON.stringify({ schema: 1, files: Object.fromEntries(stranger.copy()) }));
    stranger.remove();
    away();
    const trust = await laptop.restart();
    expect(trust.state().current).toBeUndefined();
  });

  it.each(['{', '{"schema":1,"roots":[],"roles":{}}', undefined])(
    'still refuses what is older when the memory of what it has seen is %s',
    async (text) => {
      const old = publisher.copy();
      publisher.publish({ policyJson: '{"x":2}' });
      expect(await laptop.trust.refresh()).toEqual({ ok: true, changed: true });
      if (text === undefined) rmSync(kept(seenFile()));
      else writeFileSync(kept(seenFile()), text);
      publisher.restore(old);
      const trust = await laptop.restart();
      expect(trust.state().current?.version).toBe(2);
      expect(await trust.refresh()).toMatchObject({ ok: false, problem: { code: 'rollback' } });
      expect(trust.state().current?.version).toBe(2);
    },
  );
});

describe('when the enrolment changes', () => {
  it('refuses an enrolment whose repository cannot be verified and keeps the one it has', async () => {
    const stranger = createPublisher(clock);
    try {
      const missing = await laptop.trust.enrol(stranger.orgJson());
      expect(missing).toMatchObject({ ok: false, problem: { code: 'unreachable' } });
      expect(await laptop.trust.enrol('{')).toMatchObject({ ok: false, problem: { code: 'invalid-enrolment' } });
      expect(laptop.trust.state().enrolment?.name).toBe('Acme');
      expect((await laptop.restart()).state().current?.version).toBe(1);
    } finally {
      stranger.remove();
    }
  });

  it('joins another organisation as a whole', async () => {
    const other = createPublisher(clock);
    try {
      other.publish({ policyJson: '{"other":1}' });
      expect(await laptop.trust.enrol(other.orgJson(undefined, 'Other'))).toEqual({ ok: true, changed: true });
      const trust = await laptop.restart();
      expect(trust.state().enrolment?.name).toBe('Other');
      expect(trust.state().current?.policyJson).toBe('{"other":1}');
    } finally {
      other.remove();
    }
  });

  it('forgets everything but how new it was when the person leaves', async () => {
    expect(laptop.trust.leave()).toBe(true);
    expect(laptop.trust.state()).toMatchObject({ problem: { code: 'not-enrolled' } });
    expect(laptop.trust.state().current).toBeUndefined();
    expect(readdirSync(laptop.dir)).toEqual([seenFile()]);
    expect(laptop.trust.leave()).toBe(false);
    expect((await laptop.restart()).state().problem?.code).toBe('not-enrolled');
  });

  it('takes nothing older after leaving and joining again, whoever was joined in between', async () => {
    const old = publisher.copy();
    publisher.publish({ policyJson: '{"x":2}' });
    await laptop.trust.refresh();
    const other = createPublisher(clock);
    try {
      other.publish();
      laptop.trust.leave();
      expect(await laptop.trust.enrol(other.orgJson(undefined, 'Other'))).toEqual({ ok: true, changed: true });
      const trust = await laptop.restart();
      trust.leave();
      publisher.restore(old);
      expect(await trust.enrol(publisher.orgJson())).toMatchObject({ ok: false, problem: { code: 'rollback' } });
      expect(trust.state().enrolment).toBeUndefined();
      publisher.publish({ policyJson: '{"x":3}' });
      publisher.publish({ policyJson: '{"x":4}' });
      expect(await trust.enrol(publisher.orgJson())).toEqual({ ok: true, changed: true });
    } finally {
      other.remove();
    }
  });

  it.each([true, false])(
    'takes nothing older by another root of the same organisation (newer one first: %s)',
    async (newerFirst) => {
      const first = publisher.orgJson();
      publisher.rotate({ root: makeKeys().root });
      publisher.publish({ policyJson: '{"x":2}' });
      const old = publisher.copy();
      const root = JSON.parse(old.get('metadata/2.root.json') ?? 'null');
      const second = JSON.stringify({ ...JSON.parse(first), root });
      laptop.trust.leave();
      const fresh = createLaptop(clock);
      try {
        await fresh.trust.start();
        expect(await fresh.trust.enrol(newerFirst ? second : first)).toEqual({ ok: true, changed: true });
        publisher.publish({ policyJson: '{"x":3}' });
        expect((await fresh.trust.refresh()).ok).toBe(true);
        fresh.trust.leave();
        publisher.restore(old);
        expect(await fresh.trust.enrol(newerFirst ? first : second)).toMatchObject({
          ok: false,
          problem: { code: 'rollback' },
        });
      } finally {
        await fresh.remove();
      }
    },
  );

  it.each(['at once', 'while the policy is being prepared'])(
    'stays out when the person leaves during a joining: %s',
    async (when) => {
      const trusts: Laptop['trust'][] = [];
      const fresh = createLaptop(clock, {
        accept: async () => {
          if (when !== 'at once') trusts[0]?.leave();
          return undefined;
        },
      });
      try {
        trusts.push(fresh.trust);
        await fresh.trust.start();
        const joining = fresh.trust.enrol(publisher.orgJson());
        if (when === 'at once') expect(fresh.trust.leave()).toBe(true);
        expect((await joining).ok).toBe(false);
        expect(fresh.trust.state().enrolment).toBeUndefined();
        expect(existsSync(join(fresh.dir, 'org.json'))).toBe(false);
        expect((await fresh.restart({ accept: () => undefined })).state().problem?.code).toBe('not-enrolled');
      } finally {
        await fresh.remove();
      }
    },
  );

  it('has joined when joining is the last word', async () => {
    laptop.trust.leave();
    const first = laptop.trust.enrol(publisher.orgJson());
    laptop.trust.leave();
    const second = laptop.trust.enrol(publisher.orgJson());
    expect((await first).ok).toBe(false);
    expect(await second).toEqual({ ok: true, changed: true });
  });

  it('does not bring back by a late refresh what the person left', async () => {
    const late = laptop.trust.refresh();
    await Promise.resolve();
    laptop.trust.leave();
    expect((await late).ok).toBe(false);
    expect(laptop.trust.state().current).toBeUndefined();
    expect(existsSync(kept('good.json'))).toBe(false);
  });

  it('cannot replace or leave what the administrator enrolled', async () => {
    const other = createPublisher(clock);
    const managed = createLaptop(clock, { managedEnrolment: publisher.orgJson() });
    try {
      other.publish();
      await managed.trust.start();
      expect(managed.trust.state()).toMatchObject({ enrolment: { managed: true }, current: { version: 1 } });
      expect(await managed.trust.enrol(other.orgJson())).toMatchObject({
        ok: false,
        problem: { code: 'invalid-enrolment' },
      });
      expect(managed.trust.leave()).toBe(false);
      expect(managed.trust.state().current?.version).toBe(1);
    } finally {
      await managed.remove();
      other.remove();
    }
  });

  it('does not fall back to a personal enrolment when the managed one is broken', async () => {
    const trust = await laptop.restart({ managedEnrolment: '{"schema":1}' });
    expect(trust.state().current).toBeUndefined();
    expect(trust.state().problem?.code).toBe('invalid-enrolment');
  });

  it('ignores a policy kept under a personal enrolment that the managed root did not sign', async () => {
    const other = createPublisher(clock);
    try {
      const trust = await laptop.restart({ managedEnrolment: other.orgJson() });
      expect(trust.state().current).toBeUndefined();
    } finally {
      other.remove();
    }
  });
});

describe('when keys are replaced by a new root', () => {
  it('follows the new root, and the old keys are worth nothing afterwards', async () => {
    const old = publisher.keys;
    const fresh = makeKeys();
    publisher.rotate({ root: fresh.root, timestamp: fresh.timestamp, snapshot: fresh.snapshot });
    publisher.publish({ policyJson: '{"x":2}' });
    expect(await laptop.trust.refresh()).toEqual({ ok: true, changed: true });
    expect(laptop.trust.state().current?.version).toBe(2);

    publisher.publish({ policyJson: '{"x":3}' }, { keys: { ...publisher.keys, timestamp: old.timestamp } });
    const files = publisher.copy();
    files.delete('metadata/2.root.json');
    publisher.restore(files);
    expect(await laptop.trust.refresh()).toMatchObject({ ok: false, problem: { code: 'bad-signature' } });
    const trust = await laptop.restart();
    expect(trust.state().current?.version).toBe(2);
    expect(await trust.refresh()).toMatchObject({ ok: false, problem: { code: 'bad-signature' } });
  });

  it('recovers from versions a thief of the old timestamp key raised to the sky', async () => {
    const fresh = makeKeys();
    for (let version = 0; version < 5; version++) publisher.publish();
    expect(await laptop.trust.refresh()).toMatchObject({ ok: true });
    const state = publisher.copy();
    for (const path of state.keys()) if (path === 'metadata/timestamp.json') state.delete(path);
    publisher.restore(state);
    publisher.rotate({ timestamp: fresh.timestamp, snapshot: fresh.snapshot });
    publisher.publish({ policyJson: '{"x":2}' });
    expect(await laptop.trust.refresh()).toEqual({ ok: true, changed: true });
  });
});

describe('when the folder cannot be written', () => {
  it.skipIf(process.platform === 'win32')(
    'says so and takes nothing up that would be gone at the next start',
    async () => {
      rmSync(laptop.dir, { recursive: true });
      writeFileSync(laptop.dir, 'a file where the folder was');
      publisher.publish({ policyJson: '{"x":2}' });
      const result = await laptop.trust.refresh();
      expect(result).toMatchObject({ ok: false, problem: { code: 'unwritable' } });
      expect(laptop.trust.state().current?.version).toBe(1);
    },
  );
});

describe('when a signed policy cannot be prepared', () => {
  it('keeps the last good one and says what is wrong', async () => {
    const accept = (targets: { policyJson: string }) =>
      targets.policyJson.includes('bad') ? 'policy.json is bad.' : undefined;
    const trust = await laptop.restart({ accept });
    publisher.publish({ policyJson: '"bad"' });
    expect(await trust.refresh()).toMatchObject({
      ok: false,
      problem: { code: 'invalid-policy', message: 'policy.json is bad.' },
    });
    expect(trust.state().current?.version).toBe(1);
    publisher.publish({ policyJson: '"good"' });
    expect(await trust.refresh()).toEqual({ ok: true, changed: true });
    expect(trust.state().current?.policyJson).toBe('"good"');
  });

  it('has nothing in force when a newer program no longer understands what it kept', async () => {
    const trust = await laptop.restart({ accept: () => 'too old.' });
    expect(trust.state()).toMatchObject({ problem: { code: 'invalid-policy', message: 'too old.' } });
    expect(trust.state().current).toBeUndefined();
  });

  it('treats a failure to judge as a refusal', async () => {
    const trust = await laptop.restart({
      accept: () => {
        throw new Error('broken compiler');
      },
    });
    expect(trust.state().current).toBeUndefined();
    expect(trust.state().problem?.message).toContain('broken compiler');
  });
});

describe('when the clock of the laptop is wrong', () => {
  it('says so where it runs behind the signature', async () => {
    clock.time -= 60 * DAY_MS;
    const trust = await laptop.restart();
    expect(trust.state().current).toBeUndefined();
    expect(trust.state().problem?.code).toBe('clock-wrong');
    expect(trust.state().problem?.message).toContain('clock says 2026-04-02');
    clock.time += 60 * DAY_MS;
    expect(await trust.refresh()).toMatchObject({ ok: true });
    expect(trust.state().problem).toBeUndefined();
  });

  it('tolerates a few hours', async () => {
    clock.time -= 6 * 3_600_000;
    expect((await laptop.restart()).state().current?.version).toBe(1);
  });
});
