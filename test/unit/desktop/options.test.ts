import { describe, expect, it } from 'vitest';
import { readOptions } from '../../../main/desktop/options.ts';

const read = (...argv: string[]) => readOptions(argv, '/work');

describe('when the command line is read', () => {
  it('takes every option, with a space or an equals sign, relative to the folder it was called from', () => {
    const expected = { ok: true, value: { data: '/work/d', port: 0, org: '/x/org.json', hidden: true } };
    expect(read('--data', 'd', '--port', '0', '--org', '/x/org.json', '--hidden')).toEqual(expected);
    expect(read('--data=d', '--port=0', '--org=/x/org.json', '--hidden')).toEqual(expected);
  });

  it('leaves the switches of Chromium and Electron and the application folder alone', () => {
    expect(read('--no-sandbox', '--inspect=0', '.', '--ozone-platform=x11')).toEqual({
      ok: true,
      value: { hidden: false },
    });
  });

  it('names every wrong option at once', () => {
    const result = read('--port', '70000', '--data', '--hidden', '--org');
    expect(result.ok).toBe(false);
    expect(result.ok ? [] : result.problems).toEqual([
      '--data needs a value, for example --data ~/gatehouse',
      '--org needs a value, for example --org acme.org.json',
      '--port: expected a number from 0 to 65535, found "70000"',
    ]);
  });

  it.each(['-1', '1e3', '0x10', '99999', '', ' 80', '8 0', 'NaN'])('refuses the port %j', (port) => {
    expect(read(`--port=${port}`).ok).toBe(false);
  });

  it('takes a gatehouse link and forgets an oversized one', () => {
    expect(read('gatehouse://enrol?source=x')).toEqual({
      ok: true,
      value: { hidden: false, link: 'gatehouse://enrol?source=x' },
    });
    expect(read(`gatehouse://${'x'.repeat(5000)}`)).toEqual({ ok: true, value: { hidden: false } });
  });

  it.each([
    ['gatehouse://enrol?source=x', '--org', '/evil/org.json', '--data', '/evil', '--port=1', '--hidden'],
    ['--data=/evil', '--org=/evil/org.json', 'gatehouse://enrol?source=x'],
    ['--data', 'gatehouse://enrol?source=x', '--org', '/evil/org.json'],
    ['gatehouse://enrol?source=x', '--port', '70000', '--data'],
  ])('takes nothing but the link where there is one, since a web page may have written the rest: %j', (...argv) => {
    expect(read(...argv)).toEqual({ ok: true, value: { hidden: false, link: 'gatehouse://enrol?source=x' } });
  });

  it('takes no option beside an oversized link either', () => {
    expect(read('--org=/evil/org.json', `GATEHOUSE://${'x'.repeat(5000)}`)).toEqual({
      ok: true,
      value: { hidden: false },
    });
  });
});
