import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Trust, TrustState } from '../../../main/trust/trust.ts';
import {
  createClock,
  createLaptop,
  createPublisher,
  type Laptop,
  type Publisher,
  serveRepository,
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
});

afterEach(async () => {
  await laptop.remove();
  publisher.remove();
});

function reached(trust: Trust, version: number): Promise<TrustState> {
  return new Promise((resolve) => {
    const stop = trust.onChange((state) => {
      if (state.current?.version !== version) return;
      stop();
      resolve(state);
    });
  });
}

describe('when the repository is a folder', () => {
  it('takes a publish up by itself', async () => {
    await laptop.trust.enrol(publisher.orgJson());
    const second = reached(laptop.trust, 2);
    publisher.publish({ policyJson: '{"x":2}' });
    expect((await second).current?.policyJson).toBe('{"x":2}');
  });

  it('goes on watching when the folder is replaced whole', async () => {
    await laptop.trust.enrol(publisher.orgJson());
    const second = reached(laptop.trust, 2);
    publisher.publish({ policyJson: '{"x":2}' });
    await second;
    const third = reached(laptop.trust, 3);
    const files = publisher.copy();
    renameSync(join(publisher.dir, 'metadata'), join(publisher.dir, 'old'));
    mkdirSync(join(publisher.dir, 'metadata'));
    publisher.restore(files);
    rmSync(join(publisher.dir, 'old'), { recursive: true });
    publisher.publish({ policyJson: '{"x":3}' });
    expect((await third).current?.version).toBe(3);
  });

  it('watches after a restart too', async () => {
    await laptop.trust.enrol(publisher.orgJson());
    const trust = await laptop.restart();
    const second = reached(trust, 2);
    publisher.publish({ policyJson: '{"x":2}' });
    await second;
  });
});

describe('when the repository is on the web', () => {
  it('fetches only what is new', async () => {
    const web = await serveRepository(publisher.dir);
    try {
      await laptop.trust.enrol(publisher.orgJson(web.url));
      const before = web.asked.length;
      expect(await laptop.trust.refresh()).toEqual({ ok: true, changed: false });
      expect(web.asked.slice(before)).toEqual(['metadata/2.root.json', 'metadata/timestamp.json']);
      publisher.publish({ policyJson: '{"x":2}' });
      const again = web.asked.length;
      expect(await laptop.trust.refresh()).toEqual({ ok: true, changed: true });
      expect(web.asked.slice(again).filter((path) => path.startsWith('targets/'))).toHaveLength(1);
    } finally {
      await web.close();
    }
  });

  it('serves many refreshes asked for at once with few', async () => {
    const web = await serveRepository(publisher.dir);
    try {
      await laptop.trust.enrol(publisher.orgJson(web.url));
      const before = web.asked.length;
      const results = await Promise.all(Array.from({ length: 50 }, () => laptop.trust.refresh()));
      expect(results.every((result) => result.ok)).toBe(true);
      expect(web.asked.length - before).toBeLessThanOrEqual(4);
    } finally {
      await web.close();
    }
  });

  it('carries a repository below a path', async () => {
    const web = await serveRepository(join(publisher.dir, '..'));
    try {
      const folder = publisher.dir.split('/').at(-1);
      expect(await laptop.trust.enrol(publisher.orgJson(`${web.url}/${folder}`))).toEqual({ ok: true, changed: true });
    } finally {
      await web.close();
    }
  });
});

describe('when a listener fails', () => {
  it('still takes the policy up and tells the others', async () => {
    const heard: number[] = [];
    laptop.trust.onChange(() => {
      throw new Error('broken listener');
    });
    laptop.trust.onChange((state) => heard.push(state.current?.version ?? 0));
    await laptop.trust.enrol(publisher.orgJson());
    expect(heard).toEqual([1]);
  });
});

describe('when Gatehouse closes in the middle of a refresh', () => {
  it('leaves the last good policy as it was', async () => {
    const web = await serveRepository(publisher.dir);
    try {
      await laptop.trust.enrol(publisher.orgJson(web.url));
      publisher.publish({ policyJson: '{"x":2}' });
      const asked = new Promise<void>((resolve) => web.answer('metadata/timestamp.json', () => resolve()));
      const refresh = laptop.trust.refresh();
      await asked;
      laptop.trust.close();
      expect((await refresh).ok).toBe(false);
      web.answer('metadata/timestamp.json', (_request, response) => response.writeHead(500).end());
      expect((await laptop.restart()).state().current?.version).toBe(1);
    } finally {
      await web.close();
    }
  });
});
