import { ipcMain } from 'electron';
import Store from 'electron-store';
import type { Preferences } from '../ports.ts';

/** The person's small settings, in `<data>/preferences.json`. Throws, with what to do, where the file is broken. */
export function openPreferences(data: string): Preferences {
  const store = open(data);
  // electron-store tells any page that asks where the data folder is. Our pages have no use for that.
  ipcMain.removeAllListeners('electron-store-get-data');
  return { get: (key) => store.get(key), set: (key, value) => store.set(key, value) };
}

function open(data: string): Store<Record<string, unknown>> {
  try {
    return new Store<Record<string, unknown>>({
      cwd: data,
      name: 'preferences',
      // AI apps' tokens are known by this file: a broken one is mended by a person, not emptied.
      clearInvalidConfig: false,
      configFileMode: 0o600,
    });
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The settings in ${data}/preferences.json cannot be used: ${found}. Mend that file, or move it away.`,
    );
  }
}
