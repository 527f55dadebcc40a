import { describe, expect, it } from 'vitest';
import { splitCommand } from '../../../main/admin/command-line.ts';

describe('when a command is written as text', () => {
  it.each([
    ['node server.js', ['node', 'server.js']],
    ['  node\t server.js  ', ['node', 'server.js']],
    ['"/opt/my tools/run" \'a b\' c', ['/opt/my tools/run', 'a b', 'c']],
    ['node --name="a b"', ['node', '--name=a b']],
    ['node "" \'\'', ['node', '', '']],
    ['node "say \\"hi\\" \\\\ there"', ['node', 'say "hi" \\ there']],
    ["node 'back\\slash'", ['node', 'back\\slash']],
    ['C:\\tools\\run.exe C:\\data', ['C:\\tools\\run.exe', 'C:\\data']],
    [
      'node $(rm -rf ~) `x` $HOME ; a && b | c > d',
      ['node', '$(rm', '-rf', '~)', '`x`', '$HOME', ';', 'a', '&&', 'b', '|', 'c', '>', 'd'],
    ],
  ])('splits %s', (text, argv) => {
    expect(splitCommand(text)).toEqual({ ok: true, argv });
  });

  it.each(['', '   ', '""', '"node', "node 'x"])('refuses %j', (text) => {
    expect(splitCommand(text).ok).toBe(false);
  });
});
