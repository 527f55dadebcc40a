import { join } from 'node:path';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type House, openHouse } from '../../scripts/conformance/house.ts';
import { type Running, startScript } from '../../scripts/processes.ts';
import { root, until } from '../fixtures/headless-process.ts';
import { bareApp, legacyStdioApp, modernStdioApp } from './support/stdio-apps.ts';

/** A server that has everything, behind a headless Gatehouse, for apps that speak stdio only. */

let fixture: Running<{ readonly url: string }>;
let house: House;
beforeAll(async () => {
  fixture = await startScript<{ url: string }>(join(root, 'test/fixtures/conformance/everything-server.ts'));
  house = await openHouse({ fixture: fixture.ready.url });
}, 60_000);
afterAll(async () => {
  await house?.close();
  await fixture?.stop();
});

interface App {
  listTools(): Promise<{ tools: readonly { name: string }[] }>;
  callTool(params: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>;
  listResources(): Promise<{ resources: readonly { uri: string }[] }>;
  listResourceTemplates(): Promise<unknown>;
  readResource(params: { uri: string }): Promise<unknown>;
  subscribeResource(params: { uri: string }): Promise<unknown>;
  listPrompts(): Promise<unknown>;
  getPrompt(params: { name: string; arguments?: Record<string, string> }): Promise<unknown>;
  complete(params: object): Promise<unknown>;
  setLoggingLevel(level: string): Promise<unknown>;
  close(): Promise<void>;
}

const person = { action: 'accept' as const, content: { response: 'Ada', name: 'Ada' } };
const model = {
  model: 'm',
  role: 'assistant' as const,
  content: { type: 'text' as const, text: 'Hello from a model' },
};
const roots = { roots: [{ uri: 'file:///project' }] };
const capabilities = { elicitation: { form: {} }, sampling: {}, roots: { listChanged: true } };
const bridge = () => ({ args: ['--endpoint', house.endpointOf('fixture')], token: house.token });

async function withSession() {
  const heard: string[] = [];
  const app = await legacyStdioApp(
    bridge(),
    (client) => {
      client.setRequestHandler(ElicitRequestSchema, () => person);
      client.setRequestHandler(CreateMessageRequestSchema, () => model);
      client.setRequestHandler(ListRootsRequestSchema, () => roots);
      const hear = (what: string) => () => void heard.push(what);
      client.setNotificationHandler(ToolListChangedNotificationSchema, hear('tools'));
      client.setNotificationHandler(PromptListChangedNotificationSchema, hear('prompts'));
      client.setNotificationHandler(ResourceListChangedNotificationSchema, hear('resources'));
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri));
      client.setNotificationHandler(
        LoggingMessageNotificationSchema,
        ({ params }) => void heard.push(String(params.data)),
      );
    },
    { capabilities },
  );
  const client = app.client as unknown as App;
  return { client, heard, listen: (uri: string) => client.subscribeResource({ uri }) };
}

async function withoutSession() {
  const heard: string[] = [];
  const app = await modernStdioApp(
    bridge(),
    (client) => {
      client.setRequestHandler('elicitation/create', () => person);
      client.setRequestHandler('sampling/createMessage', () => model);
      client.setRequestHandler('roots/list', () => roots);
      client.setNotificationHandler('notifications/tools/list_changed', () => void heard.push('tools'));
      client.setNotificationHandler('notifications/prompts/list_changed', () => void heard.push('prompts'));
      client.setNotificationHandler('notifications/resources/list_changed', () => void heard.push('resources'));
      client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri));
    },
    { capabilities },
  );
  const { client } = app;
  expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
  const filter = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
  const listen = (uri: string) => client.listen({ ...filter, resourceSubscriptions: [uri] });
  return { client: client as unknown as App, heard, listen };
}

describe.each([
  ['with a session, by the previous major of the SDK', withSession],
  ['without one, by the current SDK', withoutSession],
])('when an app speaks stdio %s', (_name, connect) => {
  let app: Awaited<ReturnType<typeof withSession>>;
  beforeAll(async () => {
    app = await connect();
  });
  afterAll(() => app?.client.close());

  it('uses tools, resources, templates, prompts and completion', async () => {
    const { client } = app;
    expect((await client.listTools()).tools.length).toBeGreaterThan(30);
    expect(await client.callTool({ name: 'test_multiple_content_types', arguments: {} })).toMatchObject({
      content: [{ type: 'text' }, { type: 'image' }, { type: 'resource' }],
    });
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toContain('test://static-text');
    expect(await client.listResourceTemplates()).toMatchObject({
      resourceTemplates: [{ uriTemplate: 'test://template/{id}/data' }],
    });
    expect(await client.readResource({ uri: 'test://template/123/data' })).toMatchObject({
      contents: [{ text: expect.stringContaining('"id":"123"') }],
    });
    expect(await client.readResource({ uri: 'test://static-binary' })).toMatchObject({
      contents: [{ mimeType: 'image/png', blob: expect.stringMatching(/^iVBOR/) }],
    });
    const prompt = { name: 'test_prompt_with_arguments', arguments: { arg1: 'a', arg2: 'ü' } };
    expect(await client.getPrompt(prompt)).toMatchObject({
      messages: [{ content: { text: "Prompt with arguments: arg1='a', arg2='ü'" } }],
    });
    const ref = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };
    expect(await client.complete({ ref, argument: { name: 'arg1', value: 'par' } })).toMatchObject({
      completion: { values: ['paris', 'park', 'party'] },
    });
  });

  it('is asked in the middle of a call, and its answers are carried back', async () => {
    const { client } = app;
    const asked = await client.callTool({ name: 'test_input_required_result_elicitation', arguments: {} });
    expect(asked).toMatchObject({ content: [{ text: 'Hello, Ada!' }] });
    const sampled = await client.callTool({ name: 'test_input_required_result_sampling', arguments: {} });
    expect(JSON.stringify(sampled)).toContain('Hello from a model');
    const listed = await client.callTool({ name: 'test_input_required_result_list_roots', arguments: {} });
    expect(JSON.stringify(listed)).toContain('file:///project');
  });

  it('hears of changes, and of what it watches', async () => {
    const { client, heard, listen } = app;
    await listen('test://watched-resource');
    for (const [name, what] of [
      ['test_trigger_tool_change', 'tools'],
      ['test_trigger_prompt_change', 'prompts'],
      ['test_trigger_resource_change', 'resources'],
      ['test_trigger_resource_update', 'test://watched-resource'],
    ] as const) {
      await client.callTool({ name, arguments: {} });
      await until(
        `the news of ${what}`,
        () => heard,
        (all) => all.includes(what),
      );
    }
  });

  it('sends an argument that HTTP wants in a header, which stdio has none of', async () => {
    const { client } = app;
    for (const region of ['eu', 'Zürich 1']) {
      const result = await client.callTool({ name: 'test_x_mcp_header', arguments: { region, level: 3 } });
      expect(result).toMatchObject({ content: [{ text: `region=${region}` }] });
    }
  });
});

describe('when the app has a session', () => {
  it('is asked on the call’s own stream, and logs reach it at the level it set', async () => {
    const { client, heard } = await withSession();
    const asked = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Who?' } });
    expect(JSON.stringify(asked)).toContain('Ada');
    const sampled = await client.callTool({ name: 'test_sampling', arguments: { prompt: 'Hi' } });
    expect(sampled).toMatchObject({ content: [{ text: 'LLM response: Hello from a model' }] });
    await client.setLoggingLevel('info');
    await client.callTool({ name: 'test_tool_with_logging', arguments: {} });
    // A list that changed may be told at any time.
    const logged = heard.filter((each) => each.startsWith('Tool '));
    expect(logged.slice(-3)).toEqual(['Tool execution started', 'Tool processing data', 'Tool execution completed']);
    await client.close();
  });
});

describe('when an app makes a call of 2026-07-28 without having listed tools', () => {
  it('the headers are found out, and the app sees nothing of it', async () => {
    const app = bareApp(bridge());
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const params = { name: 'test_x_mcp_header', arguments: { region: 'eu' }, _meta };
    app.send({ jsonrpc: '2.0', id: 'only', method: 'tools/call', params });
    expect((await app.answer('only')).result).toMatchObject({ content: [{ text: 'region=eu' }] });
    expect(app.messages()).toHaveLength(1);
    app.child.stdin?.end();
    expect((await app.ended).code).toBe(0);
  });
});
