import { join, resolve, sep } from 'node:path';

/** What an AI app that speaks stdio only starts to reach this Gatehouse. */
export interface BridgeCommand {
  readonly command: string;
  readonly args: string[];
}

export interface Here {
  /** Gatehouse's read-only files; beside them lies what was built. */
  readonly resources: string;
  readonly data: string;
  readonly endpoint: string;
  readonly execPath: string;
  readonly inElectron: boolean;
  /** The AppImage this runs from: its own program is gone when the image is unmounted. */
  readonly appImage: string | undefined;
  readonly isRoot: boolean;
}

/** The data folder tells the bridge the port, also after it changed. Without Electron a port need not be kept, so it is named. */
export function bridgeCommand(here: Here): BridgeCommand {
  const { resources, data, endpoint, execPath, inElectron, appImage, isRoot } = here;
  const root = resolve(resources, '..');
  if (!inElectron) return { command: execPath, args: [join(root, 'out', 'main', 'bridge.js'), '--endpoint', endpoint] };
  if (root.split(sep).includes('app.asar')) return { command: appImage ?? execPath, args: ['bridge', '--data', data] };
  return { command: execPath, args: [...(isRoot ? ['--no-sandbox'] : []), root, 'bridge', '--data', data] };
}
