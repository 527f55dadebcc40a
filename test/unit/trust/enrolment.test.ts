import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyFingerprints, parseEnrolment } from '../../../main/trust/enrolment.ts';
import { createClock, createPublisher, type Publisher } from './publisher.ts';

let publisher: Publisher;
let good: Record<string, unknown>;

beforeAll(() => {
  publisher = createPublisher(createClock());
  good = JSON.parse(publisher.orgJson('https://policy.acme.example/gatehouse'));
});
afterAll(() => publisher.remove());

const parse = (changes: Record<string, unknown>) => parseEnrolment(JSON.stringify({ ...good, ...changes }));

function expectRefused(text: string, ...sentences: readonly RegExp[]): void {
  const parsed = parseEnrolment(text);
  if (parsed.ok) throw new Error('accepted');
  for (const sentence of sentences) expect(parsed.message).toMatch(sentence);
  expect(parsed.message).toMatch(/Ask your IT team for a new one\.$/);
}

describe('when an enrolment is read', () => {
  it('keeps name, address and root as written', () => {
    const parsed = parse({});
    expect(parsed).toEqual({ ok: true, value: good });
  });

  it('accepts a file that begins with a byte order mark', () => {
    expect(parseEnrolment(`\uFEFF${JSON.stringify(good)}`).ok).toBe(true);
  });

  it('shows the fingerprint of the root key itself', () => {
    const parsed = parse({});
    if (!parsed.ok) throw new Error(parsed.message);
    expect(keyFingerprints(parsed.value).map((text) => text.replaceAll(' ', '').toLowerCase())).toEqual([
      publisher.keys.root.keyId,
    ]);
  });

  it.each([
    'https://a.example',
    'http://127.0.0.1:8080/x',
    'http://localhost/x/',
    'http://[::1]:1/',
    'file:///srv/acme',
  ])('accepts the repository %s', (repository) => expect(parse({ repository })).toMatchObject({ ok: true }));

  it.each([
    'http://policy.acme.example',
    'http://127.0.0.1.evil.example/',
    'http://localhost.evil.example/',
    'file:repository',
    'file:../repository',
    'file:/srv/acme',
    'file://server/share',
    'repository',
    './repository',
    '/srv/acme',
    'ftp://a.example',
    'javascript:alert(1)',
    'data:,x',
    'https://user:word@a.example',
    'https://a.example/?x=1',
    'https://a.example/#x',
    '',
  ])('refuses the repository "%s"', (repository) => {
    expect(parse({ repository })).toMatchObject({
      ok: false,
      message: expect.stringContaining('/repository: expected'),
    });
  });

  it('collects every problem at once', () => {
    expectRefused(
      JSON.stringify({ schema: 2, name: '', repository: 'x', extra: 1 }),
      /\/schema/,
      /\/name/,
      /\/repository/,
      /\/root/,
      /extra/,
    );
  });

  it.each(['', '{', 'null', '[]', '42', '"x"', '{"__proto__":{}}', 'x'.repeat(1_000_001)])(
    'refuses garbage',
    (text) => {
      expectRefused(text);
    },
  );

  it('refuses a root that its own key did not sign', () => {
    const root = structuredClone(good.root) as { signed: { expires: string } };
    root.signed.expires = '2099-01-01T00:00:00Z';
    expectRefused(JSON.stringify({ ...good, root }), /not a TUF root signed by its own keys/);
  });

  it('refuses a key under a name that is not its digest, because people compare that name', () => {
    const text = JSON.stringify(good).replaceAll(publisher.keys.root.keyId, 'ab'.repeat(32));
    expectRefused(text, /name of a key must be the SHA-256/);
  });

  it('refuses a root without consistent snapshots', () => {
    const root = structuredClone(good.root) as { signed: { consistent_snapshot: boolean } };
    root.signed.consistent_snapshot = false;
    expectRefused(JSON.stringify({ ...good, root }), /consistent_snapshot/);
  });
});
