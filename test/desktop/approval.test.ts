import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLaptop, launch, missing, type Running, takePicture, until } from './gatehouse.ts';
import { type AiApp, admin, connectApp, createOrganisation } from './organisation.ts';
import { noTray, startTrayDesktop, type TrayDesktop } from './tray-desktop.ts';

/** A value nobody would see by chance, with a character nobody would see at all. */
const SECRET = 'to the bank\u200B of tomorrow';

describe.skipIf(missing !== undefined)('when an AI app wants what the policy asks about', () => {
  const laptop = createLaptop();
  let organisation: Awaited<ReturnType<typeof createOrganisation>>;
  let desktop: TrayDesktop | undefined;
  let app: Running;
  let ai: AiApp;

  beforeAll(async () => {
    organisation = await createOrganisation();
    if (noTray === undefined) desktop = await startTrayDesktop();
    app = await launch(laptop, '--org', organisation.orgJson);
    const page = await app.mainPage();
    await page.waitForSelector('#root *');
    ai = await connectApp(page, 'Cursor');
  });
  afterAll(async () => {
    await ai?.close();
    await app?.stop();
    await desktop?.close();
    organisation?.remove();
    laptop.remove();
  });

  const ask = (path: string) => ai.call('echo__write', { path, text: SECRET });
  const shown = async (): Promise<Page> => {
    const page = await app.approvalPage();
    await page.getByRole('alertdialog').waitFor();
    return page;
  };
  const gone = () =>
    until(
      'the approval window is gone',
      () => app.electron.windows(),
      (all) => all.every((page) => !page.url().includes('#/approval')),
    );
  /** A press counts once the question has been there for a moment. */
  const press = async (page: Page, name: RegExp) => {
    await page.locator('.approval-foot[data-waits="false"]').waitFor();
    await page.getByRole('button', { name }).click();
  };
  const approvalWindow = () =>
    app.electron.evaluate(({ BrowserWindow }) => {
      const window = BrowserWindow.getAllWindows().find((each) => each.webContents.getURL().includes('#/approval'));
      if (!window) return undefined;
      const { width } = window.getBounds();
      return { width, focused: window.isFocused(), onTop: window.isAlwaysOnTop(), title: window.getTitle() };
    });

  it('lets a reading call through without a question', async () => {
    expect(await ai.call('echo__echo', { message: 'hello' })).toMatchObject({ refused: false });
    expect(await approvalWindow()).toBeUndefined();
  });

  it('shows exactly what would be sent, above everything, without taking the keyboard; Deny refuses', async () => {
    const answer = ask('/tmp/never-1');
    const page = await shown();
    expect(await approvalWindow()).toEqual({ width: 480, focused: false, onTop: true, title: 'Gatehouse asks' });
    const text = await page.getByRole('alertdialog').textContent();
    expect(text).toContain('Cursor');
    expect(text).toContain('/tmp/never-1');
    expect(text).toContain('to the bank');
    expect(text).toContain('U+200B');
    await takePicture(page, 'approval');
    await press(page, /^Deny$/);
    expect((await answer).refused).toBe(true);
    await gone();
  });

  it('lets exactly one call through for “Allow once”', async () => {
    const first = ask('/tmp/never-2');
    await press(await shown(), /^Allow once$/);
    expect((await first).refused).toBe(false);
    await gone();
    const second = ask('/tmp/never-2');
    await press(await shown(), /^Deny$/);
    expect((await second).refused).toBe(true);
    await gone();
  });

  it('takes a closed window for a no', async () => {
    const answer = ask('/tmp/never-3');
    await shown();
    await app.electron.evaluate(({ BrowserWindow }) => {
      for (const window of BrowserWindow.getAllWindows()) {
        if (window.webContents.getURL().includes('#/approval')) window.close();
      }
    });
    expect((await answer).refused).toBe(true);
    await gone();
  });

  it('gives the approval window nothing but its questions', async () => {
    const answer = ask('/tmp/never-4');
    const page = await shown();
    const asked = await page.evaluate(async () => {
      const { gatehouse } = globalThis as unknown as {
        gatehouse: { call(name: string, args: object): Promise<unknown> };
      };
      const heard: string[] = [];
      for (const name of ['activity', 'issueApp', 'resume', 'enrol', 'leaveOrganisation']) {
        heard.push(
          await gatehouse.call(name, {}).then(
            () => 'answered',
            (error: Error) => error.message,
          ),
        );
      }
      return heard;
    });
    expect(asked.every((text) => text.startsWith('This window may not ask for'))).toBe(true);
    await press(page, /^Deny$/);
    expect((await answer).refused).toBe(true);
    await gone();
  });

  it.skipIf(noTray !== undefined)(
    'notifies with the sentence, never the arguments; a click brings the window',
    async () => {
      if (!desktop) throw new Error('no desktop');
      const before = desktop.notifications().length;
      const answer = ask('/tmp/never-5');
      const page = await shown();
      const [asked] = await until(
        'notified',
        () => desktop?.notifications().slice(before) ?? [],
        (fresh) => fresh.some(({ title }) => title === 'Your answer is needed'),
      );
      const { notification, body } = asked ?? { notification: 0, body: '' };
      expect(body).toMatch(/^Cursor wants to use “Write” in .+\. Nothing happens until you answer\.$/);
      expect(JSON.stringify(desktop.notifications())).not.toMatch(/never-5|bank/);
      await desktop.item('asking', ({ menu }) => menu.some(({ label }) => label === 'Waiting for you (1)'));
      await desktop.pressNotification(notification);
      await until(
        'focused',
        async () => (await approvalWindow())?.focused,
        (focused) => focused === true,
      );
      await press(page, /^Deny$/);
      expect((await answer).refused).toBe(true);
      await gone();
    },
  );

  it('refuses and records what is still asked when it quits', async () => {
    const answer = ask('/tmp/never-6');
    await shown();
    await app.electron.evaluate(({ app: electron }) => electron.quit()).catch(() => undefined);
    expect(await app.exited).toBe(0);
    expect(
      await answer.then(
        ({ refused }) => refused,
        () => true,
      ),
    ).toBe(true);

    const file = join(laptop.data, 'audit.db');
    expect(await admin('audit', 'verify', file)).not.toBe('');
    const approvals = readApprovals(file);
    expect(approvals).toEqual(['deny', 'allow-once', 'deny', 'closed', 'deny', ...(noTray ? [] : ['deny']), 'quit']);
  });
});

/** What the person answered, in order, from the record itself. */
function readApprovals(file: string): string[] {
  const db = new Database(file, { readonly: true });
  const bodies = db.prepare("SELECT body FROM rows WHERE kind = 'approval.answered' ORDER BY seq").pluck().all();
  db.close();
  return bodies.map((body) => (JSON.parse(String(body)) as { answer: string }).answer);
}
