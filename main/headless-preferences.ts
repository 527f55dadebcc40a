import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isJsonObject, type JsonObject } from './policy/json.ts';
import type { Preferences } from './ports.ts';
import { writeFileAtomically } from './trust/files.ts';

/**
 * The small settings of a Gatehouse without windows, in `<data>/preferences.json`: the same file electron-store keeps for one with windows. A
 * broken file is left as it is: it holds which apps have a token, and only the person can say that it may go.
 */
export function openPreferences(data: string): Preferences | string {
  const file = join(data, 'preferences.json');
  try {
    read(file);
  } catch (error) {
    return `${problemOf(file, error)} Put back a copy of the file, or remove it and give each AI app a new token.`;
  }
  const current = () => {
    try {
      return read(file);
    } catch (error) {
      throw new Error(problemOf(file, error), { cause: error });
    }
  };
  return {
    get: (key) => (Object.hasOwn(current(), key) ? current()[key] : undefined),
    set(key, value) {
      const next = { ...current(), [key]: value };
      try {
        writeFileAtomically(file, JSON.stringify(next, undefined, '\t'));
      } catch (error) {
        throw new Error(`The settings in ${file} cannot be written: ${messageOf(error)}.`, { cause: error });
      }
    },
  };
}

/** Empty where there is none yet. */
function read(file: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
  const found: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
  if (!isJsonObject(found)) throw new SyntaxError('another kind of JSON value');
  return found;
}

function problemOf(file: string, error: unknown): string {
  const found = error instanceof SyntaxError ? `something else (${error.message})` : messageOf(error);
  return `The settings in ${file} cannot be read: expected a JSON object, found ${found}.`;
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
