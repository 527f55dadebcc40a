import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** A room's value imports. Types may be taken from any room of main: they vanish when built. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'main/policy': [],
  'main/audit': ['main/policy'],
  'main/backends': ['main/policy'],
  'main/trust': ['main/policy'],
  'main/identity': ['main/policy'],
  'main/person': [],
  'main/approvals': ['main/policy'],
  'main/gateway': ['main/policy'],
  // Every AI app that speaks stdio runs a copy of it: it loads as little as it can.
  'main/bridge': ['main/policy'],
  'main/admin': ['main/policy', 'main/trust', 'main/backends', 'main/audit'],
  'main/ipc': ['main/policy', 'preload'],
  // The machine's own enrolment is part of what the outside supplies.
  'main/desktop': ['main/ipc', 'main/trust'],
  main: [
    'main/policy',
    'main/audit',
    'main/backends',
    'main/trust',
    'main/identity',
    'main/person',
    'main/approvals',
    'main/gateway',
    'main/bridge',
    'main/admin',
    'main/ipc',
    'main/desktop',
  ],
  preload: [],
  renderer: ['renderer/views', 'renderer/parts', 'renderer/words'],
  'renderer/parts': ['renderer', 'renderer/words'],
  'renderer/words': [],
  'renderer/views': ['renderer', 'renderer/parts', 'renderer/words'],
};

/** Data in, verdict out: no disk, no network, no clock, no platform. Hashing is a pure function. */
const PURE = [/^main\/policy\//, /^main\/guard\//, /\/chain\.ts$/, /^main\/gateway\/(admit|era)\.ts$/];
const PURE_BUILTINS = new Set(['node:crypto']);

const MAY_IMPORT_ELECTRON = [
  /^main\/(index|desktop-app|electron-bridge)\.ts$/,
  /^main\/desktop\//,
  /^main\/ipc\/electron\.ts$/,
  /^preload\/index\.ts$/,
];

interface Import {
  readonly file: string;
  readonly from: string;
  readonly typeOnly: boolean;
}

const sources = ['main', 'preload', 'renderer'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
    .map((path) => join(folder, path).split(sep).join('/')),
);

function readImports(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const statements = text.matchAll(/^\s*(?:import|export)\s+(type\s+)?([^;'"]*?)\s*(?:from\s+)?['"]([^'"]+)['"]/gm);
  const dynamic = text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g);
  return [
    ...[...statements].map(([, type, names = '', from = '']) => ({
      file,
      from,
      typeOnly: type !== undefined || onlyTypes(names),
    })),
    ...[...dynamic].map(([, from = '']) => ({ file, from, typeOnly: false })),
  ];
}

function onlyTypes(names: string): boolean {
  const inner = /^\{(.*)\}$/s.exec(names.trim())?.[1];
  return inner?.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')) ?? false;
}

const roomOf = (file: string): string => {
  const parts = dirname(file).split('/');
  if (parts[0] === 'renderer') return parts.slice(0, Math.min(2, parts.length)).join('/');
  return parts.slice(0, 2).join('/');
};

const target = (one: Import): string =>
  relative(root, resolve(root, dirname(one.file), one.from))
    .split(sep)
    .join('/');
const imports = sources.flatMap(readImports);
const local = imports.filter(({ from }) => from.startsWith('.'));
const show = (list: readonly Import[]) => list.map(({ file, from }) => `${file} imports ${from}`);

describe('the house', () => {
  it('has no room that is not listed here', () => {
    expect([...new Set(sources.map(roomOf))].filter((room) => !Object.hasOwn(MAY_IMPORT, room))).toEqual([]);
  });

  it('lets a room import only what the plan allows it', () => {
    const wrong = local.filter((one) => {
      const from = roomOf(one.file);
      const to = roomOf(target(one));
      if (from === to || one.from.endsWith('.css')) return false;
      if (one.typeOnly && from.startsWith('main') && (to.startsWith('main') || to === 'preload')) return false;
      if (one.typeOnly && to === 'main' && from.startsWith('main')) return false;
      if (one.typeOnly && from.startsWith('renderer') && target(one) === 'preload/contract.ts') return false;
      if (one.typeOnly && (from === 'preload' || (from.startsWith('renderer') && to.startsWith('renderer'))))
        return false;
      return !MAY_IMPORT[from]?.includes(to);
    });
    expect(show(wrong)).toEqual([]);
  });

  it('keeps policy, chain, admission and era free of input, output and platform', () => {
    const wrong = imports.filter(
      ({ file, from, typeOnly }) =>
        PURE.some((pure) => pure.test(file)) &&
        !typeOnly &&
        (from === 'electron' || (from.startsWith('node:') && !PURE_BUILTINS.has(from))),
    );
    expect(show(wrong)).toEqual([]);
    const clocks = sources.filter(
      (file) =>
        PURE.some((pure) => pure.test(file)) &&
        /\b(Date\.now|new Date\(\)|Math\.random|randomBytes|randomUUID|setTimeout)\b/.test(
          readFileSync(join(root, file), 'utf8'),
        ),
    );
    expect(clocks).toEqual([]);
  });

  it('imports Electron only in the entry, the desktop room, the Electron half of the bridge and the preload', () => {
    const wrong = imports.filter(
      ({ file, from }) => /^electron(\/|$)/.test(from) && !MAY_IMPORT_ELECTRON.some((allowed) => allowed.test(file)),
    );
    expect(show(wrong)).toEqual([]);
  });

  it('keeps Node and main out of the renderer', () => {
    const wrong = imports.filter(
      (one) =>
        one.file.startsWith('renderer/') &&
        (one.from.startsWith('node:') || (one.from.startsWith('.') && target(one).startsWith('main/'))),
    );
    expect(show(wrong)).toEqual([]);
  });

  it('has one importer of the Cedar engine and one of the database', () => {
    const importers = (name: RegExp) => [
      ...new Set(imports.filter(({ from, typeOnly }) => name.test(from) && !typeOnly).map(({ file }) => file)),
    ];
    expect(importers(/cedar-wasm/)).toEqual(['main/policy/cedar.ts']);
    expect(importers(/^better-sqlite3$/).every((file) => file.startsWith('main/audit/'))).toBe(true);
  });
});
