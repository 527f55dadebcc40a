import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Log } from '../ports.ts';

const LARGEST = 5 * 1024 * 1024;

/** Diagnostics as JSON lines in `<data>/log/gatehouse.log` (mode 0600), one older file kept; trouble also on stderr when asked. */
export function createFileLog(data: string, troubleOnStderr: boolean): Log {
  const folder = join(data, 'log');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'gatehouse.log');
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LARGEST) renameSync(file, join(folder, 'gatehouse.1.log'));

  // Synchronous: the last line before an end is the one that is needed.
  const streams = [
    { stream: pino.destination({ dest: file, mode: 0o600, sync: true }) },
    ...(troubleOnStderr ? [{ level: 'warn' as const, stream: process.stderr }] : []),
  ];
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.multistream(streams));
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error'): Log['info'] =>
    (event, fields) =>
      logger[level]({ event, ...fields });
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
