import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright';

export type Light = 'light' | 'dark';
export const LIGHTS: readonly Light[] = ['light', 'dark'];

/** The main window's own size, and the approval window's. */
export const WINDOW = { width: 1080, height: 700 };
export const QUESTION = { width: 480, height: 580 };

const SCALE = 2;
const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export async function openBrowser(): Promise<Browser> {
  const program = PROGRAMS.find((path) => existsSync(path));
  return chromium.launch({
    ...(program ? { executablePath: program } : {}),
    args: ['--no-sandbox', '--hide-scrollbars', '--force-color-profile=srgb'],
  });
}

/** A page signed in to the console by its one-time link, in one light. Gives what `use` makes of it. */
export async function onPage<T>(
  browser: Browser,
  light: Light,
  link: string,
  use: (page: Page) => Promise<T>,
): Promise<T> {
  const context = await browser.newContext({
    viewport: WINDOW,
    deviceScaleFactor: SCALE,
    colorScheme: light,
    reducedMotion: 'reduce',
    locale: 'en-GB',
    ...(process.env.TZ ? { timezoneId: process.env.TZ } : {}),
  });
  try {
    const page = await context.newPage();
    await page.goto(link);
    await page.getByRole('main').waitFor();
    return await use(page);
  } finally {
    await context.close();
  }
}

/** Shows one page and waits until it is at rest: fonts there, nothing loading, nothing moving. */
export async function show(page: Page, hash: string, size = WINDOW): Promise<void> {
  await page.setViewportSize(size);
  await page.evaluate((wanted) => {
    location.hash = wanted;
  }, hash);
  await settle(page);
}

export async function settle(page: Page): Promise<void> {
  await page.waitForTimeout(400);
  await page
    .evaluate(async () => {
      await document.fonts.ready;
      await Promise.allSettled(document.getAnimations().map((animation) => animation.finished));
    })
    .catch((error: Error) => {
      // The page left for another while it was asked: then it is asked again below.
      if (!/context was destroyed/i.test(error.message)) throw error;
    });
  await page.mouse.move(0, 0);
}

/** A page that was led to its target is shown from its heading on. */
export async function scrollToTop(page: Page): Promise<void> {
  await page.getByRole('main').evaluate((main) => {
    for (let node: Element | null = main; node; node = node.parentElement) node.scrollTop = 0;
  });
}
