import { ipcMain } from 'electron';
import Store from 'electron-store';
import type { Preferences } from '../ports.ts';

/** The person's small settings, in `<data>/preferences.json`. Throws where the file is broken or cannot be written. */
export function openPreferences(data: string): Preferences {
  const store = new Store<Record<string, unknown>>({
    cwd: data,
    name: 'preferences',
    clearInvalidConfig: false,
    configFileMode: 0o600,
  });
  // electron-store tells any page that asks where the data folder is. Our pages have no use for that.
  ipcMain.removeAllListeners('electron-store-get-data');
  return { get: (key) => store.get(key), set: (key, value) => store.set(key, value) };
}
