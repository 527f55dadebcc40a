import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLaptop, launch, missing, type Running, root, startProgram, takePicture, until } from './gatehouse.ts';

/** What a hostile page would try, run inside the page. */
const inPage = {
  call: (name: string) =>
    `window.gatehouse.call(${JSON.stringify(name)}, {}).then(() => 'answered', (error) => error.message)`,
};

describe.skipIf(missing !== undefined)('when Gatehouse is started', () => {
  const laptop = createLaptop();
  const trouble: string[] = [];
  let app: Running;
  let page: Page;

  beforeAll(async () => {
    app = await launch(laptop);
    page = await app.mainPage();
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') trouble.push(message.text());
    });
    page.on('pageerror', (error) => trouble.push(error.message));
    await page.waitForSelector('#root *');
  });
  afterAll(async () => {
    await app?.stop();
    laptop.remove();
  });

  it('shows its window, from its own origin, with nothing to complain of', async () => {
    await page.reload();
    await page.waitForSelector('#root *');
    expect(await page.title()).toContain('Gatehouse');
    expect(await page.evaluate(() => location.origin)).toBe('app://gatehouse');
    await takePicture(page, 'first-start');
    expect(trouble).toEqual([]);
  });

  it('gives the page no Node, no Electron, and a bridge of two functions', async () => {
    const seen = await page.evaluate(() => ({
      globals: ['require', 'process', 'module', 'Buffer', 'electron'].filter((name) => name in globalThis),
      bridge: Object.keys((globalThis as unknown as { gatehouse: object }).gatehouse).sort(),
    }));
    expect(seen).toEqual({ globals: [], bridge: ['call', 'on'] });
    const preferences = await app.electron.evaluate(({ BrowserWindow }) => {
      const [window] = BrowserWindow.getAllWindows();
      const contents = window?.webContents as unknown as { getLastWebPreferences(): Record<string, unknown> };
      const { sandbox, contextIsolation, nodeIntegration, webSecurity, webviewTag } = contents.getLastWebPreferences();
      return { sandbox, contextIsolation, nodeIntegration, webSecurity, webviewTag };
    });
    expect(preferences).toEqual({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
    });
  });

  it('answers what the window may ask, and refuses an answer to a question from it', async () => {
    expect(await page.evaluate(inPage.call('status'))).toBe('answered');
    expect(await page.evaluate(inPage.call('answer'))).toBe('This window may not ask for “answer”.');
    expect(await page.evaluate(inPage.call('constructor'))).toContain('no call named');
    expect(await page.evaluate(inPage.call('activity;drop'))).toContain('no call named');
  });

  it('navigates nowhere, opens nothing and reaches no network', async () => {
    const listener = createServer((socket) => socket.destroy());
    let reached = 0;
    listener.on('connection', () => {
      reached += 1;
    });
    await new Promise<void>((ready) => listener.listen(0, '127.0.0.1', ready));
    const address = listener.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const target = `http://127.0.0.1:${port}/`;
    const before = page.url();

    const tried = await page.evaluate(async (url) => {
      const opened = window.open(url) === null;
      const fetched = await fetch(url).then(
        () => 'reached',
        () => 'refused',
      );
      for (const tag of ['img', 'iframe', 'script', 'link']) {
        const element = document.createElement(tag);
        try {
          Object.assign(element, { src: url, href: url, rel: 'stylesheet' });
          document.body.append(element);
        } catch {
          // Trusted Types refuse a script's address outright.
        }
      }
      location.href = url;
      return { opened, fetched };
    }, target);
    expect(tried).toEqual({ opened: true, fetched: 'refused' });
    await page.evaluate(() => {
      location.href = 'file:///etc/passwd';
    });
    // Answers come in order: after this one, the navigations above have been refused.
    expect(await page.evaluate(inPage.call('status'))).toBe('answered');
    expect(page.url()).toBe(before);
    expect(app.electron.windows()).toHaveLength(1);
    expect(reached).toBe(0);
    listener.close();
  });

  it('refuses calls of a page that is not its own, with the same bridge in hand', async () => {
    const preload = join(root, 'out/preload/index.cjs');
    const answers = await app.electron.evaluate(
      async ({ BrowserWindow, session }, { preload, ask }) => {
        const heard: string[] = [];
        for (const [url, partition] of [
          ['data:text/html,<p>foreign', 'other'],
          ['app://gatehouse/index.html', 'gatehouse'],
        ] as const) {
          const window = new BrowserWindow({
            show: false,
            webPreferences: { preload, sandbox: true, session: session.fromPartition(partition) },
          });
          await window.loadURL(url);
          heard.push(await window.webContents.executeJavaScript(ask));
          window.destroy();
        }
        return heard;
      },
      { preload, ask: inPage.call('status') },
    );
    expect(answers).toEqual(Array(2).fill('This window may not ask for “status”.'));
    await until(
      'the log tells',
      app.stderr,
      (text) => text.includes('foreign-frame') && text.includes('unknown-window'),
    );
  });

  it('lets a page put text on the clipboard, and nothing else', async () => {
    const tried = await page.evaluate(async () => {
      const outcome = (asked: Promise<unknown>) =>
        asked.then(
          () => 'granted',
          () => 'refused',
        );
      return {
        read: await outcome(navigator.clipboard.readText()),
        place: await outcome(new Promise((done, failed) => navigator.geolocation.getCurrentPosition(done, failed))),
        camera: await outcome(navigator.mediaDevices.getUserMedia({ video: true })),
        notify: await Notification.requestPermission(),
      };
    });
    expect(tried).toEqual({ read: 'refused', place: 'refused', camera: 'refused', notify: 'denied' });
    // Without a window manager a click is what gives the page the keyboard.
    await page.mouse.click(2, 2);
    const written = await page.evaluate(() =>
      navigator.clipboard.writeText('copied by a person').then(
        () => 'granted',
        (error: Error) => error.message,
      ),
    );
    expect(written).toBe('granted');
  });

  it('serves no file outside its pages', async () => {
    const statuses = await app.electron.evaluate(async ({ session }) => {
      const ours = session.fromPartition('gatehouse');
      const ask = async (path: string) => (await ours.fetch(`app://gatehouse/${path}`)).status;
      return Promise.all(['index.html', '..%2fmain%2findex.js', '%2e%2e/main/index.js', 'missing.js'].map(ask));
    });
    expect(statuses).toEqual([200, 404, 404, 404]);
  });

  it('hides when closed and comes back when started again, which starts no second one', async () => {
    const isVisible = () =>
      app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().some((window) => window.isVisible()));
    await app.electron.evaluate(({ BrowserWindow }) => {
      for (const window of BrowserWindow.getAllWindows()) window.close();
    });
    await until('hidden', isVisible, (visible) => !visible);
    const second = await startProgram(laptop, '--data', laptop.data);
    expect(await second.exited).toBe(0);
    await until('shown again', isVisible, Boolean);
    expect(app.electron.windows()).toHaveLength(1);
  });

  it('opens the welcome page for a link, and asks before it trusts', async () => {
    const link = 'gatehouse://enrol?source=https%3A%2F%2Facme.invalid%2Forg.json';
    const second = await startProgram(laptop, link);
    expect(await second.exited).toBe(0);
    await until(
      'the page',
      () => page.url(),
      (url) => url.includes('#/welcome'),
    );
  });
});

describe.skipIf(missing !== undefined)('when Gatehouse cannot start', () => {
  it('says in one line that the port is taken, and ends with 1', async () => {
    const laptop = createLaptop();
    const taken = createServer();
    await new Promise<void>((ready) => taken.listen(0, '127.0.0.1', ready));
    const address = taken.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const program = await startProgram(laptop, '--data', laptop.data, '--port', String(port));
    const said = await until('the message', program.stderr, (text) => text.includes('gatehouse: cannot start'));
    expect(said.split('\n').filter((line) => line.startsWith('gatehouse:'))).toEqual([
      expect.stringMatching(new RegExp(`^gatehouse: cannot start \\(port-in-use\\): .*${port}`)),
    ]);
    program.child.kill('SIGTERM');
    expect(await program.exited).toBe(1);
    taken.close();
    laptop.remove();
  });

  it('says what is wrong with a broken settings file instead of emptying it', async () => {
    const laptop = createLaptop();
    mkdirSync(laptop.data, { recursive: true });
    const file = join(laptop.data, 'preferences.json');
    writeFileSync(file, '{ half');
    const program = await startProgram(laptop, '--data', laptop.data, '--port', '0');
    const said = await until('the message', program.stderr, (text) => text.includes('gatehouse: cannot start'));
    expect(said).toContain(`The settings in ${file} cannot be used`);
    program.child.kill('SIGTERM');
    expect(await program.exited).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe('{ half');
    laptop.remove();
  });

  it('names every wrong option and ends with 2', async () => {
    const laptop = createLaptop();
    const program = await startProgram(laptop, '--port', 'eighty', '--org');
    expect(await program.exited).toBe(2);
    expect(program.stderr()).toContain('--org needs a value');
    expect(program.stderr()).toContain('--port: expected a number from 0 to 65535, found "eighty"');
    laptop.remove();
  });
});
