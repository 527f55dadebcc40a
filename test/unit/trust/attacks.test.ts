import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS } from '../../../main/admin/metadata.ts';
import type { TrustCode } from '../../../main/trust/trust.ts';
import {
  createClock,
  createLaptop,
  createPublisher,
  type Laptop,
  makeKeys,
  type Publisher,
  serveRepository,
  type TestClock,
  type WebRepository,
} from './publisher.ts';

let clock: TestClock;
let publisher: Publisher;
let web: WebRepository;
let laptop: Laptop;

/** A laptop that trusts the organisation and has its version 1 in force, over the network. */
beforeEach(async () => {
  clock = createClock();
  publisher = createPublisher(clock);
  publisher.publish();
  web = await serveRepository(publisher.dir);
  laptop = createLaptop(clock, { fileTimeoutMs: 1500 });
  await laptop.trust.start();
  const joined = await laptop.trust.enrol(publisher.orgJson(web.url));
  expect(joined).toEqual({ ok: true, changed: true });
});

afterEach(async () => {
  await laptop.remove();
  await web.close();
  publisher.remove();
});

/** The refresh is refused with this code and a sentence like this, and version `inForce` goes on. */
async function expectRefused(code: TrustCode, sentence: RegExp, inForce = 1): Promise<void> {
  const result = await laptop.trust.refresh();
  if (result.ok) throw new Error('the attack was accepted');
  expect(result.problem.message).toMatch(sentence);
  expect(result.problem.code).toBe(code);
  const state = laptop.trust.state();
  expect(state.current?.version).toBe(inForce);
  expect(state.problem?.code).toBe(code);
}

async function expectAccepted(version: number): Promise<void> {
  expect(await laptop.trust.refresh()).toMatchObject({ ok: true });
  expect(laptop.trust.state().current?.version).toBe(version);
  expect(laptop.trust.state().problem).toBeUndefined();
}

const change = (path: string, edit: (text: string) => string) => {
  const files = publisher.copy();
  const before = files.get(path) ?? '';
  const after = edit(before);
  expect(after).not.toBe(before);
  publisher.restore(files.set(path, after));
};

describe('when somebody serves an older repository', () => {
  it('refuses it as a rollback and keeps the newer policy', async () => {
    const old = publisher.copy();
    publisher.publish({ policyJson: '{"schema":1,"x":2}' });
    await expectAccepted(2);
    publisher.restore(old);
    await expectRefused('rollback', /older than one already verified/, 2);
  });

  it('refuses it after a restart too', async () => {
    const old = publisher.copy();
    publisher.publish({ policyJson: '{"schema":1,"x":2}' });
    await expectAccepted(2);
    publisher.restore(old);
    await laptop.restart();
    await expectRefused('rollback', /older/, 2);
  });

  it('remembers a version it saw but could not take up, even across a restart', async () => {
    const old = publisher.copy();
    publisher.publish({ policyJson: '{"schema":1,"x":2}' });
    const target = targetOf('policy.json', '"x":2');
    change(target, (text) => text.replace('"x":2', '"x":3'));
    await expectRefused('tampered', /do not belong together/);
    publisher.restore(old);
    await expectRefused('rollback', /older/);
    await laptop.restart();
    await expectRefused('rollback', /older/);
  });
});

describe('when time stands still at the repository', () => {
  it('refuses an expired timestamp as a freeze, and ends the policy at its own expiry', async () => {
    clock.time += 30 * DAY_MS - 1000;
    await expectAccepted(1);
    clock.time += 1000;
    const result = await laptop.trust.refresh();
    expect(result).toMatchObject({ ok: false, problem: { code: 'expired' } });
    expect(laptop.trust.state().current).toBeUndefined();
  });

  it('refuses a new version that was published expired', async () => {
    publisher.publish({ policyJson: '{"schema":1,"x":2}' }, { days: -1 });
    await expectRefused('expired', /past its expiry date \(timestamp\)/);
  });
});

describe('when a byte is changed', () => {
  it.each([
    ['a target', /^targets\/.*\.policy\.cedar$/],
    ['the delegated metadata', /^metadata\/2\.policy\.json$/],
    ['the snapshot', /^metadata\/2\.snapshot\.json$/],
  ])('refuses %s', async (_, pattern) => {
    publisher.publish({ policyCedar: 'forbid (principal, action, resource);' });
    const files = publisher.copy();
    for (const path of files.keys()) {
      if (pattern.test(path)) files.set(path, spoil(files.get(path) ?? ''));
    }
    publisher.restore(files);
    await expectRefused('tampered', /do not belong together/);
  });

  it('refuses a changed timestamp for its signature', async () => {
    publisher.publish({ policyJson: '{"schema":1,"x":2}' });
    change('metadata/timestamp.json', (text) => text.replace('"version": 2', '"version": 3'));
    await expectRefused('bad-signature', /timestamp carries 0 of the 1 signatures/);
  });

  it('refuses a file that is not text', async () => {
    publisher.publish({ policyJson: '{"schema":1,"x":2}' });
    web.answer('metadata/timestamp.json', (_request, response) => response.end(Buffer.from([0xff, 0xfe, 0])));
    await expectRefused('tampered', /not UTF-8/);
  });

  it('refuses garbage and empty files', async () => {
    for (const text of ['', '{', 'null', '[]', '{"signed":{}}', '{"signed":1,"signatures":{}}', '"a"']) {
      web.answer('metadata/timestamp.json', (_request, response) => response.end(text));
      const result = await laptop.trust.refresh();
      expect(result.ok).toBe(false);
      expect(laptop.trust.state().current?.version).toBe(1);
    }
    web.answer('metadata/timestamp.json', undefined);
    await expectAccepted(1);
  });
});

describe('when a role is signed by the wrong key', () => {
  it('refuses a policy signed by the servers key', async () => {
    const { servers } = publisher.keys;
    publisher.publish({ policyJson: '{"schema":1,"x":2}' }, { keys: { ...publisher.keys, policy: servers } });
    await expectRefused('bad-signature', /policy carries 0 of the 1 signatures/);
  });

  it('refuses a manifest signed by the policy key', async () => {
    const { policy } = publisher.keys;
    publisher.publish({ manifestJson: '{"schema":1}' }, { keys: { ...publisher.keys, servers: policy } });
    await expectRefused('bad-signature', /servers carries 0 of the 1 signatures/);
  });

  it.each(['timestamp', 'snapshot', 'targets', 'policy', 'servers'] as const)(
    'refuses everything when the %s key is a stranger',
    async (role) => {
      const changes = { policyJson: '{"schema":1,"x":2}', manifestJson: '{"schema":1,"y":2}' };
      clock.time += role === 'targets' ? 80 * DAY_MS : 0;
      const before = laptop.trust.state().current ? 1 : 0;
      publisher.publish(changes, { keys: { ...publisher.keys, [role]: makeKeys()[role] } });
      const result = await laptop.trust.refresh();
      expect(result).toMatchObject({ ok: false, problem: { code: 'bad-signature' } });
      expect(laptop.trust.state().current?.version ?? 0).toBe(before);
    },
  );

  it('refuses another organisation at the same address', async () => {
    const stranger = createPublisher(clock);
    try {
      stranger.publish();
      stranger.publish({ policyJson: '{}' });
      publisher.restore(stranger.copy());
      await expectRefused('bad-signature', /timestamp carries 0 of the 1/);
    } finally {
      stranger.remove();
    }
  });

  it('refuses a new root the old root did not sign', async () => {
    const stranger = createPublisher(clock);
    try {
      stranger.publish();
      stranger.rotate(makeKeys());
      const files = publisher.copy();
      publisher.restore(files.set('metadata/2.root.json', stranger.copy().get('metadata/2.root.json') ?? ''));
      await expectRefused('bad-signature', /root carries/);
    } finally {
      stranger.remove();
    }
  });
});

describe('when parts of different versions are mixed', () => {
  it('refuses an old snapshot under a new timestamp', async () => {
    const first = publisher.copy().get('metadata/1.snapshot.json') ?? '';
    publisher.publish({ policyJson: '{"schema":1,"x":2}' });
    publisher.restore(publisher.copy().set('metadata/2.snapshot.json', first));
    await expectRefused('tampered', /do not belong together/);
  });

  it('refuses an old policy under a new snapshot', async () => {
    const first = publisher.copy().get('metadata/1.policy.json') ?? '';
    publisher.publish({ policyJson: '{"schema":1,"x":2}' });
    publisher.restore(publisher.copy().set('metadata/2.policy.json', first));
    await expectRefused('tampered', /do not belong together/);
  });

  it('says that a repository is incomplete when a part is missing, and takes it up when it arrives', async () => {
    publisher.publish({ policyJson: '{"schema":1,"x":2}' });
    const whole = publisher.copy();
    const partial = new Map(whole);
    partial.delete('metadata/2.policy.json');
    publisher.restore(partial);
    await expectRefused('unreachable', /incomplete: metadata\/2\.policy\.json is missing/);
    publisher.restore(whole);
    await expectAccepted(2);
  });
});

describe('when the server misbehaves', () => {
  const next = () => publisher.publish({ policyJson: '{"schema":1,"x":2}' });

  it.each(['metadata/timestamp.json', 'metadata/2.snapshot.json', 'metadata/2.root.json'])(
    'stops reading %s when it does not end',
    async (path) => {
      next();
      web.answer(path, (_request, response) => {
        const chunk = Buffer.alloc(65_536, 0x20);
        const more = () => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', more);
        more();
      });
      await expectRefused('tampered', /larger than the \d+ bytes/);
    },
  );

  it('does not follow a redirect, not even to the same files', async () => {
    next();
    web.answer('metadata/timestamp.json', (_request, response) =>
      response.writeHead(302, { location: `${web.url}/metadata/1.root.json` }).end(),
    );
    await expectRefused('unreachable', /redirected to .*not followed/);
    expect(web.asked.filter((path) => path === 'metadata/1.root.json')).toEqual([]);
  });

  it('gives up on a server that never answers, and on one that stops in the middle', async () => {
    next();
    web.answer('metadata/timestamp.json', () => {});
    await expectRefused('unreachable', /did not arrive within/);
    web.answer('metadata/timestamp.json', (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{');
    });
    await expectRefused('unreachable', /did not arrive within/);
  });

  it('says so when the connection is cut or an error is answered', async () => {
    web.answer('*', (request) => request.socket.destroy());
    await expectRefused('unreachable', /could not be fetched/);
    web.answer('*', (_request, response) => response.writeHead(500).end());
    await expectRefused('unreachable', /answered 500/);
    web.answer('*', (_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in to the hotel</html>'),
    );
    await expectRefused('tampered', /do not belong together/);
    web.answer('*', undefined);
    await expectAccepted(1);
  });

  it('keeps the last good policy when nothing answers at all', async () => {
    const { url } = web;
    await web.close();
    await expectRefused('unreachable', /could not be fetched: (nothing answers|the connection was cut)/);
    expect(laptop.trust.state().problem?.message).toContain(url);
  });
});

function targetOf(name: string, containing: string): string {
  for (const [path, text] of publisher.copy()) {
    if (path.startsWith('targets/') && path.endsWith(name) && text.includes(containing)) return path;
  }
  throw new Error(`no target ${name} that contains ${containing}`);
}

/** A change that leaves JSON and Cedar readable. */
function spoil(text: string): string {
  return text.includes('"version": 2')
    ? text.replace('"version": 2', '"version": 3')
    : text.replace('forbid', 'permit');
}
