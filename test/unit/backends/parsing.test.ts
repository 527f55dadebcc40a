import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStreamParser } from '../../../main/backends/event-stream.ts';
import { resolveCommand } from '../../../main/backends/launch.ts';
import { LineCutter } from '../../../main/backends/lines.ts';
import { StderrTail } from '../../../main/backends/stderr-tail.ts';

/** The bytes in pieces of any length, empty ones among them. */
const pieces = (bytes: Buffer, cuts: readonly number[]) => {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
};

describe('when bytes arrive in any pieces', () => {
  it('cuts the same lines', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replace(/[\r\n]/g, ''))),
        fc.array(fc.nat()),
        (lines, cuts) => {
          const found: string[] = [];
          const cutter = new LineCutter(1_000_000);
          const bytes = Buffer.from(lines.map((line, index) => `${line}${index % 2 ? '\r\n' : '\n'}`).join(''));
          for (const piece of pieces(bytes, cuts)) cutter.push(piece, (line) => found.push(line.toString('utf8')));
          expect(found).toEqual(lines);
          expect(cutter.rest()).toHaveLength(0);
        },
      ),
    );
  });

  it('refuses a line longer than its bound, wherever it is cut', () => {
    const cutter = new LineCutter(10);
    cutter.push(Buffer.from('123456789\n12345'), () => {});
    expect(() => cutter.push(Buffer.from('678901'), () => {})).toThrow(RangeError);
  });

  it('finds the same events', () => {
    const stream =
      '\uFEFF: note\nid: 1\nevent: message\ndata: {"a":\ndata: "é"}\n\nretry: 1500\n\ndata:x\n\nevent: ping\ndata: y\n\nid: 2\n\ndata: cut off';
    fc.assert(
      fc.property(fc.array(fc.nat()), (cuts) => {
        const events: unknown[] = [];
        const parser = new EventStreamParser((event) => events.push(event));
        for (const piece of pieces(Buffer.from(stream), cuts)) parser.push(piece);
        expect(events).toEqual([
          { type: 'message', data: '{"a":\n"é"}' },
          { type: 'message', data: 'x' },
          { type: 'ping', data: 'y' },
        ]);
        expect(parser.lastEventId).toBe('2');
        expect(parser.retryMs).toBe(1_500);
      }),
    );
  });
});

describe('when stderr is kept', () => {
  it('is one line as long as it is not ended, and the last 200 after', () => {
    const tail = new StderrTail();
    tail.push('par');
    tail.push('tial');
    expect(tail.last()).toBe('partial');
    tail.push(` line\n${'x\n'.repeat(250)}`);
    expect(tail.lines()).toHaveLength(200);
  });
});

describe('when a command is resolved on Windows', () => {
  const installed = new Set(['C:\\node\\node.exe', 'C:\\node\\node_modules\\npm\\bin\\npx-cli.js']);
  const resolve = (command: string, PATH = 'C:\\other;C:\\node') =>
    resolveCommand(command, ['-y', 'pkg@1.0.0'], { PATH }, 'win32', (file) => installed.has(file));

  it.each(['npx', 'npx.cmd', 'NPX', 'C:\\node\\npx.cmd'])(
    "runs npm's own script instead of the batch file %s",
    (command) => {
      expect(resolve(command)).toEqual({
        ok: true,
        command: 'C:\\node\\node.exe',
        args: ['C:\\node\\node_modules\\npm\\bin\\npx-cli.js', '-y', 'pkg@1.0.0'],
      });
    },
  );

  it('says so where npx is not installed', () => {
    expect(resolve('npx', 'C:\\other')).toMatchObject({
      ok: false,
      message: expect.stringContaining('ask IT to install Node.js'),
    });
  });

  it.each(['server.cmd', 'C:\\x\\run.BAT'])('refuses the batch file %s, which needs a shell', (command) => {
    expect(resolve(command)).toMatchObject({ ok: false });
  });

  it('leaves programs as they are', () => {
    expect(resolve('C:\\x\\uvx.exe')).toEqual({ ok: true, command: 'C:\\x\\uvx.exe', args: ['-y', 'pkg@1.0.0'] });
  });
});
