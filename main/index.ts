import { app } from 'electron';
import { bridgeArguments } from './bridge/options.ts';

// From source, Electron's own first word is the app's folder.
const words = process.argv.slice(1);
const folder = app.isPackaged ? -1 : words.findIndex((word) => !word.startsWith('-'));
const bridge = bridgeArguments(words.filter((_word, at) => at !== folder));

// One or the other: every AI app that speaks stdio runs a bridge, which needs nothing of what a window does. Electron is not ready before the
// top level of this module has ended, so what must happen before "ready" still does.
if (bridge === undefined) await import('./desktop-app.ts');
else (await import('./electron-bridge.ts')).bridgeInElectron(bridge);
