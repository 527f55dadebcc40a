import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLaptop, launch, type Running, takePicture, until } from './gatehouse.ts';
import { createOrganisation } from './organisation.ts';
import { type MenuItem, noTray, startTrayDesktop, type TrayDesktop } from './tray-desktop.ts';

const labels = (menu: readonly MenuItem[]) => menu.filter(({ type }) => type !== 'separator').map(({ label }) => label);
const has = (menu: readonly MenuItem[], label: string) => menu.some((item) => item.label === label);

describe.skipIf(noTray !== undefined)('when a person uses the tray', () => {
  const laptop = createLaptop();
  let desktop: TrayDesktop;
  let organisation: Awaited<ReturnType<typeof createOrganisation>>;
  let app: Running;

  beforeAll(async () => {
    organisation = await createOrganisation();
    desktop = await startTrayDesktop();
    app = await launch(laptop, '--org', organisation.orgJson, '--hidden');
  });
  afterAll(async () => {
    await app?.stop();
    await desktop?.close();
    organisation?.remove();
    laptop.remove();
  });

  /** What the app itself says, asked through its window's bridge. */
  const state = (page: Page) =>
    page.evaluate(() => {
      const { gatehouse } = globalThis as unknown as {
        gatehouse: { call(name: string, args: object): Promise<{ state: string; pausedUntil?: number | null }> };
      };
      return gatehouse.call('status', {});
    });

  it('reads the organisation, its tools and everything that can be done', async () => {
    const { menu, tooltip, icon } = await desktop.item('the menu', (item) => item.menu.length > 5);
    expect(labels(menu)).toEqual([
      expect.stringMatching(/^Acme · policy 2 · checked (just now|1 min ago)$/),
      'Echo',
      'Waiting for you (0)',
      'Apps connected',
      'Pause all',
      'Open Gatehouse',
      'Activity',
      'Quit',
    ]);
    expect(tooltip).toContain('Gatehouse · Acme');
    expect(icon).toBe('32x32');
    expect(app.electron.windows()).toHaveLength(0);
  });

  it('opens the window, and Activity on its page', async () => {
    await desktop.click('Open Gatehouse');
    const page = await app.mainPage();
    await page.waitForSelector('#root *');
    await desktop.click('Activity');
    await until(
      'the page',
      () => page.url(),
      (url) => url.endsWith('#/activity'),
    );
    await takePicture(page, 'activity');
    expect(app.electron.windows()).toHaveLength(1);
  });

  it('pauses everything and resumes', async () => {
    const page = await app.mainPage();
    await desktop.click('Pause all', 'Until I resume');
    const paused = await desktop.item(
      'paused',
      ({ menu, tooltip }) => has(menu, 'Resume') && tooltip.includes('Paused'),
    );
    expect(has(paused.menu, 'Paused until you resume')).toBe(true);
    expect(await state(page)).toMatchObject({ state: 'paused', pausedUntil: null });
    await desktop.click('Resume');
    await desktop.item('resumed', ({ menu }) => has(menu, 'Pause all'));
    await desktop.click('Pause all', 'For 1 hour');
    await desktop.item('paused again', ({ menu }) => menu.some(({ label }) => /^Paused until .*\d/.test(label)));
    expect((await state(page)).pausedUntil).toBeGreaterThan(Date.now() + 50 * 60_000);
    await desktop.click('Resume');
    await desktop.item('resumed again', ({ menu }) => has(menu, 'Pause all'));
  });

  it('turns a tool set off and on', async () => {
    const { menu } = await desktop.item('the tool set', (item) => item.menu.some(({ type }) => type === 'checkbox'));
    const name = menu.find(({ type }) => type === 'checkbox')?.label ?? '';
    const checked = (is: boolean) => (item: { menu: readonly MenuItem[] }) =>
      item.menu.some(({ type, checked: now }) => type === 'checkbox' && now === is);
    await desktop.click(name);
    await desktop.item('off', checked(false));
    const off = (await desktop.item('off')).menu.find(({ type }) => type === 'checkbox')?.label ?? '';
    await desktop.click(off);
    await desktop.item('on', checked(true));
  });

  it('tells once, when the window is closed, that Gatehouse goes on', async () => {
    const close = () =>
      app.electron.evaluate(({ BrowserWindow }) => {
        for (const window of BrowserWindow.getAllWindows()) window.close();
      });
    await close();
    await desktop.notification('told', ({ title }) => title === 'Gatehouse keeps running');
    await desktop.click('Open Gatehouse');
    await close();
    await desktop.item('still there');
    expect(desktop.notifications().filter(({ title }) => title === 'Gatehouse keeps running')).toHaveLength(1);
  });

  it('quits', async () => {
    // It may be gone before it has answered the click.
    await desktop.click('Quit').catch((error: Error) => expect(error.message).toContain('disconnected'));
    expect(await app.exited).toBe(0);
  });
});
