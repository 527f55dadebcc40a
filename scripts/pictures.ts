// npm run pictures: makes the pictures in docs/pictures from the real product, in light and dark.
// A real organisation, real servers, real calls by three clients, the real console in Chromium, the real tray icon on a
// real panel. Only the app's clock is set back while the calls are made, so that they spread over a working day.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright';
import { type Day, liveDay } from './pictures/day.ts';
import { type Laptop, openLaptop, surroundings } from './pictures/laptop.ts';
import { makeOrganisation, type Organisation } from './pictures/organisation.ts';
import { LIGHTS, type Light, onPage, openBrowser, QUESTION, scrollToTop, settle, show } from './pictures/pages.ts';
import { takeTrayPictures } from './pictures/tray.ts';

const root = resolve(import.meta.dirname, '..');
const pictures = join(root, 'docs', 'pictures');
const ACCOUNT = 'maria';
const LARGEST = 400_000;

const out = (text: string) => process.stdout.write(`${text}\n`);

/** The day ends at about half past three, whatever the hour here is. */
function setAfternoon(): void {
  const offset = ((15 - new Date().getUTCHours() + 36) % 24) - 12;
  // The sign of these zones is the other way round: Etc/GMT-3 is three hours ahead of UTC.
  process.env.TZ = offset === 0 ? 'Etc/GMT' : `Etc/GMT${offset > 0 ? '-' : '+'}${Math.abs(offset)}`;
}

async function main(work: string, closers: (() => Promise<void>)[]): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  out('Acme makes its organisation and approves four servers');
  const organisation = await makeOrganisation(work, surroundings);
  const browser = await openBrowser();
  closers.push(() => browser.close());

  out('A laptop that has not joined yet');
  await takeWelcome(browser, work, closers);

  out('A laptop joins, and three AI apps have a day');
  const laptop = await openLaptop(join(work, 'laptop'), { account: ACCOUNT, orgJson: organisation.orgJson });
  closers.push(() => laptop.close());
  const day = await liveDay(laptop, organisation.changeWeather);
  closers.push(() => day.close());
  for (const light of LIGHTS) await takePages(browser, laptop, light);
  await takeApprovals(browser, laptop, day);

  out('The tray, on a panel');
  await takeTray(organisation, work);
}

async function takeWelcome(browser: Browser, work: string, closers: (() => Promise<void>)[]): Promise<void> {
  const laptop = await openLaptop(join(work, 'new-laptop'), { account: ACCOUNT });
  closers.push(() => laptop.close());
  for (const light of LIGHTS) {
    await onPage(browser, light, laptop.consoleLink(), async (page) => {
      await show(page, '#/welcome');
      await take(page, 'welcome', light);
    });
  }
}

async function takePages(browser: Browser, laptop: Laptop, light: Light): Promise<void> {
  const written = (await laptop.app.handlers.activity({})).find(
    ({ tool, outcome }) => tool === 'write_file' && outcome === 'ok',
  );
  if (!written) throw new Error('the written report is not in the record');
  const views: readonly (readonly [string, string])[] = [
    ['home', '#/home'],
    ['tools', '#/tools/weather'],
    ['apps', '#/apps'],
    ['activity', `#/activity/${encodeURIComponent(written.callId)}`],
  ];
  await onPage(browser, light, laptop.consoleLink(), async (page) => {
    for (const [name, hash] of views) {
      await show(page, hash);
      await scrollToTop(page);
      await take(page, name, light);
    }
  });
}

async function takeApprovals(browser: Browser, laptop: Laptop, day: Day): Promise<void> {
  await day.ask();
  for (const light of LIGHTS) {
    await onPage(browser, light, laptop.consoleLink(), async (page) => {
      await show(page, '#/approval', QUESTION);
      // Its buttons wait a moment, so that no click meant for something else answers.
      await page.waitForTimeout(1_500);
      await settle(page);
      await take(page, 'approval', light);
    });
  }
}

async function takeTray(organisation: Organisation, work: string): Promise<void> {
  const missing = await takeTrayPictures({ orgJsonPath: organisation.orgJsonPath, work, pictures, lights: LIGHTS });
  if (missing) out(`no tray picture: ${missing}`);
  else for (const light of LIGHTS) squeeze(join(pictures, `tray-${light}.png`));
}

async function take(page: Page, name: string, light: Light): Promise<void> {
  const path = join(pictures, `${name}-${light}.png`);
  await page.screenshot({ path });
  squeeze(path);
  out(`  ${name}-${light}.png`);
}

/** Fewer colours where pngquant is there; a picture that stays too large is an error either way. */
function squeeze(path: string): void {
  spawnSync('pngquant', ['--force', '--skip-if-larger', '--speed', '1', '--quality', '80-98', '--output', path, path]);
  const { size } = statSync(path);
  if (size > LARGEST) throw new Error(`${path} has ${size} bytes; expected at most ${LARGEST}`);
}

setAfternoon();
const work = mkdtempSync(join(tmpdir(), 'gatehouse-pictures-'));
const closers: (() => Promise<void>)[] = [];
try {
  await main(work, closers);
  const sizes = readdirSync(pictures).map((name) => statSync(join(pictures, name)).size);
  out(`${(sizes.reduce((sum, size) => sum + size, 0) / 1e6).toFixed(1)} MB in ${pictures}`);
} catch (error) {
  out(`✗ ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
} finally {
  for (const close of closers.reverse()) await close().catch((error: Error) => out(`closing: ${error.message}`));
  rmSync(work, { recursive: true, force: true, maxRetries: 5 });
}
