import type { LogFields } from './ports.ts';

/** Diagnostics as one JSON line each on stderr; stdout belongs to the ready line. Never throws. */
export function writeLog(level: 'debug' | 'info' | 'warn' | 'error'): (event: string, fields?: LogFields) => void {
  const shown = level !== 'debug' || process.env.GATEHOUSE_DEBUG === '1';
  return (event, fields) => {
    if (shown) process.stderr.write(`${logLine(level, event, fields)}\n`);
  };
}

/** A field can neither hide what happened and when, nor keep the line from being written. */
export function logLine(level: string, event: string, fields: LogFields = {}, at = new Date()): string {
  const own = { time: at.toISOString(), level, event };
  try {
    return JSON.stringify({ ...own, ...fields, ...own }, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value instanceof Error ? (value.stack ?? value.message) : value,
    );
  } catch (error) {
    // A field that refers to itself, or whose own toJSON throws.
    return JSON.stringify({ ...own, unwritable: error instanceof Error ? error.message : String(error) });
  }
}

/** Whoever started this may stop reading (EPIPE): calls go on, and the record is elsewhere. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
