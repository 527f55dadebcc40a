import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeOptions, sampleQuestion } from '../fixtures/fake-bridge.ts';
import { openStage, type Stage } from './renderer-page.ts';

const now = new Date(2026, 10, 20, 16, 42).getTime();

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

async function openSheet(fake: Partial<FakeOptions> = {}): Promise<Page> {
  const { page } = await stage.open({ clockAt: now, fake });
  await page.getByRole('button', { name: /^Acme/u }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Acme' }).waitFor();
  await page.clock.runFor(500);
  return page;
}
const askedFor = (page: Page, wanted: string) =>
  page.evaluate((name) => window.fake?.asked.filter((one) => one.name === name).length, wanted);
const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent ?? '');

describe('when the organisation at the foot of the page is opened', () => {
  it('proves who governs: version, digest, every key in full, freshness, end, and the address for apps', async () => {
    const page = await openSheet();
    const { policy, endpoint } = await page.evaluate(
      async () => (await window.fake?.bridge.call('status', {})) ?? Promise.reject(new Error('no bridge')),
    );
    const text = ((await page.getByRole('dialog').textContent()) ?? '').replaceAll(' ', '');
    for (const part of [
      '41',
      policy?.digest.slice(0, 10),
      ...(policy?.signers ?? []),
      '2minago',
      '29Nov2026',
      endpoint,
    ])
      expect(text).toContain(part ?? 'missing');
    await page.context().close();
  });

  it('copies each of them whole', async () => {
    const page = await openSheet();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const { policy, endpoint } = await page.evaluate(
      async () => (await window.fake?.bridge.call('status', {})) ?? Promise.reject(new Error('no bridge')),
    );
    const [first = '', second = ''] = policy?.signers ?? [];
    for (const [name, whole] of [
      ['Copy the digest of the policy', policy?.digest],
      [`Copy the key id ${first.slice(0, 8)}`, first],
      [`Copy the key id ${second.slice(0, 8)}`, second],
      ['Copy the address for AI apps', endpoint],
    ] as const) {
      await page.getByRole('button', { name }).click();
      await page.getByRole('button', { name: 'Copied' }).waitFor();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(whole);
      await page.clock.runFor(3_000);
    }
    await page.context().close();
  });

  it('closes with Escape and gives the focus back', async () => {
    const page = await openSheet();
    await page.keyboard.press('Escape');
    await page.clock.runFor(100);
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(await focused(page)).toMatch(/^Acme/u);
    await page.context().close();
  });

  it.each([
    [1, 'Signed by aaaaaaaa'],
    [2, 'Signed by aaaaaaaa, bbbbbbbb'],
    [4, 'Signed by aaaaaaaa and 3 more'],
  ])('says of %d signers in one line who they are', async (many, line) => {
    const signers = ['a', 'b', 'c', 'd'].slice(0, many).map((digit) => digit.repeat(64));
    const { page } = await stage.open({ clockAt: now, fake: { policy: { signers } } });
    const words = page.getByText(line, { exact: true });
    await words.waitFor();
    const size = await words.evaluate((box) => ({
      lines: Math.round(box.getBoundingClientRect().height / Number.parseFloat(getComputedStyle(box).lineHeight)),
      hidden: box.scrollWidth - box.clientWidth,
    }));
    expect(size).toEqual({ lines: 1, hidden: 0 });
    await page.context().close();
  });

  it('stays within reach at 200 % and on a narrow screen', async () => {
    for (const width of [1080, 760]) {
      const { page } = await stage.open({ clockAt: now, zoom: 2, width, height: 720 });
      await page.getByRole('button', { name: /^Acme/u }).click();
      const leave = page.getByRole('button', { name: 'Leave organisation…' });
      await leave.scrollIntoViewIfNeeded();
      const box = await leave.boundingBox();
      expect(box && box.x >= 0 && box.y >= 0 && box.y + box.height <= 360).toBe(true);
      await page.context().close();
    }
  });
});

describe('when a new policy is looked for', () => {
  const check = (page: Page) => page.getByRole('button', { name: 'Check for a new policy' }).click();

  it('says which one is new', async () => {
    const page = await openSheet({ newer: true });
    await check(page);
    await page.getByText('Policy 42 is new and in force now.').waitFor();
    await page.context().close();
  });

  it('says that there is none', async () => {
    const page = await openSheet();
    await check(page);
    await page.getByText('Policy 41 is the newest.').waitFor();
    await page.context().close();
  });

  it('shows that it is looking, and looks once however often it is asked', async () => {
    const page = await openSheet({ silent: ['refreshPolicy'] });
    await check(page);
    const busy = page.getByRole('button', { name: 'Checking…' });
    await busy.press('Enter');
    await busy.press('Enter');
    expect(await askedFor(page, 'refreshPolicy')).toBe(1);
    expect(await focused(page)).toBe('Checking…');
    await page.context().close();
  });

  it('says in words why it did not succeed', async () => {
    const page = await openSheet({ failing: { refreshPolicy: 'The repository of Acme did not answer.' } });
    await check(page);
    await page.getByText('The check did not succeed. The repository of Acme did not answer.').waitFor();
    await page.context().close();
  });
});

describe('when the organisation is to be left', () => {
  async function ask(fake: Partial<FakeOptions> = {}): Promise<Page> {
    const page = await openSheet(fake);
    await page.getByRole('button', { name: 'Leave organisation…' }).press('Enter');
    await page.getByRole('alertdialog', { name: 'Leave Acme?' }).waitFor();
    await page.clock.runFor(100);
    return page;
  }
  const leave = (page: Page) => page.getByRole('button', { name: 'Leave', exact: true }).click();

  it('says first what it means, with the focus on Cancel', async () => {
    const page = await ask();
    const text = await page.getByRole('alertdialog').textContent();
    expect(text).toContain('lose every tool at once');
    expect(text).toContain('The record of what has happened stays');
    expect(await focused(page)).toBe('Cancel');
    await page.context().close();
  });

  it.each(['Enter', 'Escape'])('leaves nothing on %s, and gives the focus back', async (key) => {
    const page = await ask();
    await page.keyboard.press(key);
    await page.clock.runFor(500);
    // A dialog's "close" comes in a task of its own.
    await expect.poll(() => focused(page)).toMatch(/^Acme/u);
    expect(await page.getByRole('alertdialog').count()).toBe(0);
    expect(await askedFor(page, 'leaveOrganisation')).toBe(0);
    await page.context().close();
  });

  it('leaves, says so, and is at the first step again', async () => {
    const page = await ask();
    await leave(page);
    await page.clock.runFor(500);
    await page.getByRole('heading', { name: 'Welcome to Gatehouse' }).waitFor();
    await page.getByText('You have left Acme. No tool can be used now.').waitFor();
    await page.context().close();
  });

  it('stays on a managed computer, and says whom to ask', async () => {
    const page = await ask({ managed: true });
    await leave(page);
    await page.getByRole('alert').filter({ hasText: 'manages this computer' }).waitFor();
    expect(await page.getByRole('button', { name: 'Leave', exact: true }).count()).toBe(0);
    expect(await focused(page)).toBe('Close');
    await page.context().close();
  });

  it('shows what went wrong and can be tried again', async () => {
    const page = await ask({ failing: { leaveOrganisation: 'The folder cannot be written.' } });
    await leave(page);
    await page.getByRole('alert').filter({ hasText: 'The folder cannot be written.' }).waitFor();
    await leave(page);
    expect(await askedFor(page, 'leaveOrganisation')).toBe(2);
    await page.context().close();
  });

  it('is said over a question that waits, without answering it', async () => {
    const page = await ask({ questions: [sampleQuestion(now)] });
    await page.keyboard.press('Enter');
    expect(await askedFor(page, 'answer')).toBe(0);
    await page.context().close();
  });
});
