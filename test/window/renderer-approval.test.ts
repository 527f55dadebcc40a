import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { QuestionView } from '../../preload/contract.ts';
import { sampleQuestion } from '../fixtures/fake-bridge.ts';
import { openStage, type Stage } from './renderer-page.ts';

const now = new Date(2026, 10, 20, 16, 42).getTime();
const first = sampleQuestion(now);
const second = sampleQuestion(now, {
  id: 'q2',
  digest: 'd2',
  app: 'Claude Code',
  toolTitle: 'Delete branch',
  tool: 'delete_branch',
  risk: 'destroys',
  remember: ['call'],
});

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

async function ask(...questions: QuestionView[]): Promise<Page> {
  const { page } = await stage.open({ hash: '#/approval', width: 480, height: 560, clockAt: now, fake: { questions } });
  await page.getByRole('alertdialog').waitFor();
  return page;
}
const answers = (page: Page) =>
  page.evaluate(() => window.fake?.asked.filter(({ name }) => name === 'answer').map(({ args }) => args));
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

describe('when a question appears', () => {
  it('says in one sentence who wants what, and focuses Deny', async () => {
    const page = await ask(first);
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(
      'Cursor wants to use Create issue in GitHub',
    );
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Deny');
    expect(await page.getByRole('timer').textContent()).toBe('43 seconds left. No answer means no.');
    await page.context().close();
  });

  it.each(['Enter', 'Space', 'Escape'])('ignores %s for 700 ms, even held down beyond them', async (key) => {
    const page = await ask(first);
    await page.clock.runFor(600);
    await page.keyboard.press(key);
    await page.keyboard.down(key);
    await page.clock.runFor(200);
    await page.keyboard.down(key);
    await page.keyboard.up(key);
    expect(await answers(page)).toEqual([]);
    await page.keyboard.press(key);
    await page.clock.runFor(500);
    expect(await answers(page)).toEqual([{ id: first.id, digest: first.digest, answer: 'deny' }]);
    await page.context().close();
  });

  it('ignores a click for 700 ms, and one that began before', async () => {
    const page = await ask(first);
    await button(page, 'Allow once').click();
    await button(page, 'Allow once').hover();
    await page.mouse.down();
    await page.clock.runFor(900);
    await page.mouse.up();
    expect(await answers(page)).toEqual([]);
    await button(page, 'Allow once').click();
    expect(await answers(page)).toEqual([{ id: first.id, digest: first.digest, answer: 'allow-once' }]);
    await page.context().close();
  });

  it('binds the answer to the digest of what was shown', async () => {
    const page = await ask(first);
    await page.clock.runFor(800);
    await button(page, 'Allow for this conversation').click();
    expect(await answers(page)).toEqual([{ id: first.id, digest: first.digest, answer: 'allow-session' }]);
    await page.context().close();
  });

  it('offers "for this conversation" only where the policy does', async () => {
    const page = await ask(second);
    expect(await button(page, 'Allow for this conversation').count()).toBe(0);
    await page.context().close();
  });
});

describe('when several questions wait', () => {
  it('asks one at a time, with a count, and guards each anew', async () => {
    const page = await ask(first, second);
    await page.getByText('1 of 2').waitFor();
    await page.clock.runFor(800);
    await button(page, 'Allow once').click();
    await page.getByText('Claude Code wants to use Delete branch in GitHub').waitFor();
    await page.getByText('2 of 2').waitFor();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Deny');
    await button(page, 'Allow once').click();
    await page.keyboard.press('Enter');
    expect(await answers(page)).toHaveLength(1);
    await page.clock.runFor(800);
    await page.keyboard.press('Enter');
    expect(await answers(page)).toEqual([
      { id: 'q1', digest: first.digest, answer: 'allow-once' },
      { id: 'q2', digest: 'd2', answer: 'deny' },
    ]);
    await page.getByText('Nothing is waiting').waitFor();
    await page.context().close();
  });

  it('keeps the one on show when an older one arrives', async () => {
    const page = await ask(first);
    await page.evaluate((question) => window.fake?.ask(question), second);
    await page.clock.runFor(500);
    await page.getByText('1 of 2').waitFor();
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toContain('Create issue');
    await page.context().close();
  });
});

describe('when a question ends without this window', () => {
  it('says so calmly when it was answered elsewhere', async () => {
    const page = await ask(first);
    await page.evaluate(() => window.fake?.withdraw('q1'));
    await page.clock.runFor(500);
    await page.getByText('The last question has been answered elsewhere or taken back.').waitFor();
    await page.context().close();
  });

  it('says that no answer was a no when the time ran out, and takes no answer any more', async () => {
    const page = await ask(first);
    await page.clock.runFor(43_100);
    await page.getByText('The time is over: the answer is no.').waitFor();
    await button(page, 'Allow once').click();
    expect(await answers(page)).toEqual([]);
    await page.evaluate(() => window.fake?.withdraw('q1'));
    await page.clock.runFor(1_000);
    await page.getByText('so the answer was no.').waitFor();
    await page.context().close();
  });

  it('shows main’s own reason when the answer comes too late', async () => {
    const { page } = await stage.open({
      hash: '#/approval',
      clockAt: now,
      fake: { questions: [{ ...first }], failing: { answer: 'Gatehouse is closing.' } },
    });
    await page.getByRole('alertdialog').waitFor();
    await page.clock.runFor(800);
    await button(page, 'Allow once').click();
    await page.getByText('Gatehouse is closing. Your answer has not been given.').waitFor();
    expect(await page.getByRole('alertdialog').count()).toBe(1);
    await page.context().close();
  });
});

describe('when the details are long, nested or hide something', () => {
  it('shows every value: nothing is out of reach', async () => {
    const text = `${'line\n'.repeat(300)}the end`;
    const page = await ask({
      ...first,
      fields: [
        { path: '/a', label: 'Text', value: text },
        {
          path: '/b',
          label: 'Options',
          value: { deep: { deeper: [1, { x: 'last value' }] }, on: true, none: null, empty: '' },
        },
      ],
    });
    await page.getByRole('button', { name: 'Show all 301 lines' }).click();
    const seen = (await page.getByRole('alertdialog').textContent()) ?? '';
    for (const part of ['the end', 'deep', 'deeper', 'last value', 'Yes', 'nothing', 'empty'])
      expect(seen).toContain(part);
    await page.context().close();
  });

  it('marks hidden characters in values, names and the exact text', async () => {
    const page = await ask({
      ...first,
      app: 'Cur\u202Esor',
      raw: '{"x":"a\u200Bb"}',
      fields: [{ path: '/x', label: 'La\u2066bel', value: 'pay\u{E0072}\u{E006D}now p\u0430y' }],
    });
    await page.getByText('Exactly what will be sent').click();
    for (const mark of [
      'U+202E changes direction',
      'U+200B hidden',
      'U+2066 changes direction',
      'hidden text: “rm”',
      'two alphabets',
    ]) {
      expect(await page.getByText(mark).count(), mark).toBeGreaterThan(0);
    }
    await page.context().close();
  });

  it('opens "Exactly what will be sent" with the exact text', async () => {
    const page = await ask(first);
    await page.getByText('Exactly what will be sent').click();
    const text = await page.locator('.approval-raw pre').textContent();
    expect(text).toBe(first.raw.replace('\u200B', 'U+200B hidden'));
    await page.context().close();
  });

  it('survives a hostile flood of hidden characters', async () => {
    const page = await ask({
      ...first,
      fields: [{ path: '/x', label: 'Text', value: 'a\u200Bb\u202E'.repeat(10_000) }],
    });
    expect(await page.locator('.mark').count()).toBeLessThan(500);
    await page.getByText('«U+200B hidden»').first().waitFor();
    await page.context().close();
  });
});
