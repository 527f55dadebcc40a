import { Menu, nativeImage, nativeTheme, Tray } from 'electron';
import type { App } from '../app.ts';
import { barIsDark, signOf, trayIconFile } from './tray-icon.ts';
import { buildTrayMenu, type TrayActions, trayTooltip } from './tray-menu.ts';

/** The age of the policy is told in minutes. */
const REFRESH_MS = 30_000;
/** Several changes in a row make one new menu. */
const SETTLE_MS = 50;

export interface TrayHandle {
  refresh(): void;
  close(): void;
}

/** Where staff live: the sign says how things are, the menu what can be done. */
export function createTray(app: App, resources: string, actions: TrayActions): TrayHandle {
  const image = () => {
    const dark = barIsDark(process.platform, process.env.XDG_CURRENT_DESKTOP ?? '', darkBar());
    return trayIconFile(resources, signOf(app.status().state), { platform: process.platform, dark });
  };
  let shownIcon = image();
  const tray = new Tray(nativeImage.createFromPath(shownIcon));
  let shownMenu = '';
  let shownTooltip = '';

  const draw = () => {
    const status = app.status();
    const icon = image();
    if (icon !== shownIcon) {
      shownIcon = icon;
      tray.setImage(nativeImage.createFromPath(icon));
    }
    const tooltip = trayTooltip(status);
    if (tooltip !== shownTooltip) {
      shownTooltip = tooltip;
      tray.setToolTip(tooltip);
    }
    const template = buildTrayMenu({ status, toolSets: app.toolSets(), apps: app.apps(), now: Date.now() }, actions);
    // A menu that is open closes when it is replaced: only when something it says is different.
    const menu = JSON.stringify(template);
    if (menu === shownMenu) return;
    shownMenu = menu;
    tray.setContextMenu(Menu.buildFromTemplate(template));
  };

  let settle: NodeJS.Timeout | undefined;
  const refresh = () => {
    clearTimeout(settle);
    settle = setTimeout(draw, SETTLE_MS);
  };
  draw();
  // On macOS a click opens the menu.
  if (process.platform !== 'darwin') tray.on('click', () => actions.open());
  const unsubscribe = app.onEvent((name) => {
    if (name === 'changed') refresh();
  });
  nativeTheme.on('updated', refresh);
  const timer = setInterval(draw, REFRESH_MS);

  return {
    refresh() {
      // A checkbox that was clicked shows the click, not what became of it: forget what is shown.
      shownMenu = '';
      refresh();
    },
    close() {
      clearTimeout(settle);
      clearInterval(timer);
      unsubscribe();
      nativeTheme.off('updated', refresh);
      tray.destroy();
    },
  };
}

/** Windows colours its taskbar apart from its apps; older Electron does not tell. */
function darkBar(): boolean {
  const system: unknown = Reflect.get(nativeTheme, 'shouldUseDarkColorsForSystemIntegratedUI');
  return process.platform === 'win32' && typeof system === 'boolean' ? system : nativeTheme.shouldUseDarkColors;
}
