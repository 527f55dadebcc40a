import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import {
  Client as CurrentClient,
  StreamableHTTPClientTransport as CurrentTransport,
} from '@modelcontextprotocol/client';
import { Client as PreviousClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as PreviousTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type House, openHouse } from '../../scripts/conformance/house.ts';
import { type Running, startScript } from '../../scripts/processes.ts';

/** Clients other people made, each as they are published, on a headless Gatehouse in front of a server that has everything. */

const INSPECTOR = '@modelcontextprotocol/inspector@2.12.0';
const MCP_REMOTE = 'mcp-remote@0.15.1';

const root = resolve(import.meta.dirname, '../..');
const home = mkdtempSync(join(tmpdir(), 'gatehouse-known-clients-'));
const run = promisify(execFile);
/** npx keeps what it fetched, and nothing a client stores about itself stays on this computer. */
const env = {
  ...process.env,
  HOME: home,
  npm_config_cache: join(root, 'node_modules/.cache/known-clients'),
  npm_config_prefer_offline: 'true',
  npm_config_update_notifier: 'false',
};
const npx = (...words: readonly string[]) => run('npx', ['-y', ...words], { env, timeout: 240_000, cwd: home });

/** Fetched before the first test; a computer without a way to the registry skips these two clients and says so. */
async function whyNot(name: string): Promise<string | undefined> {
  try {
    await npx(name, '--help');
    return undefined;
  } catch (error) {
    const reason = `${name} could not be fetched: ${String(error).split('\n')[0]}`;
    process.stderr.write(`${reason}\n`);
    return reason;
  }
}
const noInspector = await whyNot(INSPECTOR);
const noRemote = await whyNot(MCP_REMOTE);

let fixture: Running<{ readonly url: string }>;
let house: House;
let endpoint: string;

beforeAll(async () => {
  fixture = await startScript<{ url: string }>(join(root, 'test/fixtures/conformance/everything-server.ts'));
  house = await openHouse({ fixture: fixture.ready.url });
  endpoint = house.endpointOf('fixture');
}, 60_000);
afterAll(async () => {
  await house?.close();
  await fixture?.stop();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});

const headers = () => ({ authorization: `Bearer ${house.token}` });

/** What the two majors of the SDK have in common, as far as these tests go. */
interface App {
  listTools(): Promise<{ tools: readonly { name: string; inputSchema: unknown }[] }>;
  callTool(params: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>;
  listResources(): Promise<{ resources: readonly { uri: string }[] }>;
  listResourceTemplates(): Promise<{ resourceTemplates: readonly { uriTemplate: string }[] }>;
  readResource(params: { uri: string }): Promise<unknown>;
  listPrompts(): Promise<{ prompts: readonly { name: string }[] }>;
  getPrompt(params: { name: string; arguments?: Record<string, string> }): Promise<unknown>;
  complete(params: {
    ref: { type: 'ref/prompt'; name: string };
    argument: { name: string; value: string };
  }): Promise<unknown>;
  close(): Promise<void>;
}

const asApp = (client: PreviousClient | CurrentClient) => client as App;

async function previousMajor(transport: PreviousTransport | StdioClientTransport): Promise<App> {
  const client = new PreviousClient({ name: 'previous', version: '1' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, () => ({
    action: 'accept',
    content: { response: 'Ada', name: 'Ada' },
  }));
  // The previous major's types are not exact about optional properties.
  await client.connect(transport as Parameters<PreviousClient['connect']>[0]);
  return asApp(client);
}

async function currentMajor(era: 'legacy' | 'modern', address = endpoint): Promise<App> {
  const client = new CurrentClient(
    { name: 'current', version: '1' },
    {
      capabilities: { elicitation: { form: {} } },
      ...(era === 'modern' && { versionNegotiation: { mode: 'auto' as const } }),
    },
  );
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept' as const,
    content: { response: 'Ada', name: 'Ada' },
  }));
  await client.connect(new CurrentTransport(new URL(address), { requestInit: { headers: headers() } }));
  expect(client.getNegotiatedProtocolVersion()).toBe(era === 'modern' ? '2026-07-28' : '2025-11-25');
  return asApp(client);
}

/** mcp-remote between an app that speaks stdio only and Gatehouse. */
async function throughRemote(protocol: 'legacy' | 'auto'): Promise<App> {
  const file = join(home, 'headers.txt');
  writeFileSync(file, `Authorization: ${headers().authorization}\n`, { mode: 0o600 });
  const words = ['-y', MCP_REMOTE, endpoint, '--header-file', file, '--transport', 'http-only'];
  const args = [...words, '--protocol', protocol, '--silent'];
  const wanted = Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value ? [[name, value]] : [])));
  return previousMajor(new StdioClientTransport({ command: 'npx', args, env: wanted, stderr: 'ignore', cwd: home }));
}

const clients: readonly (readonly [string, () => Promise<App>, string | undefined])[] = [
  [
    'the SDK’s previous major',
    () => previousMajor(new PreviousTransport(new URL(endpoint), { requestInit: { headers: headers() } })),
    undefined,
  ],
  ['the SDK’s current major with a session', () => currentMajor('legacy'), undefined],
  ['the SDK’s current major without a session (2026-07-28)', () => currentMajor('modern'), undefined],
  [`${MCP_REMOTE}, passing a session on`, () => throughRemote('legacy'), noRemote],
  [`${MCP_REMOTE}, speaking 2026-07-28 for an app that does not`, () => throughRemote('auto'), noRemote],
];

describe.each(clients)('when the client is %s', (_name, connect, missing) => {
  let app: App;
  beforeAll(async () => {
    if (missing === undefined) app = await connect();
  }, 90_000);
  afterAll(async () => {
    await app?.close();
  });

  it.skipIf(missing)('lists the tools with their schemas untouched, and calls one', async () => {
    const { tools } = await app.listTools();
    expect(tools.length).toBeGreaterThan(30);
    const strict = tools.find(({ name }) => name === 'json_schema_2020_12_tool');
    expect(strict?.inputSchema).toMatchObject({ $defs: { address: { $anchor: 'addressDef' } }, else: {} });
    const result = await app.callTool({ name: 'test_multiple_content_types', arguments: {} });
    expect(result).toMatchObject({ content: [{ type: 'text' }, { type: 'image' }, { type: 'resource' }] });
  });

  it.skipIf(missing)('lists resources and templates, and reads text, bytes and a template', async () => {
    const { resources } = await app.listResources();
    expect(resources.map(({ uri }) => uri)).toContain('test://static-text');
    const { resourceTemplates } = await app.listResourceTemplates();
    expect(resourceTemplates).toMatchObject([{ uriTemplate: 'test://template/{id}/data' }]);
    expect(await app.readResource({ uri: 'test://static-text' })).toMatchObject({
      contents: [{ text: 'This is the content of the static text resource.' }],
    });
    expect(await app.readResource({ uri: 'test://static-binary' })).toMatchObject({
      contents: [{ mimeType: 'image/png', blob: expect.stringMatching(/^iVBOR/) }],
    });
    expect(await app.readResource({ uri: 'test://template/123/data' })).toMatchObject({
      contents: [{ text: expect.stringContaining('"id":"123"') }],
    });
  });

  it.skipIf(missing)('lists prompts, gets one with arguments, and has an argument completed', async () => {
    const { prompts } = await app.listPrompts();
    expect(prompts.map(({ name }) => name)).toContain('test_prompt_with_arguments');
    const prompt = { name: 'test_prompt_with_arguments', arguments: { arg1: 'paris', arg2: 'park' } };
    expect(await app.getPrompt(prompt)).toMatchObject({
      messages: [{ role: 'user', content: { text: "Prompt with arguments: arg1='paris', arg2='park'" } }],
    });
    const ref = { type: 'ref/prompt' as const, name: 'test_prompt_with_arguments' };
    expect(await app.complete({ ref, argument: { name: 'arg1', value: 'par' } })).toMatchObject({
      completion: { values: ['paris', 'park', 'party'] },
    });
  });

  it.skipIf(missing)('is asked for the person by a tool and has the answer carried back', async () => {
    // Asks by input_required in 2026-07-28, and by a request of its own in a session.
    expect(await app.callTool({ name: 'test_input_required_result_elicitation', arguments: {} })).toMatchObject({
      content: [{ text: 'Hello, Ada!' }],
    });
  });
});

describe('when the client has a session', () => {
  it('is asked in the middle of a call, on that call’s own stream', async () => {
    const app = await previousMajor(new PreviousTransport(new URL(endpoint), { requestInit: { headers: headers() } }));
    const asked = await app.callTool({ name: 'test_elicitation', arguments: { message: 'Who are you?' } });
    expect(asked).toMatchObject({
      content: [{ text: 'User response: action=accept, content={"response":"Ada","name":"Ada"}' }],
    });
    await app.close();
  });
});

describe.each([
  ['with a session', 'legacy'],
  ['without', 'modern'],
] as const)('when the endpoint merges servers and the client is one %s', (_name, era) => {
  it('can use what it was shown, by the names and addresses it was shown', async () => {
    const app = await currentMajor(era, house.merged);
    const { tools } = await app.listTools();
    const greet = tools.find(({ name }) => name.endsWith('greet'))?.name ?? '';
    expect(greet).not.toBe('greet');
    expect(await app.callTool({ name: greet, arguments: { name: 'Ada' } })).toMatchObject({
      content: [{ text: 'Hello, Ada!' }],
    });
    const { prompts } = await app.listPrompts();
    const simple = prompts.find(({ name }) => name.endsWith('test_simple_prompt'))?.name ?? '';
    expect(await app.getPrompt({ name: simple })).toMatchObject({
      messages: [{ content: { text: 'This is a simple prompt for testing.' } }],
    });
    const { resources } = await app.listResources();
    const uri = resources.find((resource) => resource.uri.includes('static-text'))?.uri ?? '';
    expect(await app.readResource({ uri })).toMatchObject({
      contents: [{ text: 'This is the content of the static text resource.' }],
    });
    await app.close();
  });
});

describe.skipIf(noInspector).each(['legacy', 'modern'] as const)(
  'when the client is the Inspector’s CLI, in the %s era',
  (era) => {
    async function inspect(...words: readonly string[]): Promise<unknown> {
      const server = ['--server-url', endpoint, '--transport', 'http', '--protocol-era', era];
      const key = ['--header', `Authorization: ${headers().authorization}`];
      const { stdout } = await npx(INSPECTOR, '--cli', ...server, ...key, '--format', 'json', '-q', ...words);
      const answer: { readonly result?: unknown } = JSON.parse(stdout);
      return answer.result ?? answer;
    }

    it('lists the tools and calls one', async () => {
      expect(await inspect('--method', 'tools/list')).toMatchObject({
        tools: expect.arrayContaining([expect.objectContaining({ name: 'test_simple_text' })]),
      });
      expect(await inspect('--method', 'tools/call', '--tool-name', 'greet', '--tool-arg', 'name=Ada')).toMatchObject({
        content: [{ type: 'text', text: 'Hello, Ada!' }],
      });
    });

    it('lists the resources and templates and reads one', async () => {
      expect(await inspect('--method', 'resources/list')).toMatchObject({
        resources: expect.arrayContaining([expect.objectContaining({ uri: 'test://static-text' })]),
      });
      expect(await inspect('--method', 'resources/templates/list')).toMatchObject({
        resourceTemplates: [{ uriTemplate: 'test://template/{id}/data' }],
      });
      expect(await inspect('--method', 'resources/read', '--uri', 'test://static-text')).toMatchObject({
        contents: [{ text: 'This is the content of the static text resource.' }],
      });
    });

    it('lists the prompts and gets one', async () => {
      expect(await inspect('--method', 'prompts/list')).toMatchObject({
        prompts: expect.arrayContaining([expect.objectContaining({ name: 'test_simple_prompt' })]),
      });
      const words = ['--prompt-name', 'test_prompt_with_arguments', '--prompt-args', 'arg1=one', 'arg2=two'];
      expect(await inspect('--method', 'prompts/get', ...words)).toMatchObject({
        messages: [{ content: { text: "Prompt with arguments: arg1='one', arg2='two'" } }],
      });
    });

    it('declares no elicitation, for it has no way to answer one: a tool that needs it ends in words and not in silence', async () => {
      const asked = inspect('--method', 'tools/call', '--tool-name', 'test_input_required_result_elicitation');
      const said = await asked.then(JSON.stringify, (error: { stdout?: string; stderr?: string }) =>
        [error.stdout, error.stderr].join(''),
      );
      expect(said).toMatch(/elicitation/);
    });
  },
);
