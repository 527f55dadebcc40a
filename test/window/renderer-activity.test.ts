import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStage, type Stage } from './renderer-page.ts';

const now = new Date(2026, 10, 20, 16, 42).getTime();

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

describe('when the record holds 100,000 calls', () => {
  it('draws a few rows of them, however far one scrolls', async () => {
    const { page } = await stage.open({ hash: '#/activity', clockAt: now, fake: { calls: 100_000 } });
    const list = page.locator('.call-scroll');
    await list.locator('li').first().waitFor();
    for (let step = 0; step < 12; step += 1) {
      await list.evaluate((box) => {
        box.scrollTop = box.scrollHeight;
      });
      await page.clock.runFor(200);
      expect(await list.locator('li').count()).toBeLessThan(60);
    }
    const pages = await page.evaluate(() => window.fake?.asked.filter(({ name }) => name === 'activity').length ?? 0);
    expect(pages).toBeGreaterThan(5);
    await page.context().close();
  });

  it('moves by arrow keys with one row in the tab order, and opens with Enter', async () => {
    const { page } = await stage.open({ hash: '#/activity', width: 1280, clockAt: now, fake: { calls: 100_000 } });
    const rows = page.locator('.call-scroll a');
    await rows.first().focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'PageDown']) {
      await page.keyboard.press(key);
      await page.clock.runFor(100);
    }
    expect(await page.evaluate(() => document.activeElement?.closest('li')?.getAttribute('data-index'))).toBe('12');
    expect(await page.locator('.call-scroll a[tabindex="0"]').count()).toBe(1);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'In the record' }).waitFor();
    expect(page.url()).toContain('#/activity/call-');
    await page.context().close();
  });
});

describe('when calls happen while one looks', () => {
  it('puts them on top, and finishes those that ran', async () => {
    const { page } = await stage.open({ hash: '#/activity', clockAt: now });
    await page.locator('.call-scroll li').first().waitFor();
    await page.evaluate(() => window.fake?.record({ app: 'Newcomer', status: 'running' }));
    await page.clock.runFor(600);
    await page.getByText('Newcomer is using').waitFor();
    await page.context().close();
  });

  it('holds them aside while one reads further down', async () => {
    const { page } = await stage.open({ hash: '#/activity', clockAt: now });
    const list = page.locator('.call-scroll');
    await list.locator('li').first().waitFor();
    await list.evaluate((box) => {
      box.scrollTop = 900;
    });
    await page.clock.runFor(300);
    await page.evaluate(() => window.fake?.record({ app: 'Newcomer' }));
    await page.clock.runFor(600);
    expect(await list.evaluate((box) => box.scrollTop)).toBe(900);
    await page.getByRole('button', { name: '1 new call' }).click();
    await page.clock.runFor(300);
    await page.getByText('Newcomer').first().waitFor();
    await page.context().close();
  });
});

describe('when the record is filtered', () => {
  it('asks main for exactly that, and has a way back from nothing', async () => {
    const { page } = await stage.open({ hash: '#/activity', clockAt: now });
    await page.getByLabel('App', { exact: true }).selectOption('Cursor');
    await page.getByLabel('Outcome').selectOption('refused');
    await page.getByLabel('When').selectOption('today');
    await page.getByLabel('Search the record').fill('no such thing');
    await page.getByText('No call matches').waitFor();
    const last = await page.evaluate(() => window.fake?.asked.filter(({ name }) => name === 'activity').at(-1)?.args);
    expect(last).toEqual({
      text: 'no such thing',
      app: 'Cursor',
      outcome: 'refused',
      since: new Date(2026, 10, 20).getTime(),
      limit: 200,
    });
    await page.getByRole('button', { name: 'Show every call' }).click();
    await page.locator('.call-scroll li').first().waitFor();
    await page.context().close();
  });
});

describe('when one call is opened by its address', () => {
  it('tells the whole story', async () => {
    const { page } = await stage.open({ hash: '#/activity/call-424', width: 1280, height: 900, clockAt: now });
    const story = page.getByRole('article', { name: 'The story of one call' });
    await story.getByText('In the record').waitFor();
    const text = (await story.textContent()) ?? '';
    for (const part of [
      'alice@acme.example',
      'What was sent',
      '/projects/website/README.md',
      'What came back',
      'npm install',
      'Call began',
      'Call ended',
      'SHA-256',
    ]) {
      expect(text, part).toContain(part);
    }
    await page.context().close();
  });

  it('does not claim that a refused call was sent', async () => {
    const { page } = await stage.open({ hash: '#/activity/call-420', width: 1280, height: 900, clockAt: now });
    const story = page.getByRole('article', { name: 'The story of one call' });
    await story.getByRole('heading', { name: 'What it wanted to send' }).waitFor();
    const text = (await story.textContent()) ?? '';
    expect(text).toContain('Call refused');
    expect(text).not.toContain('What was sent');
    expect(text).not.toContain('What came back');
    await page.context().close();
  });

  it('says so when there is no such call', async () => {
    const { page } = await stage.open({ hash: '#/activity/nothing', width: 1280, clockAt: now });
    await page.getByText('This call is not in the record').waitFor();
    await page.context().close();
  });
});

describe('when the record is verified', () => {
  it('says in words that it is intact', async () => {
    const { page } = await stage.open({ hash: '#/activity', clockAt: now });
    await page.getByRole('button', { name: 'Verify the record' }).click();
    await page.getByText('All 428 entries are intact.').waitFor();
    await page.context().close();
  });
});
