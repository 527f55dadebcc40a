import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAudit } from '../../main/audit/store.ts';
import { verifyAuditFile } from '../../main/audit/verify.ts';

const writer = fileURLToPath(new URL('./audit-crash-writer.ts', import.meta.url));
const clock = { now: () => Date.now() };
let folder: string;
let file: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-crash-'));
  file = join(folder, 'audit.db');
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A process that writes the record, and what it acknowledged. */
function startWriter(command: string, args: readonly string[]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let output = '';
  let exited = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.once('exit', () => {
    exited = true;
  });
  const closed = once(child, 'close');
  return {
    /** Resolves with the first acknowledgement. */
    async begun(): Promise<void> {
      while (output === '' && !exited) await sleep(5);
      expect(output).not.toBe('');
    },
    kill: () => child.kill('SIGKILL'),
    /** The complete lines, once the process is gone. */
    async lines(): Promise<string[][]> {
      await closed;
      return output
        .slice(0, output.lastIndexOf('\n') + 1)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(' '));
    },
  };
}

function openStore() {
  const opened = openAudit({ file, clock });
  if (!opened.ok) throw new Error(opened.message);
  return opened.value;
}

describe('when Gatehouse is killed at any moment', () => {
  it('has lost no acknowledged row, follows the chain, and closes what was running as interrupted', async () => {
    const begun = new Set<string>();
    const ended = new Set<string>();
    let interruptions = 0;
    for (let round = 0; round < 15; round++) {
      const victim = startWriter(process.execPath, [writer, file]);
      await victim.begun();
      await sleep(Math.random() * 120);
      victim.kill();
      for (const [what, id = ''] of await victim.lines()) (what === 'begin' ? begun : ended).add(id);

      const left = verifyAuditFile(file);
      expect(left).toMatchObject({ ok: true });
      expect(left.rows).toBeGreaterThanOrEqual(begun.size + ended.size);
      const store = openStore();
      const missing = [...begun].filter((id) => store.reader.call(id) === undefined);
      const unfinished = [...ended].filter((id) => store.reader.call(id)?.story.outcome !== 'ok');
      // An end may be committed and its acknowledgement lost with the process, hence "ok" too.
      const running = [...begun].filter((id) => !/^(ok|interrupted)$/.test(store.reader.call(id)?.story.outcome ?? ''));
      expect({ missing, unfinished, running }).toEqual({ missing: [], unfinished: [], running: [] });
      expect(store.reader.calls({ outcome: 'running' })).toEqual([]);
      interruptions += store.reader.calls({ outcome: 'failed', limit: 500 }).length;
      expect(store.reader.verify()).toMatchObject({ ok: true });
      store.close();
    }
    expect(interruptions).toBeGreaterThan(0);
  });

  it('is open to the next writer at once', async () => {
    const first = startWriter(process.execPath, [writer, file]);
    await first.begun();
    expect(openAudit({ file, clock })).toMatchObject({ ok: false, code: 'in-use' });
    first.kill();
    await first.lines();
    openStore().close();
  });
});

describe('when the disk takes no more', () => {
  it('refuses the call, keeps what it acknowledged, and goes on in a later run', async () => {
    if (platform() === 'win32') return;
    // A limit on file size, in kilobytes, is the nearest thing to a full disk that needs no privileges.
    const limited = ['-c', 'ulimit -f 2000; exec "$0" "$@"', process.execPath, writer, file];
    const lines = await startWriter('bash', limited).lines();
    expect(lines.at(-1)).toEqual(['refused', 'AuditUnavailable']);
    const begun = lines.filter(([what]) => what === 'begin').map(([, id = '']) => id);
    expect(begun.length).toBeGreaterThan(0);
    // Started again on the same full disk it stops at its first write, which may be closing the calls left open.
    const again = (await startWriter('bash', limited).lines()).at(-1)?.join(' ');
    expect(['refused AuditUnavailable', 'unopened unwritable']).toContain(again);
    const store = openStore();
    expect(begun.filter((id) => store.reader.call(id) === undefined)).toEqual([]);
    store.writer.append({ kind: 'gateway.started', version: '1.0.0' });
    expect(store.reader.verify()).toMatchObject({ ok: true });
    store.close();
  });
});
