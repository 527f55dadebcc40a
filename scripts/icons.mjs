// Draws every PNG in resources/ from the SVG sources beside them. Run it after changing one; the results are committed.
//   node scripts/icons.mjs            needs Chromium: CHROMIUM=/path, a system one, or Playwright's own
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright';

const resources = resolve(import.meta.dirname, '../resources');
const signs = ['calm', 'asking', 'paused', 'problem'];

// The renderer's tokens: ink, amber and rust of the light and the dark theme.
const inks = {
  'on-light': { ink: '#20242a', asking: '#9a5b00', paused: '#565c66', problem: '#a8321f' },
  'on-dark': { ink: '#ece9e3', asking: '#e7ae5a', paused: '#aab0b7', problem: '#ef8d79' },
};

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path && existsSync(path),
);
const browser = await chromium.launch({ ...(executablePath ? { executablePath } : {}) });
const page = await browser.newPage();

async function draw(svg, size, file, colours) {
  await page.setViewportSize({ width: size, height: size });
  const style = `margin:0;color:${colours?.ink ?? '#000'};--accent:${colours?.accent ?? 'currentColor'}`;
  await page.setContent(
    `<body style="${style}">${svg.replace('<svg ', `<svg style="display:block;width:${size}px;height:${size}px" `)}`,
  );
  await page.screenshot({ path: join(resources, file), omitBackground: true });
}

await mkdir(join(resources, 'tray'), { recursive: true });
for (const sign of signs) {
  const svg = await readFile(join(resources, 'sign', `${sign}.svg`), 'utf8');
  await draw(svg, 16, `tray/${sign}Template.png`);
  await draw(svg, 32, `tray/${sign}Template@2x.png`);
  for (const [name, colours] of Object.entries(inks)) {
    const ink = sign === 'paused' || sign === 'problem' ? colours[sign] : colours.ink;
    const look = { ink, accent: colours.asking };
    await draw(svg, 16, `tray/${sign}-${name}.png`, look);
    await draw(svg, 24, `tray/${sign}-${name}@1.5x.png`, look);
    await draw(svg, 32, `tray/${sign}-${name}@2x.png`, look);
    await draw(svg, 32, `tray/${sign}-${name}-32.png`, look);
  }
}
const icon = await readFile(join(resources, 'icon.svg'), 'utf8');
await draw(icon, 1024, 'icon.png');
for (const size of [16, 32, 48, 64, 128, 256, 512]) {
  await mkdir(join(resources, 'icons'), { recursive: true });
  await draw(icon, size, `icons/${size}x${size}.png`);
}
await browser.close();
