import { describe, expect, it } from 'vitest';
import { bridgeArguments, readBridgeOptions } from '../../../main/bridge/options.ts';
import { bridgeCommand, type Here } from '../../../main/ipc/bridge-command.ts';

const here: Here = {
  resources: '/opt/Gatehouse/resources/app.asar/resources',
  data: '/home/a b/.config/Gatehouse',
  endpoint: 'http://127.0.0.1:7717/mcp',
  execPath: '/opt/Gatehouse/gatehouse',
  inElectron: true,
  appImage: undefined,
  isRoot: false,
};
const source = { ...here, resources: '/src/resources', execPath: '/dist/electron' };

describe('when an app that speaks stdio is told what to start', () => {
  it.each([
    ['the packaged app', here, '/opt/Gatehouse/gatehouse bridge --data /home/a b/.config/Gatehouse'],
    [
      'an AppImage',
      { ...here, appImage: '/home/a/G.AppImage' },
      '/home/a/G.AppImage bridge --data /home/a b/.config/Gatehouse',
    ],
    ['Electron from source', source, '/dist/electron /src bridge --data /home/a b/.config/Gatehouse'],
    [
      'the same as root',
      { ...source, isRoot: true },
      '/dist/electron --no-sandbox /src bridge --data /home/a b/.config/Gatehouse',
    ],
    [
      'Node',
      { ...source, inElectron: false, execPath: '/bin/node' },
      '/bin/node /src/out/main/bridge.js --endpoint http://127.0.0.1:7717/mcp',
    ],
  ])('it is %s', (_name, at, line) => {
    const { command, args } = bridgeCommand(at);
    expect([command, ...args].join(' ')).toBe(line);
  });

  it('is understood by what it starts', () => {
    const packaged = bridgeArguments(bridgeCommand(here).args);
    expect(readBridgeOptions(packaged ?? [], '/')).toEqual({ data: here.data, start: 'usual' });
    const fromSource = bridgeArguments(
      bridgeCommand({ ...source, isRoot: true }).args.filter((word) => word !== '/src'),
    );
    expect(readBridgeOptions(fromSource ?? [], '/')).toEqual({ data: here.data, start: 'usual' });
    const [, ...node] = bridgeCommand({ ...source, inElectron: false }).args;
    expect(readBridgeOptions(node, '/')).toMatchObject({ endpoint: new URL(here.endpoint) });
  });
});
