import type { LogFields } from './ports.ts';

/** Diagnostics as one JSON line each on stderr; stdout belongs to the ready line. */
export function writeLog(level: 'debug' | 'info' | 'warn' | 'error'): (event: string, fields?: LogFields) => void {
  const shown = level !== 'debug' || process.env.GATEHOUSE_DEBUG === '1';
  return (event, fields) => {
    if (shown) process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
  };
}
