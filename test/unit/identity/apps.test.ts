import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createApps } from '../../../main/identity/apps.ts';
import type { Preferences } from '../../../main/ports.ts';

/** Preferences as a file would hold them: what is read back went through JSON. */
function createPreferences(start: Record<string, unknown> = {}) {
  const stored = new Map(Object.entries(start).map(([key, value]) => [key, JSON.stringify(value)]));
  let full = false;
  let writes = 0;
  const preferences: Preferences = {
    get: (key) => {
      const text = stored.get(key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    set: (key, value) => {
      if (full) throw new Error('ENOSPC: no space left on device');
      writes++;
      stored.set(key, JSON.stringify(value));
    },
  };
  return {
    preferences,
    text: () => [...stored.values()].join('\n'),
    writes: () => writes,
    fill: (value: boolean) => {
      full = value;
    },
  };
}

let now = 1_000;
const clock = { now: () => now };

function issue(apps: ReturnType<typeof createApps>, name: string) {
  const issued = apps.issue(name);
  if (!issued.ok) throw new Error(issued.message);
  return issued;
}

beforeEach(() => {
  now = 1_000;
});
afterEach(() => {
  vi.useRealTimers();
});

describe('when an app is given a token', () => {
  it('knows the app by it, now and after a restart', () => {
    const disk = createPreferences();
    const { app, token } = issue(createApps({ ...disk, clock }), 'Cursor');
    expect(token).toMatch(/^gth_[A-Za-z0-9_-]{43}$/);
    expect(app).toEqual({ id: expect.any(String), name: 'Cursor', issuedAt: 1_000, hint: `${token.slice(0, 8)}…` });
    const later = createApps({ ...disk, clock });
    expect(later.identify(token)).toEqual(app);
    expect(later.list()).toEqual([app]);
    expect(later.problem).toBeUndefined();
  });

  it('stores the SHA-256 of the token and nothing that could be used in its place', () => {
    const disk = createPreferences();
    const apps = createApps({ ...disk, clock });
    const { token } = issue(apps, 'Cursor');
    const hash = createHash('sha256').update(token).digest('hex');
    expect(disk.text()).toContain(hash);
    expect(disk.text()).not.toContain(token.slice(0, 12));
    expect(apps.identify(hash)).toBeUndefined();
    expect(apps.identify(`gth_${hash}`)).toBeUndefined();
    expect(JSON.stringify(apps.list())).not.toContain(hash);
  });

  it('never gives the same token twice', () => {
    const apps = createApps({ ...createPreferences(), clock });
    const tokens = Array.from({ length: 100 }, (_, n) => issue(apps, `App ${n}`).token);
    expect(new Set(tokens).size).toBe(100);
    for (const [n, token] of tokens.entries()) expect(apps.identify(token)?.name).toBe(`App ${n}`);
  });

  it('ends the old token of a name it already knows, however the name is written', () => {
    const apps = createApps({ ...createPreferences(), clock });
    const old = issue(apps, 'Claude Desktop');
    for (const name of ['claude desktop', '  CLAUDE   DESKTOP ', 'Claude\u00a0Desktop', 'Ｃlaude Desktop']) {
      const before = apps.list().length;
      const next = issue(apps, name);
      expect(apps.list()).toHaveLength(before);
      expect(next.app.id).toBe(old.app.id);
      expect(apps.identify(old.token)).toBeUndefined();
      expect(apps.identify(next.token)?.id).toBe(old.app.id);
    }
  });

  it('says what is wrong with a name it does not take, all of it', () => {
    const apps = createApps({ ...createPreferences(), clock });
    for (const name of [
      '',
      '   ',
      'a'.repeat(65),
      'a\nb',
      'a\0',
      'evil\u202etxt',
      'zero\u200bwidth',
      '\ud800',
      'a\u2028b',
    ]) {
      expect(apps.issue(name), JSON.stringify(name)).toMatchObject({ ok: false, code: 'invalid-name' });
    }
    expect(apps.issue(`${'a'.repeat(70)}\u0007`)).toMatchObject({
      message: expect.stringMatching(/71 characters.*cannot be seen/),
    });
    expect(apps.list()).toEqual([]);
    expect(apps.issue('😀'.repeat(64)).ok).toBe(true);
    expect(apps.issue('__proto__').ok).toBe(true);
  });

  it('is not in force when it could not be stored', () => {
    const disk = createPreferences();
    const apps = createApps({ ...disk, clock });
    const kept = issue(apps, 'Cursor');
    disk.fill(true);
    expect(() => apps.issue('Other')).toThrow('ENOSPC');
    expect(() => apps.issue('Cursor')).toThrow('ENOSPC');
    expect(() => apps.revoke(kept.app.id)).toThrow('ENOSPC');
    expect(apps.list()).toEqual([kept.app]);
    expect(apps.identify(kept.token)).toEqual(kept.app);
  });
});

describe('when somebody comes with a token that is not one', () => {
  it('knows nobody, whatever the text', () => {
    const apps = createApps({ ...createPreferences(), clock });
    const { token } = issue(apps, 'Cursor');
    const near = [
      token.slice(0, -1),
      `${token}A`,
      `${token} `,
      ` ${token}`,
      `${token}\n`,
      token.toUpperCase(),
      token.slice(4),
    ];
    for (const text of ['', 'gth_', '__proto__', 'constructor', 'x'.repeat(1_000_000), ...near]) {
      expect(apps.identify(text)).toBeUndefined();
    }
    fc.assert(fc.property(fc.string(), (text) => apps.identify(text) === undefined));
  });

  it('tells apart tokens that differ in one character', () => {
    const apps = createApps({ ...createPreferences(), clock });
    const { token } = issue(apps, 'Cursor');
    for (let i = 4; i < token.length; i++) {
      const other = token.slice(0, i) + (token[i] === 'A' ? 'B' : 'A') + token.slice(i + 1);
      expect(apps.identify(other)).toBeUndefined();
    }
  });
});

describe('when an app is revoked', () => {
  it('is unknown at once, and known again by the same token when that is undone', () => {
    const disk = createPreferences();
    const apps = createApps({ ...disk, clock });
    const { app, token } = issue(apps, 'Cursor');
    expect(apps.revoke(app.id)).toBe(true);
    expect(apps.identify(token)).toBeUndefined();
    expect(createApps({ ...disk, clock }).identify(token)).toBeUndefined();
    expect(apps.revoke(app.id)).toBe(false);
    expect(apps.restore(app.id)).toBe(true);
    expect(apps.identify(token)).toEqual(app);
    expect(apps.restore(app.id)).toBe(false);
    expect(createApps({ ...disk, clock }).identify(token)).toEqual(app);
  });

  it('cannot come back beside a new app of the same name, nor after a restart', () => {
    const disk = createPreferences();
    const apps = createApps({ ...disk, clock });
    const old = issue(apps, 'Cursor');
    apps.revoke(old.app.id);
    const { token } = issue(apps, 'CURSOR');
    expect(apps.restore(old.app.id)).toBe(false);
    expect(apps.identify(old.token)).toBeUndefined();
    expect(apps.identify(token)?.name).toBe('CURSOR');
    expect(createApps({ ...disk, clock }).restore(old.app.id)).toBe(false);
    expect(apps.revoke('__proto__')).toBe(false);
    expect(apps.restore('nobody')).toBe(false);
  });
});

describe('when an app is used', () => {
  it('notes the time at once and writes it down at most every 30 seconds', () => {
    vi.useFakeTimers();
    const disk = createPreferences();
    const apps = createApps({ ...disk, clock });
    const { app, token } = issue(apps, 'Cursor');
    for (let n = 0; n < 1_000; n++) {
      now++;
      apps.touch(app.id);
    }
    expect(disk.writes()).toBe(1);
    expect(apps.list()[0]?.lastUsedAt).toBe(2_000);
    vi.advanceTimersByTime(30_000);
    expect(disk.writes()).toBe(2);
    expect(createApps({ ...disk, clock }).identify(token)?.lastUsedAt).toBe(2_000);
    vi.advanceTimersByTime(120_000);
    expect(disk.writes()).toBe(2);
  });

  it('writes what is pending on request, once', () => {
    const disk = createPreferences();
    const apps = createApps({ ...disk, clock });
    const { app } = issue(apps, 'Cursor');
    apps.touch(app.id);
    apps.touch('nobody');
    apps.flush();
    apps.flush();
    expect(disk.writes()).toBe(2);
  });

  it('goes on when the time of use cannot be written', () => {
    vi.useFakeTimers();
    const disk = createPreferences();
    const apps = createApps({ ...disk, clock });
    const { app, token } = issue(apps, 'Cursor');
    apps.touch(app.id);
    disk.fill(true);
    vi.advanceTimersByTime(30_000);
    expect(apps.identify(token)?.id).toBe(app.id);
    disk.fill(false);
    apps.touch(app.id);
    vi.advanceTimersByTime(30_000);
    expect(createApps({ ...disk, clock }).list()[0]?.lastUsedAt).toBe(1_000);
  });

  it('forgets nothing of it when the token is replaced or revoked while a write is pending', () => {
    vi.useFakeTimers();
    const disk = createPreferences();
    const apps = createApps({ ...disk, clock });
    const { app } = issue(apps, 'Cursor');
    apps.touch(app.id);
    apps.revoke(app.id);
    vi.advanceTimersByTime(60_000);
    expect(createApps({ ...disk, clock }).list()).toEqual([]);
  });
});

describe('when the stored list is not what Gatehouse wrote', () => {
  const hash = 'a'.repeat(64);
  const good = {
    id: '6f2f4c58-6f0e-4c0a-9a3e-0d4a2f0f9b11',
    name: 'Cursor',
    issuedAt: 1,
    hint: 'gth_abcd…',
    tokenSha256: hash,
  };
  const broken: Readonly<Record<string, unknown>> = {
    text: 'garbage',
    'an object': { 0: good },
    'a number': 7,
    'a list of garbage': [1, 2],
    'one bad record among good ones': [good, { ...good, id: 'x' }],
    'no hash': [{ ...good, tokenSha256: undefined }],
    'a hash of nothing': [{ ...good, tokenSha256: '' }],
    'an unknown field': [{ ...good, admin: true }],
    'a name no app can have': [{ ...good, name: 'a\u202eb' }],
    'the same name twice': [
      good,
      { ...good, id: '6f2f4c58-6f0e-4c0a-9a3e-0d4a2f0f9b12', tokenSha256: 'b'.repeat(64), name: 'CURSOR' },
    ],
    'the same token twice': [good, { ...good, id: '6f2f4c58-6f0e-4c0a-9a3e-0d4a2f0f9b12', name: 'Other' }],
  };
  for (const [what, value] of Object.entries(broken)) {
    it(`starts with no apps, says so and keeps it aside: ${what}`, () => {
      const disk = createPreferences({ apps: value });
      const apps = createApps({ ...disk, clock });
      expect(apps.list()).toEqual([]);
      expect(apps.problem).toContain('no app is connected now');
      expect(disk.preferences.get('appsBroken')).toEqual(JSON.parse(JSON.stringify(value)));
      const { token } = issue(apps, 'Cursor');
      const next = createApps({ ...disk, clock });
      expect(next.problem).toBeUndefined();
      expect(next.identify(token)?.name).toBe('Cursor');
      expect(disk.preferences.get('appsBroken')).toEqual(JSON.parse(JSON.stringify(value)));
    });
  }
});

describe('when somebody listens', () => {
  it('tells of each change, passes over a listener that throws, and stops on request', () => {
    const apps = createApps({ ...createPreferences(), clock });
    const seen: number[] = [];
    apps.onChange(() => {
      throw new Error('broken listener');
    });
    const stop = apps.onChange(() => seen.push(apps.list().length));
    const { app } = issue(apps, 'Cursor');
    apps.revoke(app.id);
    apps.restore(app.id);
    stop();
    apps.revoke(app.id);
    expect(seen).toEqual([1, 0, 1]);
  });

  it('hands out records that nobody can change', () => {
    const apps = createApps({ ...createPreferences(), clock });
    const { app, token } = issue(apps, 'Cursor');
    expect(() => Object.assign(app, { name: 'Other' })).toThrow(TypeError);
    expect(apps.identify(token)?.name).toBe('Cursor');
  });
});
