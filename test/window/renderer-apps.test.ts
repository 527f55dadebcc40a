import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleSaved } from '../fixtures/fake-bridge.ts';
import { openStage, type Stage } from './renderer-page.ts';

const now = new Date(2026, 10, 20, 16, 42).getTime();
const token = 'gth_9d3cV0pX2mQkWb7Lr5TzYn8sHe4uJf1a';
const endpoint = 'http://127.0.0.1:7420/mcp';
const headers = { Authorization: `Bearer ${token}` };
const program = {
  command: '/opt/Gatehouse/gatehouse',
  args: ['bridge', '--data', '/home/alice/.config/Gatehouse'],
  env: { GATEHOUSE_TOKEN: token },
};

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

async function issue(name: string): Promise<Page> {
  const { page } = await stage.open({ hash: '#/apps/add', clockAt: now });
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByRole('button', { name: 'Make a key' }).click();
  await page.getByRole('heading', { name: `${name} has its key` }).waitFor();
  return page;
}

describe('when an app is added', () => {
  it.each([
    ['Claude Code', { mcpServers: { gatehouse: { type: 'http', url: endpoint, headers } } }],
    ['Claude Desktop', { mcpServers: { gatehouse: program } }],
    ['Cursor', { mcpServers: { gatehouse: { url: endpoint, headers } } }],
    ['VS Code', { servers: { gatehouse: { type: 'http', url: endpoint, headers } } }],
    ['Gemini CLI', { mcpServers: { gatehouse: { httpUrl: endpoint, headers } } }],
  ])('gives %s a configuration that parses', async (name, expected) => {
    const page = await issue(name);
    const text = await page.locator('[role=tabpanel]:not([hidden]) pre').last().textContent();
    expect(JSON.parse(text ?? '')).toEqual(expected);
    await page.context().close();
  });

  it('gives Codex its TOML, and any other app the address and the header, or a program', async () => {
    const page = await issue('Codex');
    const text = () => page.locator('[role=tabpanel]:not([hidden]) pre').last().textContent();
    expect(await text()).toBe(
      `[mcp_servers.gatehouse]\nurl = "${endpoint}"\nhttp_headers = { Authorization = "Bearer ${token}" }`,
    );
    expect(readToml((await text()) ?? '')).toEqual({
      mcp_servers: { gatehouse: { url: endpoint, http_headers: headers } },
    });
    await page.getByRole('tab', { name: 'Other' }).click();
    const other = await page.locator('[role=tabpanel]:not([hidden]) pre').allTextContents();
    expect(other[0]).toBe(`${endpoint}\nAuthorization: Bearer ${token}`);
    expect(JSON.parse(other[1] ?? '')).toEqual(program);
    await page.context().close();
  });

  it('gives Claude Code a command too', async () => {
    const page = await issue('Claude Code');
    const command = await page.locator('[role=tabpanel]:not([hidden]) pre').first().textContent();
    expect(command).toBe(
      `claude mcp add --scope user --transport http gatehouse ${endpoint} --header "Authorization: Bearer ${token}"`,
    );
    await page.context().close();
  });

  it('copies, and says that it did', async () => {
    const page = await issue('Cursor');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy the key' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(token);
    await page.context().close();
  });

  it('shows the key once: it is gone from the page afterwards', async () => {
    const page = await issue('Cursor');
    expect(await page.content()).toContain(token);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('link', { name: 'Add an app' }).waitFor();
    expect(await page.content()).not.toContain(token);
    await page.context().close();
  });

  it('sees the app connect and make its first call', async () => {
    const page = await issue('My helper');
    await page.getByText('Waiting for My helper to knock').waitFor();
    await page.evaluate(() => window.fake?.updateApp('n3', { sessions: 1 }));
    await page.clock.runFor(500);
    await page.getByText('My helper is connected.').waitFor();
    await page.evaluate(() => window.fake?.updateApp('n3', { callsToday: 1 }));
    await page.clock.runFor(500);
    await page.getByText('First call seen. My helper works.').waitFor();
    await page.context().close();
  });

  it('says why a name was not taken', async () => {
    const { page } = await stage.open({ hash: '#/apps/add', clockAt: now });
    await page.getByLabel('Name', { exact: true }).fill('<b>');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'Choose another' }).waitFor();
    await page.context().close();
  });
});

describe('when a set of tools has search', () => {
  it('says for each app how much that keeps out of a conversation, and how it was counted', async () => {
    const { page } = await stage.open({ hash: '#/apps', clockAt: now, fake: { saved: sampleSaved } });
    const row = (name: string) => page.getByRole('listitem').filter({ has: page.getByRole('heading', { name }) });
    await page.getByText('Search keeps about').first().waitFor();
    expect(await row('Claude Code').locator('.app-saved li').allTextContents()).toEqual([
      'Search keeps about 41,000 tokens out of each conversation in Engineering. 412 tools would take 41,732; the two that stand for them take 378.',
    ]);
    expect(await row('Cursor').locator('.app-saved li').allTextContents()).toEqual([
      'Search keeps about 40,000 tokens out of each conversation in Engineering. 398 tools would take 40,115; the two that stand for them take 378.',
      'Search saves nothing in Notes: its tools are too few. 2 tools would take 211; the two that stand for them take 378.',
    ]);
    expect(await row('VS Code').locator('.app-saved').count()).toBe(0);
    await page.getByText('OpenAI’s o200k tokenizer').waitFor();
    await page.getByText('For other models they are an estimate.').waitFor();
    await page.context().close();
  });

  it('tells the three that save most, and how many more there are', async () => {
    const saved = Array.from({ length: 5 }, (_, at) => ({
      app: 'a1',
      profile: `p${at}`,
      title: `Set ${at}`,
      tools: 100,
      listTokens: 10_000 * (at + 1),
      searchTokens: 400,
    }));
    const { page } = await stage.open({ hash: '#/apps', clockAt: now, fake: { saved } });
    await page.getByText('2 more sets of tools have search.').waitFor();
    const lines = await page.locator('.app-saved li').allTextContents();
    expect(lines.map((line) => /in (Set \d)/.exec(line)?.[1])).toEqual(['Set 4', 'Set 3', 'Set 2', undefined]);
    await page.context().close();
  });

  it('says nothing of it where nobody has search, and that it is unknown where counting failed', async () => {
    const { page } = await stage.open({ hash: '#/apps', clockAt: now });
    await page.getByText('gth_4f9a').waitFor();
    expect(await page.getByText('tokenizer').count()).toBe(0);
    await page.context().close();
    const failing = await stage.open({ hash: '#/apps', clockAt: now, fake: { failing: { tokensSaved: 'no memory' } } });
    await failing.page.getByText('What search saves could not be counted.').waitFor();
    await failing.page.context().close();
  });
});

describe('when an app is revoked', () => {
  it('is gone at once, and back with Undo', async () => {
    const { page } = await stage.open({ hash: '#/apps', clockAt: now });
    await page.getByRole('button', { name: 'Revoke the key of Cursor' }).click();
    await page.getByText('Cursor can no longer use your tools.').waitFor();
    await page.clock.runFor(500);
    expect(await page.getByRole('heading', { name: 'Cursor' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.clock.runFor(500);
    await page.getByRole('heading', { name: 'Cursor' }).waitFor();
    await page.context().close();
  });
});

describe('when a tool set is switched off', () => {
  it('tells main and says so', async () => {
    const { page } = await stage.open({ hash: '#/tools', clockAt: now });
    const toggle = page.getByRole('switch', { name: 'Offer Files to my apps' });
    await toggle.focus();
    await page.keyboard.press('Space');
    await page.clock.runFor(500);
    expect(await toggle.getAttribute('aria-checked')).toBe('false');
    const asked = await page.evaluate(() => window.fake?.asked.filter(({ name }) => name === 'setToolSetEnabled'));
    expect(asked).toEqual([{ name: 'setToolSetEnabled', args: { alias: 'files', enabled: false } }]);
    await page.context().close();
  });
});

describe('when this computer has no organisation', () => {
  it('shows whose enrolment it is before joining, then leads on to tools and the first app', async () => {
    const { page } = await stage.open({ hash: '#/home', clockAt: now, fake: { state: 'not-enrolled' } });
    await page.getByRole('heading', { name: 'Welcome to Gatehouse' }).waitFor();
    await page.setInputFiles('input[type=file]', {
      name: 'org.json',
      mimeType: 'application/json',
      buffer: Buffer.from('{"name":"Acme"}'),
    });
    await page.getByRole('heading', { name: 'Is Acme your organisation?' }).waitFor();
    expect(await page.evaluate(() => window.fake?.asked.some(({ name }) => name === 'enrol'))).toBe(false);
    await page.getByRole('button', { name: 'Join Acme' }).click();
    await page.clock.runFor(500);
    await page.getByRole('heading', { name: 'You are with Acme' }).waitFor();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('heading', { name: 'Connect your first app' }).waitFor();
    await page.context().close();
  });

  it('says what is wrong with a file that is no enrolment', async () => {
    const { page } = await stage.open({ hash: '#/welcome', clockAt: now, fake: { state: 'not-enrolled' } });
    await page.getByLabel('or paste a link or path').fill('nonsense');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'That is not an enrolment' }).waitFor();
    await page.context().close();
  });

  it('makes the demo organisation', async () => {
    const { page } = await stage.open({ hash: '#/welcome', clockAt: now, fake: { state: 'not-enrolled' } });
    await page.getByRole('button', { name: 'Try the demo organisation' }).click();
    await page.clock.runFor(500);
    await page.getByRole('heading', { name: 'You are with Demo' }).waitFor();
    await page.context().close();
  });
});

type TomlValue = string | { [key: string]: TomlValue };

/** The part of TOML 1.0 the text needs: tables with dotted names, basic strings, inline tables of them. Anything else throws. */
function readToml(text: string): TomlValue {
  const whole: { [key: string]: TomlValue } = {};
  let table = whole;
  for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
    const header = /^\[([\w.-]+)\]$/u.exec(line)?.[1];
    if (header !== undefined) {
      table = whole;
      for (const name of header.split('.')) {
        const inner: { [key: string]: TomlValue } = {};
        if (name in table) throw new Error(`TOML: expected [${header}] once, found it twice.`);
        table[name] = inner;
        table = inner;
      }
      continue;
    }
    const pair = readTomlPair(line);
    if (pair.rest !== '' || pair.key in table) throw new Error(`TOML: expected one new pair, found ${line}`);
    table[pair.key] = pair.value;
  }
  return whole;
}

function readTomlPair(text: string): { key: string; value: TomlValue; rest: string } {
  const [start, key] = /^([\w-]+) = /u.exec(text) ?? [];
  if (start === undefined || key === undefined) throw new Error(`TOML: expected key = value, found ${text}`);
  const after = text.slice(start.length);
  // A TOML basic string's escapes are JSON's but for "\/", which is refused here.
  const quoted = /^"(?:[^"\\\p{Cc}]|\\(?:[bfnrt"\\]|u[0-9A-Fa-f]{4}))*"/u.exec(after)?.[0];
  if (quoted !== undefined) return { key, value: JSON.parse(quoted) as string, rest: after.slice(quoted.length) };
  if (!after.startsWith('{ ')) throw new Error(`TOML: expected a string or an inline table, found ${after}`);
  const value: { [key: string]: TomlValue } = {};
  let rest = after.slice(2);
  for (let pairs = 0; pairs < 20; pairs += 1) {
    const pair = readTomlPair(rest);
    value[pair.key] = pair.value;
    rest = pair.rest;
    if (rest.startsWith(' }')) return { key, value, rest: rest.slice(2) };
    if (!rest.startsWith(', ')) break;
    rest = rest.slice(2);
  }
  throw new Error(`TOML: expected the end of an inline table, found ${rest}`);
}
