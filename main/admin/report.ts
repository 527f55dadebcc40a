import type { AdminResult } from './result.ts';

export const EXIT = { done: 0, refused: 1, usage: 2 } as const;

/** One line for a terminal. Control characters of foreign text (a server's description, a path) never reach it. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) =>
    character === '\n' || character === '\t' ? character : '\uFFFD',
  );
}

export const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10);

/** Prints an outcome for people or scripts and gives the exit code. JSON has times as ISO 8601. */
export function report<T extends object>(
  command: string,
  json: boolean,
  result: AdminResult<T>,
  lines: (value: T) => readonly string[],
): number {
  if (json) {
    const body = result.ok
      ? { ok: true, command, ...result.value }
      : { ok: false, command, code: result.code, problems: result.problems };
    process.stdout.write(`${JSON.stringify(body, forScripts)}\n`);
  } else if (result.ok) {
    process.stdout.write(`${printable(lines(result.value).join('\n'))}\n`);
  } else {
    process.stderr.write(`Refused.\n${result.problems.map((problem) => `  ${printable(problem)}`).join('\n')}\n`);
  }
  return result.ok ? EXIT.done : EXIT.refused;
}

/** Times as ISO 8601. The enrolment is a file of its own; a script is told where, not the whole of it. */
function forScripts(key: string, value: unknown): unknown {
  if (key === 'orgJson') return undefined;
  return key === 'expires' && typeof value === 'number' ? new Date(value).toISOString() : value;
}
