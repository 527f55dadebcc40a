import { join } from 'node:path';
import type { StatusView } from '../../preload/contract.ts';

export type Sign = 'calm' | 'asking' | 'paused' | 'problem';

/** Which sign a state shows. A computer that has not joined an organisation yet has nothing wrong with it. */
export function signOf(state: StatusView['state']): Sign {
  switch (state) {
    case 'calm':
    case 'asking':
    case 'paused':
    case 'problem':
      return state;
    case 'not-enrolled':
      return 'calm';
    default: {
      const unknown: never = state;
      return unknown;
    }
  }
}

export interface Surroundings {
  readonly platform: NodeJS.Platform;
  /** The bar the icon sits on is dark. */
  readonly dark: boolean;
}

/** Path of the icon; Electron finds the @2x file beside it by itself. macOS colours a template image itself. */
export function trayIconFile(resources: string, sign: Sign, { platform, dark }: Surroundings): string {
  if (platform === 'darwin') return join(resources, 'tray', `${sign}Template.png`);
  const ink = dark ? 'on-dark' : 'on-light';
  // Panels on Linux are taller than the 16 pixels of Windows and take no second scale over D-Bus.
  return join(resources, 'tray', platform === 'linux' ? `${sign}-${ink}-32.png` : `${sign}-${ink}.png`);
}

/** GNOME's panel is dark under a light theme too; elsewhere the panel follows the theme. */
export function barIsDark(platform: NodeJS.Platform, desktop: string, themeIsDark: boolean): boolean {
  return platform === 'linux' && /gnome|unity|pantheon/i.test(desktop) ? true : themeIsDark;
}
