import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright';
import { build, type InlineConfig } from 'vite';
import config from '../../electron.vite.config.ts';
import type { FakeOptions } from '../fixtures/fake-bridge.ts';

/** The window built from source as the app builds it, served from loopback, opened in a real browser. */

const root = join(import.meta.dirname, '../..');
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.woff2': 'font/woff2',
};

export interface OpenOptions {
  readonly hash?: string;
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
  /** 2 halves the CSS pixels, as a browser's zoom of 200 % does. */
  readonly zoom?: 1 | 2;
  readonly fake?: Partial<FakeOptions>;
  /** Without a preload's bridge the page is the console and speaks HTTP. */
  readonly withoutBridge?: boolean;
  /** Fixes the clock at this moment; it only moves when the test moves it. */
  readonly clockAt?: number;
  readonly reducedMotion?: boolean;
  /** An IANA name; London when not said. */
  readonly timeZone?: string;
}

export interface Opened {
  readonly page: Page;
  /** What the browser complained of: script errors and refused content. */
  readonly complaints: readonly string[];
}

export interface Stage {
  readonly browser: Browser;
  readonly url: string;
  open(options?: OpenOptions): Promise<Opened>;
  close(): Promise<void>;
}

/** `api` answers what is not a file, as the console's part of main does. */
export async function openStage(api?: (request: IncomingMessage, response: ServerResponse) => boolean): Promise<Stage> {
  const outDir = await mkdtemp(join(tmpdir(), 'gatehouse-renderer-'));
  const renderer = config.renderer as InlineConfig;
  // What is shipped is what is tested: under the test runner's own NODE_ENV, React's development half would be built.
  const environment = process.env.NODE_ENV;
  process.env.NODE_ENV = 'production';
  await build({ ...renderer, configFile: false, logLevel: 'warn', build: { ...renderer.build, outDir } });
  process.env.NODE_ENV = environment;
  const preload = await bundleFake();
  const server = createServer((request, response) => {
    if (!api?.(request, response)) void serve(outDir, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/console/`;
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const contexts: BrowserContext[] = [];

  return {
    browser,
    url,
    open: async (options = {}) => {
      const { hash = '#/home', theme = 'light', width = 1080, height = 720, zoom = 1, clockAt } = options;
      const context = await browser.newContext({
        viewport: { width: Math.round(width / zoom), height: Math.round(height / zoom) },
        deviceScaleFactor: zoom,
        colorScheme: theme,
        reducedMotion: options.reducedMotion === false ? 'no-preference' : 'reduce',
        locale: 'en-GB',
        timezoneId: options.timeZone ?? 'Europe/London',
      });
      contexts.push(context);
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      const complaints: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(String(error)));
      if (clockAt !== undefined) {
        await page.clock.install({ time: clockAt - 1_000 });
        await page.clock.pauseAt(clockAt);
      }
      if (!options.withoutBridge) {
        const fake: FakeOptions = { now: clockAt ?? Date.now(), ...options.fake };
        await page.addInitScript(`window.fakeOptions = ${JSON.stringify(fake)};\n${preload}`);
      }
      await page.goto(`${url}${hash}`);
      return { page, complaints };
    },
    close: async () => {
      await Promise.all(contexts.map((context) => context.close()));
      await browser.close();
      await closeServer(server);
      await rm(outDir, { recursive: true, force: true });
    },
  };
}

async function bundleFake(): Promise<string> {
  const result = await build({
    configFile: false,
    root,
    logLevel: 'warn',
    build: {
      write: false,
      lib: { entry: join(root, 'test/fixtures/fake-bridge-window.ts'), formats: ['iife'], name: 'fakeBridge' },
    },
  });
  const [first] = Array.isArray(result) ? result : [result];
  if (!first || !('output' in first)) throw new Error('fake-bridge-window.ts: expected one bundle, found none.');
  return first.output[0].code;
}

async function serve(outDir: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://x').pathname.replace(/^\/console\/?/u, '') || 'index.html';
  try {
    const body = await readFile(join(outDir, normalize(`/${path}`)));
    response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' }).end(body);
  } catch {
    // Only a missing file gets here: the page is told so like by any server.
    response.writeHead(404).end();
  }
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
