import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  sampleChangedOffers,
  sampleOtherCalls,
  samplePromptQuestion,
  sampleQuestion,
  sampleReadQuestion,
} from '../fixtures/fake-bridge.ts';
import { openStage, type Stage } from './renderer-page.ts';

/** Whatever is not a tool, told as what it is on every page. */

const now = new Date(2026, 10, 20, 16, 42).getTime();

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const textsOf = (page: Page, selector: string) => page.locator(selector).allTextContents();

describe('when Activity holds more than the use of tools', () => {
  it('says in a sentence what each app did', async () => {
    const { page } = await stage.open({ hash: '#/activity', clockAt: now, fake: { newest: sampleOtherCalls } });
    await page.locator('.call-scroll li').first().waitFor();
    expect((await textsOf(page, '.call-scroll .call-sentence')).slice(0, 7)).toEqual([
      'Claude Code read from GitHub: repo://acme/website/contents/README.md',
      'Claude Code used the prompt Review a pull request of GitHub',
      'Claude Code follows changes in GitHub: issue://acme/website/118',
      'Claude Code asked GitHub for suggestions for Review a pull request',
      'Claude Code used Create issue in GitHub',
      'Claude Code tried to use the prompt Daily of GitHub',
      'Claude Code stopped Search issues in GitHub',
    ]);
    expect((await textsOf(page, '.call-scroll .call-outcome')).slice(4, 6)).toEqual([
      'waits for more input',
      'held back: changed',
    ]);
    await page.context().close();
  });

  it('finds them by search and by outcome like any other', async () => {
    const { page } = await stage.open({ hash: '#/activity', clockAt: now, fake: { newest: sampleOtherCalls } });
    await page.getByLabel('Search the record').fill('README.md');
    await page.getByText('repo://acme/website/contents/README.md').waitFor();
    await page.clock.runFor(500);
    expect(await textsOf(page, '.call-scroll .call-sentence')).toHaveLength(1);
    await page.getByLabel('Search the record').fill('');
    await page.getByLabel('Outcome').selectOption('refused');
    await page.getByText('tried to use the prompt').waitFor();
    await page.context().close();
  });

  it('tells in the story what the tool set asked the app, and what came of it', async () => {
    const fake = { newest: sampleOtherCalls };
    const { page } = await stage.open({ hash: '#/activity/new-2', width: 1280, height: 900, clockAt: now, fake });
    const story = page.getByRole('article', { name: 'The story of one call' });
    await story.getByRole('heading', { name: 'Asked while it worked' }).waitFor();
    expect(await textsOf(page, '.story-asked-what')).toEqual([
      'GitHub asked Claude Code for your answer: You accepted.',
      'GitHub asked Claude Code for your answer: You declined.',
      'GitHub asked Claude Code to have its AI write something: It did.',
      'GitHub asked Claude Code which folders you work in: It was not passed on.',
    ]);
    expect(await textsOf(page, '.story-chain-what')).toContain('App was asked');
    await page.context().close();
  });

  it('says nothing of questions where none was asked', async () => {
    const { page } = await stage.open({ hash: '#/activity/call-424', width: 1280, clockAt: now });
    await page.getByText('In the record').waitFor();
    expect(await page.getByText('Asked while it worked').count()).toBe(0);
    await page.context().close();
  });
});

describe('when a tool set has prompts and things to read', () => {
  it('lists them below its tools, each under its own heading', async () => {
    const { page } = await stage.open({ hash: '#/tools/github', clockAt: now });
    const card = page.getByRole('article', { name: 'GitHub' });
    await card.getByRole('heading', { name: 'Prompts' }).waitFor();
    await card.getByText('4 tools, 2 prompts, 2 to read').waitFor();
    const prompts = card.getByRole('region', { name: 'Prompts' });
    expect(await prompts.getByRole('heading', { level: 4 }).allTextContents()).toEqual([
      'Review a pull request',
      'Write release notes',
    ]);
    expect(await prompts.getByText('Runs by itself').count()).toBe(0);
    const reads = card.getByRole('region', { name: 'To read' });
    expect(await reads.getByRole('heading', { level: 4 }).allTextContents()).toEqual([
      'A file of a repository',
      'issue://{owner}/{repo}/{number}',
    ]);
    await reads.getByText('repo://{owner}/{repo}/contents/{path}').waitFor();
    await page.context().close();
  });

  it('shows those held back first, with what changed, and counts them', async () => {
    const { page } = await stage.open({ hash: '#/tools', clockAt: now, fake: { tools: sampleChangedOffers(now) } });
    const card = page.getByRole('article', { name: 'GitHub' });
    await card.getByText('3 changes held back').waitFor();
    const first = card.getByRole('region', { name: 'Prompts' }).getByRole('listitem').first();
    expect(await first.locator('ins').first().textContent()).toContain('Approves it as well');
    await first.getByText('What it asks for').waitFor();
    await card.getByRole('region', { name: 'To read' }).getByText('Kind of content').waitFor();
    await page.context().close();
  });

  it('finds a prompt by its words and leaves the rest out', async () => {
    const { page } = await stage.open({ hash: '#/tools', clockAt: now });
    await page.getByLabel('Search tools').fill('release notes');
    await page.getByText('1 of 5 tool sets').waitFor();
    const card = page.getByRole('article', { name: 'GitHub' });
    expect(await card.locator('.action').count()).toBe(1);
    expect(await card.getByRole('heading', { name: 'To read' }).count()).toBe(0);
    await page.context().close();
  });
});

describe('when Home says that a prompt is held back', () => {
  it('calls it a prompt and leads to its tool set', async () => {
    const { page } = await stage.open({ clockAt: now, fake: { tools: sampleChangedOffers(now) } });
    const need = page.locator('.home-needs li').filter({ hasText: 'The prompt “Review a pull request”' });
    await need.getByRole('link', { name: 'See what changed' }).click();
    await page.getByText('Approves it as well').first().waitFor();
    await page.context().close();
  });
});

describe('when the question is not about a tool', () => {
  it.each([
    [
      'reading',
      sampleReadQuestion(now),
      'Cursor wants to read from GitHub: repo://acme/website/contents/.env',
      'Address',
    ],
    [
      'a prompt',
      samplePromptQuestion(now),
      'Cursor wants to use the prompt Write release notes of GitHub',
      'Pull request',
    ],
    ['a tool', sampleQuestion(now), 'Cursor wants to use Create issue in GitHub', 'Repository'],
  ])('says so in its sentence, and shows what is sent the same way (%s)', async (_, question, sentence, label) => {
    const { page } = await stage.open({
      hash: '#/approval',
      width: 480,
      height: 560,
      clockAt: now,
      fake: { questions: [question] },
    });
    await page.getByRole('alertdialog').waitFor();
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(sentence);
    expect((await textsOf(page, '.approval-fields dt'))[0]).toBe(label);
    await page.context().close();
  });

  it('keeps who is read from and every button in sight, however long the address is', async () => {
    const tool = `repo://acme/${'from%20Bank/'.repeat(700)}`;
    const question = { ...sampleReadQuestion(now), tool, toolTitle: tool };
    const fake = { questions: [{ ...question, fields: [{ path: 'uri', label: 'Address', value: tool }] }] };
    const { page } = await stage.open({ hash: '#/approval', width: 480, height: 560, clockAt: now, fake });
    await page.getByRole('alertdialog').waitFor();
    await page.clock.runFor(1_000);
    const seen = (box: { y: number; height: number } | null) => box !== null && box.y >= 0 && box.y + box.height <= 560;
    for (const name of ['Deny', 'Allow once']) {
      expect(seen(await page.getByRole('button', { name }).boundingBox()), name).toBe(true);
    }
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toMatch(
      /^Cursor wants to read from GitHub: repo/u,
    );
    await page.clock.resume();
    const axe = await new AxeBuilder({ page }).analyze();
    expect(
      axe.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`),
    ).toEqual([]);
    await page.context().close();
  });
});
