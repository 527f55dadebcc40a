import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import type { Page } from 'playwright';
import { root } from './gatehouse.ts';

/** Runs gatehouse-admin as IT would; a refusal is an error with its words. */
export async function admin(...args: string[]): Promise<string> {
  const env = { ...process.env, GATEHOUSE_PASSPHRASE: 'a passphrase for tests' };
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'out/main/admin.js'), ...args], {
    env,
    maxBuffer: 16_000_000,
  });
  return stdout;
}

/** An organisation with one tool set: `echo` reads, so it is allowed; `write` destroys, so the person is asked. */
export async function createOrganisation(): Promise<{ orgJson: string; remove(): void }> {
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-org-'));
  const org = join(home, 'acme');
  const server = [process.execPath, join(root, 'test/fixtures/servers/echo-stdio.ts')];
  await admin('init', org, '--name', 'Acme', '--contact', 'it@acme.example');
  await admin(
    'server',
    'add',
    org,
    '--stdio',
    server.map((word) => `'${word}'`).join(' '),
    '--alias',
    'echo',
    '--title',
    'Echo',
  );
  await admin('pin', org);
  await admin('publish', org);
  return { orgJson: join(org, 'org.json'), remove: () => rmSync(home, { recursive: true, force: true }) };
}

/** What an AI app got to hear: the text, and whether it was a refusal. */
export interface Heard {
  readonly refused: boolean;
  readonly text: string;
}

export interface AiApp {
  call(tool: string, args: Record<string, unknown>): Promise<Heard>;
  close(): Promise<void>;
}

/** A person gives an AI app its token in the window, and the app connects. */
export async function connectApp(page: Page, name: string): Promise<AiApp> {
  const issued = await page.evaluate((app) => {
    const { gatehouse } = globalThis as unknown as {
      gatehouse: { call(name: string, args: object): Promise<{ token: string; endpoint: string }> };
    };
    return gatehouse.call('issueApp', { name: app });
  }, name);
  const client = new Client({ name, version: '1.0.0' });
  const headers = { authorization: `Bearer ${issued.token}` };
  const transport = new StreamableHTTPClientTransport(new URL(issued.endpoint), { requestInit: { headers } });
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  return {
    async call(tool, args) {
      // The typed helper refuses content of kinds it does not know; the fixture sends some on purpose.
      const request = { method: 'tools/call', params: { name: tool, arguments: args } };
      const result = await client.request(request, ResultSchema, { timeout: 100_000 });
      const content = result.content as readonly { readonly text?: string }[];
      return { refused: result.isError === true, text: content.map(({ text }) => text ?? '').join('\n') };
    },
    close: () => client.close(),
  };
}
