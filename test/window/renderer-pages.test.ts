import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type FakeOptions,
  sampleChangedOffers,
  sampleOtherCalls,
  samplePromptQuestion,
  sampleQuestion,
  sampleReadQuestion,
  sampleSaved,
} from '../fixtures/fake-bridge.ts';
import { openStage, type Stage } from './renderer-page.ts';

const now = new Date(2026, 10, 20, 16, 42).getTime();
const problem = { code: 'expired', message: 'The policy of Acme expired on 19 Nov 2026.', since: now - 3_600_000 };

interface Scene {
  readonly name: string;
  readonly hash: string;
  /** What is on the page once it is all there. */
  readonly shows: string;
  readonly fake?: Partial<FakeOptions>;
  readonly width?: number;
  readonly height?: number;
  readonly act?: (page: Page) => Promise<void>;
}

const scenes: readonly Scene[] = [
  { name: 'Home', hash: '#/home', shows: 'All quiet. 3 apps use 4 tools.' },
  {
    name: 'Home with nothing in it',
    hash: '#/home',
    shows: 'Nothing has happened yet',
    fake: { calls: 0, apps: [], tools: [] },
  },
  { name: 'Home while paused', hash: '#/home', shows: 'Paused. Every call is refused.', fake: { state: 'paused' } },
  {
    name: 'Home with a problem',
    hash: '#/home',
    shows: 'Your organisation’s policy has expired',
    fake: { state: 'problem', problem },
  },
  {
    name: 'Home with a question waiting',
    hash: '#/home',
    shows: 'A question is waiting for you',
    fake: { questions: [sampleQuestion(now)] },
  },
  {
    name: 'Home that cannot be read',
    hash: '#/home',
    shows: 'The disk is full.',
    fake: { failing: { home: 'The disk is full.' } },
  },
  { name: 'Home while it loads', hash: '#/home', shows: 'Loading', fake: { silent: ['home'] } },
  { name: 'Tools', hash: '#/tools', shows: 'Looked after by' },
  { name: 'Tools with one opened', hash: '#/tools/files', shows: 'Depends on the details' },
  { name: 'Tools with prompts and what can be read', hash: '#/tools/github', shows: 'Ready-made requests' },
  {
    name: 'Tools with prompts held back',
    hash: '#/tools/github',
    shows: 'Approves it as well',
    fake: { tools: sampleChangedOffers(now) },
  },
  {
    name: 'Home with a prompt held back',
    hash: '#/home',
    shows: 'The prompt “Review a pull request” is held back',
    fake: { tools: sampleChangedOffers(now) },
  },
  {
    name: 'a tool’s log',
    hash: '#/tools',
    shows: 'request 17',
    act: (page) => page.getByRole('button', { name: 'Log', exact: true }).first().click(),
  },
  { name: 'Apps', hash: '#/apps', shows: 'gth_4f9a' },
  { name: 'Apps with search', hash: '#/apps', shows: 'Search keeps about', fake: { saved: sampleSaved } },
  { name: 'adding an app', hash: '#/apps/add', shows: 'Which app do you want to connect?' },
  {
    name: 'an app’s key',
    hash: '#/apps/add',
    shows: 'Waiting for Cursor to knock',
    fake: { apps: [] },
    act: async (page) => {
      await page.getByRole('button', { name: 'Cursor', exact: true }).click();
      await page.getByRole('button', { name: 'Make a key' }).click();
    },
  },
  { name: 'Activity', hash: '#/activity', shows: 'refused by policy' },
  {
    name: 'Activity with reads and prompts',
    hash: '#/activity',
    shows: 'waits for more input',
    fake: { newest: sampleOtherCalls },
  },
  {
    name: 'the story of a call that was asked back',
    hash: '#/activity/new-2',
    shows: 'You declined.',
    fake: { newest: sampleOtherCalls },
    width: 1280,
  },
  { name: 'one call’s story', hash: '#/activity/call-400', shows: 'In the record' },
  { name: 'the story of a refused call', hash: '#/activity/call-420', shows: 'What it wanted to send', width: 1280 },
  { name: 'a refused call beside a narrow list', hash: '#/activity/call-200', shows: 'What it wanted to send' },
  { name: 'the first step', hash: '#/welcome', shows: 'Welcome to Gatehouse', fake: { state: 'not-enrolled' } },
  {
    name: 'an organisation before it is trusted',
    hash: '#/welcome',
    shows: 'Key fingerprints',
    fake: { state: 'not-enrolled' },
    act: async (page) => {
      await page.getByPlaceholder('https://…/org.json').fill('https://acme.example/org.json');
      await page.getByRole('button', { name: 'Look at it' }).click();
    },
  },
  { name: 'the second step', hash: '#/welcome', shows: 'You are with' },
  {
    name: 'the third step',
    hash: '#/welcome',
    shows: 'Connect your first app',
    act: (page) => page.getByRole('button', { name: 'Continue' }).click(),
  },
  {
    name: 'the organisation’s sheet',
    hash: '#/home',
    shows: 'Policy 41 is the newest.',
    act: async (page) => {
      await openSheet(page);
      await page.getByRole('button', { name: 'Check for a new policy' }).click();
    },
  },
  {
    name: 'the organisation’s sheet with a policy that expired',
    hash: '#/home',
    shows: 'Expired 19 Nov 2026',
    fake: { state: 'problem', problem, policy: { expires: now - 86_400_000 } },
    act: openSheet,
  },
  {
    name: 'the question about leaving',
    hash: '#/home',
    shows: 'manages this computer',
    fake: { managed: true },
    act: async (page) => {
      await openSheet(page);
      await page.getByRole('button', { name: 'Leave organisation…' }).click();
      await page.getByRole('button', { name: 'Leave', exact: true }).click();
    },
  },
  {
    name: 'the approval window',
    hash: '#/approval',
    shows: 'No answer means no.',
    width: 480,
    height: 560,
    fake: { questions: [sampleQuestion(now)] },
  },
  {
    name: 'the approval window about reading',
    hash: '#/approval',
    shows: 'wants to read',
    width: 480,
    height: 560,
    fake: { questions: [sampleReadQuestion(now)] },
  },
  {
    name: 'the approval window about a prompt',
    hash: '#/approval',
    shows: 'wants to use the prompt',
    width: 480,
    height: 560,
    fake: { questions: [samplePromptQuestion(now)] },
  },
  {
    name: 'the approval window with nothing to ask',
    hash: '#/approval',
    shows: 'Nothing is waiting',
    width: 480,
    height: 560,
  },
];

function openSheet(page: Page): Promise<void> {
  return page.getByRole('button', { name: /^Acme/u }).click();
}

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

describe.each(scenes)('when $name is open', ({ hash, shows, fake, width = 1080, height = 720, act }) => {
  const looks = [
    { theme: 'light', zoom: 1 },
    { theme: 'dark', zoom: 1 },
    { theme: 'light', zoom: 2 },
    { theme: 'dark', zoom: 2 },
  ] as const;

  it.each(looks)(
    'axe finds nothing, nothing is cut off and nothing is refused ($theme, zoom $zoom)',
    async ({ theme, zoom }) => {
      const size = width < 1080 && zoom === 2 ? { width: width * 2, height: height * 2 } : { width, height };
      const { page, complaints } = await stage.open({
        hash,
        theme,
        zoom,
        ...size,
        clockAt: now,
        ...(fake ? { fake } : {}),
      });
      if (act) await act(page);
      await page.getByText(shows).first().waitFor({ state: 'attached' });
      await page.clock.runFor(1_500);
      // axe waits by timers of its own, so time goes on.
      await page.clock.resume();
      const axe = await new AxeBuilder({ page }).analyze();
      expect(axe.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow).toBe(0);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
  );
});

describe('when only the keyboard is used', () => {
  it('reaches every page from the first key, and the page itself past the menu', async () => {
    const { page } = await stage.open({ clockAt: now });
    await page.getByText('All quiet. 3 apps').waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the page');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
    await page.getByRole('link', { name: /^Tools/u }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Tools', level: 1 }).waitFor();
    expect(await page.title()).toBe('Tools · Gatehouse');
    await page.context().close();
  });

  it('pauses every call from the menu', async () => {
    const { page } = await stage.open({ clockAt: now });
    await page.getByRole('button', { name: 'Pause' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('menuitem', { name: '1 hour' }).focus();
    await page.keyboard.press('Enter');
    await page.clock.runFor(500);
    await page.getByText('Paused until 17:42').waitFor();
    const asked = await page.evaluate(() => window.fake?.asked.filter(({ name }) => name === 'pause'));
    expect(asked).toEqual([{ name: 'pause', args: { minutes: 60 } }]);
    await page.context().close();
  });
});

describe('when someone else’s words carry markup', () => {
  it('shows it as the text it is', async () => {
    const bad = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
    const question = sampleQuestion(now, {
      app: bad,
      toolTitle: bad,
      raw: bad,
      fields: [{ path: '/x', label: bad, value: { [bad]: bad } }],
      reason: bad,
      message: bad,
    });
    const { page, complaints } = await stage.open({
      hash: '#/approval',
      clockAt: now,
      fake: { questions: [question] },
    });
    await page.getByRole('heading', { level: 1 }).filter({ hasText: '<script>' }).waitFor();
    expect(await page.evaluate(() => [document.images.length, 'hacked' in window])).toEqual([0, false]);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('lets no script in even where the page were to write markup', async () => {
    const { page } = await stage.open({ clockAt: now });
    const refused = await page.evaluate(() => {
      try {
        document.body.innerHTML = '<p>x</p>';
        return 'written';
      } catch (error) {
        return error instanceof Error ? error.name : 'thrown';
      }
    });
    expect(refused).toBe('TypeError');
    await page.context().close();
  });
});
