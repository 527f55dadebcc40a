import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, createApp } from '../../main/app.ts';
import type { Ports } from '../../main/ports.ts';
import { connectApp } from '../fixtures/headless-process.ts';
import { createOrganisation, type Organisation } from '../fixtures/organisation.ts';

let organisation: Organisation;
beforeAll(async () => {
  organisation = await createOrganisation();
});
afterAll(() => organisation.remove());

function portsAt(data: string, now: () => number, values = new Map<string, unknown>()): Ports {
  const root = resolve(import.meta.dirname, '../..');
  return {
    clock: { now },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    paths: { data, resources: join(root, 'resources'), renderer: join(root, 'out/renderer') },
    preferences: { get: (key) => values.get(key), set: (key, value) => void values.set(key, value) },
    notifier: { notify() {} },
    windows: { openMain() {}, openApproval() {} },
    account: 'alice',
    version: '0.0.0',
  };
}

async function withApp(
  at: () => number,
  data: string,
  orgJson: string | undefined,
  look: (app: App) => Promise<void>,
): Promise<void> {
  const created = await createApp(portsAt(data, at), { port: 0, ...(orgJson === undefined ? {} : { orgJson }) });
  if (!created.ok) throw new Error(created.message);
  try {
    await look(created.value);
  } finally {
    await created.value.close();
  }
}

const call = async (app: App) => {
  const issued = await app.handlers.issueApp({ name: 'Cursor' });
  if (!issued.ok) throw new Error(issued.message);
  const client = await connectApp(issued.endpoint, issued.token);
  try {
    return await client.call('echo__add', { a: 1, b: 1 });
  } finally {
    await client.close();
  }
};

describe('when this computer’s clock is far off', () => {
  const year = (number: number) => () => Date.UTC(number, 0, 1);
  const orgJson = () => readFileSync(organisation.orgJson, 'utf8');
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-clock-'));
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it('joins nobody in 2099, and says that dates do not fit', async () => {
    const created = await createApp(portsAt(join(home, 'late'), year(2099)), { port: 0, orgJson: orgJson() });
    expect(created).toMatchObject({
      ok: false,
      code: 'enrolment',
      message: expect.stringMatching(/is past its expiry date .* if this computer's date is wrong, correct it/),
    });
  });

  it('ends a policy in 2099 that was in force today, refuses in words, records it, and is well again by the right time', async () => {
    const data = join(home, 'jumping');
    let at = () => Date.now();
    await withApp(
      () => at(),
      data,
      orgJson(),
      async (app) => {
        expect(await call(app)).toEqual({ refused: false, text: '2' });
        at = year(2099);
        expect(await call(app)).toEqual({ refused: true, text: expect.stringMatching(/expired/) });
        expect(app.status()).toMatchObject({ state: 'problem', problem: { code: 'expired' } });
        at = () => Date.now();
        expect(await app.handlers.refreshPolicy({})).toEqual({ ok: true });
        expect(await call(app)).toEqual({ refused: false, text: '2' });
        const record = await app.handlers.verifyRecord({});
        expect(record.ok).toBe(true);
      },
    );
  });

  it('joins nobody in 2001, and names both dates', async () => {
    const created = await createApp(portsAt(join(home, 'early'), year(2001)), { port: 0, orgJson: orgJson() });
    const message = expect.stringMatching(
      /^This computer's clock says 2001-01-01, but the policy at .* was signed on 20\d\d-/,
    );
    expect(created).toMatchObject({ ok: false, code: 'enrolment', message });
  });

  it('keeps its record whole over a start in 2001, and says on the page what is wrong', async () => {
    const data = join(home, 'back');
    const now = () => Date.now();
    await withApp(now, data, orgJson(), async (app) => {
      expect(await call(app)).toEqual({ refused: false, text: '2' });
    });
    await withApp(year(2001), data, undefined, async (app) => {
      await app.handlers.refreshPolicy({});
      expect(app.status().problem).toMatchObject({ code: 'clock-wrong' });
      await call(app);
      expect((await app.handlers.verifyRecord({})).ok).toBe(true);
    });
    await withApp(now, data, undefined, async (app) => {
      expect(await call(app)).toEqual({ refused: false, text: '2' });
      expect((await app.handlers.verifyRecord({})).ok).toBe(true);
    });
  });
});
