import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { barIsDark, type Sign, signOf, trayIconFile } from '../../../main/desktop/tray-icon.ts';

const resources = resolve(import.meta.dirname, '../../../resources');
const signs: Sign[] = ['calm', 'asking', 'paused', 'problem'];

describe('when the tray shows a sign', () => {
  it.each(['darwin', 'win32', 'linux'] as const)('has a file for each sign on %s, light and dark', (platform) => {
    for (const sign of signs) {
      for (const dark of [true, false])
        expect(existsSync(trayIconFile(resources, sign, { platform, dark }))).toBe(true);
    }
  });

  it('gives macOS template images and their sharper halves', () => {
    const file = trayIconFile(resources, 'asking', { platform: 'darwin', dark: true });
    expect(file).toMatch(/askingTemplate\.png$/);
    expect(existsSync(file.replace('.png', '@2x.png'))).toBe(true);
  });

  it('is calm where nothing is set up yet', () => {
    expect(signOf('not-enrolled')).toBe('calm');
    for (const sign of signs) expect(signOf(sign)).toBe(sign);
  });

  it('knows that GNOME’s bar is dark under a light theme', () => {
    expect(barIsDark('linux', 'ubuntu:GNOME', false)).toBe(true);
    expect(barIsDark('linux', 'KDE', false)).toBe(false);
    expect(barIsDark('win32', '', true)).toBe(true);
  });
});
