import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPreferences } from '../../main/headless-preferences.ts';
import type { Preferences } from '../../main/ports.ts';

let data: string;
let file: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'gatehouse-preferences-'));
  file = join(data, 'preferences.json');
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

function open(): Preferences {
  const opened = openPreferences(data);
  if (typeof opened === 'string') throw new Error(opened);
  return opened;
}

describe('the settings of a Gatehouse without windows', () => {
  it('are empty at first, kept over a restart, and nobody else’s to read', () => {
    const first = open();
    expect(first.get('apps')).toBeUndefined();
    first.set('apps', [{ name: 'Cursor' }]);
    first.set('pausedUntil', null);
    const second = open();
    expect(second.get('apps')).toEqual([{ name: 'Cursor' }]);
    expect(second.get('pausedUntil')).toBeNull();
    expect(second.get('toString')).toBeUndefined();
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('keep what others put there, and take a byte order mark', () => {
    writeFileSync(file, '\uFEFF{"desktop":{"port":7777}}');
    open().set('pausedUntil', false);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ desktop: { port: 7777 }, pausedUntil: false });
  });

  it.each(['{"apps": [', 'null', '[1]', '"text"', ''])('are left alone when they are %j', (text) => {
    writeFileSync(file, text);
    expect(openPreferences(data)).toContain(`The settings in ${file} cannot be read: expected a JSON object`);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('say which file it is when it breaks, or cannot be written, while they are open', () => {
    const opened = open();
    writeFileSync(file, '{}}');
    expect(() => opened.get('apps')).toThrow(file);
    expect(() => opened.set('apps', [])).toThrow(file);
    expect(readFileSync(file, 'utf8')).toBe('{}}');
    rmSync(file);
    mkdirSync(file);
    expect(() => opened.set('apps', [])).toThrow(file);
  });
});
