import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isJsonObject } from '../policy/json.ts';
import { parse } from './message.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The desktop app's own, unless its settings say otherwise. */
const defaultPort = 7717;

/** The desktop app's data folder on this system. */
export function defaultDataFolder(env: Environment, platform: NodeJS.Platform = process.platform): string {
  const home = env.HOME || homedir();
  switch (platform) {
    case 'darwin':
      return join(home, 'Library', 'Application Support', 'Gatehouse');
    case 'win32':
      return join(env.APPDATA ?? join(home, 'AppData', 'Roaming'), 'Gatehouse');
    default:
      return join(env.XDG_CONFIG_HOME || join(home, '.config'), 'Gatehouse');
  }
}

/** Where Gatehouse with this data folder listens. Read each time it is looked for: a restart may have changed it. */
export function endpointIn(data: string): URL {
  return new URL(`http://127.0.0.1:${portIn(data) ?? defaultPort}/mcp`);
}

function portIn(data: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(join(data, 'preferences.json'), 'utf8');
  } catch {
    // Not started here yet: it will take the default.
    return undefined;
  }
  const settings = parse(text);
  const desktop = isJsonObject(settings) ? settings.desktop : undefined;
  const port = isJsonObject(desktop) ? desktop.port : undefined;
  return typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65_535 ? port : undefined;
}

/** Loopback only: the key must not leave this computer, and plain HTTP is fit for nothing else. */
export function parseEndpoint(text: string): URL | string {
  if (!URL.canParse(text)) return `expected --endpoint like http://127.0.0.1:${defaultPort}/mcp, found "${text}"`;
  const url = new URL(text);
  const loopback = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  if (url.protocol !== 'http:' || !loopback || url.username !== '' || url.search !== '' || url.hash !== '')
    return `expected --endpoint on this computer, like http://127.0.0.1:${defaultPort}/mcp, found "${text}"`;
  if (url.pathname === '/') url.pathname = '/mcp';
  return url;
}

/** Names a session of the desktop needs and a library may withhold from what it starts. */
const sessionNames = [
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'XAUTHORITY',
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'XDG_SESSION_TYPE',
  'XDG_CURRENT_DESKTOP',
  'DBUS_SESSION_BUS_ADDRESS',
  'LANG',
];

/**
 * MCP libraries start servers with a handful of variables only, and none of those that say where the person's screen and settings are. On Linux
 * the app that started us has them: without them Gatehouse could neither be found nor started.
 */
export function sessionEnvironment(env: Environment, parent = process.ppid): Environment {
  if (process.platform !== 'linux') return env;
  let given: readonly string[];
  try {
    given = readFileSync(`/proc/${parent}/environ`, 'utf8').split('\0');
  } catch {
    // Another account's process, or gone: what we were given has to do.
    return env;
  }
  const more: Record<string, string> = {};
  for (const name of sessionNames) {
    if (env[name] !== undefined) continue;
    const line = given.find((each) => each.startsWith(`${name}=`));
    if (line !== undefined) more[name] = line.slice(name.length + 1);
  }
  return { ...env, ...more };
}
