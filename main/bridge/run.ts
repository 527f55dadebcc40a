import type { Readable, Writable } from 'node:stream';
import { Gate } from './gate.ts';
import { Lines } from './lines.ts';
import { type Key, Link } from './link.ts';
import { type BridgeOptions, readBridgeOptions, usage } from './options.ts';
import { Output } from './output.ts';
import { defaultDataFolder, type Environment, endpointIn, sessionEnvironment } from './place.ts';
import { Relay } from './relay.ts';
import { startDetached } from './start.ts';
import { tokenFromFile, tokenFromText } from './token.ts';

/** Exit codes: the app closed its end; Gatehouse could not be reached; the arguments or the key cannot be used. */
export const exit = { done: 0, failed: 1, usage: 2 } as const;

/** Longest line of the app: as long as the longest message an organisation may let Gatehouse take. */
const lineBytes = 64 << 20;
const answersMs = 5_000;

export interface BridgeParts {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Somebody ends this process. */
  readonly stop: AbortSignal;
  readonly say: (sentence: string) => void;
  /** What starts this Gatehouse; undefined where nothing here can. */
  readonly start: readonly string[] | undefined;
  /** Bounds in milliseconds that tests make short. */
  readonly waitMs?: number;
  readonly startMs?: number;
}

/** Relays one AI app that speaks stdio to Gatehouse's endpoint; resolves with the exit code. */
export async function runBridge(parts: BridgeParts): Promise<number> {
  const { say, env: given } = parts;
  const options = readBridgeOptions(parts.argv, parts.cwd);
  if (typeof options === 'string') {
    say(`${options}\n${usage}`);
    return exit.usage;
  }
  const key = readKey(options, given);
  if (typeof key === 'string') {
    say(key);
    return exit.usage;
  }
  // What is started from here has no business with the key.
  delete given.GATEHOUSE_TOKEN;
  const env = sessionEnvironment(given);
  const command = commandOf(options, parts.start);
  const gate = new Gate({
    endpoint: () => endpointOf(options, env),
    start: command && (() => startDetached(command, env, say)),
    say,
    waitMs: parts.waitMs ?? 30_000,
    startMs: parts.startMs ?? 60_000,
  });
  return relay(parts, new Link(gate, key));
}

function relay({ stdin, stdout, stop, say }: BridgeParts, link: Link): Promise<number> {
  return new Promise((resolve) => {
    let ending = false;
    const end = (code: number, sentence: string | undefined, last: () => Promise<void>) => {
      if (ending) return;
      ending = true;
      if (sentence !== undefined) say(sentence);
      last()
        .then(() => output.flush(1_000))
        .then(
          () => resolve(code),
          (error: unknown) => {
            say(String(error));
            resolve(exit.failed);
          },
        );
    };
    const output = new Output(stdout, () => end(exit.done, undefined, () => relay.stop(500)));
    const relay = new Relay({
      link,
      output,
      say,
      giveUp: (sentence) => end(exit.failed, sentence, () => relay.stop(500)),
    });
    stop.addEventListener('abort', () => {
      // Also while the last answers are waited for: whoever ends us does not wait with us.
      void relay.stop(500);
      end(exit.done, undefined, () => Promise.resolve());
    });
    read(stdin, relay).then(
      () => end(exit.done, undefined, () => relay.finish(answersMs)),
      (error: unknown) => end(exit.failed, `The app's messages cannot be read: ${error}`, () => relay.stop(500)),
    );
  });
}

async function read(stdin: Readable, relay: Relay): Promise<void> {
  let tooLong = false;
  const lines = new Lines(lineBytes, () => {
    tooLong = true;
  });
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    for (const line of lines.push(chunk)) await relay.take(line);
    if (!tooLong) continue;
    tooLong = false;
    await relay.tooLong(lineBytes);
  }
}

function commandOf(
  { start, data }: BridgeOptions,
  usual: readonly string[] | undefined,
): readonly string[] | undefined {
  if (start === 'never') return undefined;
  if (start !== 'usual') return start;
  return usual === undefined || data === undefined ? usual : [...usual, '--data', data];
}

function endpointOf({ endpoint, profile, data }: BridgeOptions, env: Environment): URL {
  const url = endpoint ?? endpointIn(data ?? defaultDataFolder(env));
  return profile === undefined ? url : new URL(`/mcp/${profile}`, url);
}

/** A sentence where there is no key to use. */
function readKey({ tokenFile }: BridgeOptions, env: Environment): Key | string {
  if (tokenFile === undefined) {
    const { GATEHOUSE_TOKEN: text } = env;
    if (text === undefined || text === '')
      return `This app has no key for Gatehouse: expected --token-file FILE or the variable GATEHOUSE_TOKEN, found neither. Open Gatehouse, go to Apps and add this app.`;
    const read = tokenFromText(text, 'The variable GATEHOUSE_TOKEN');
    return read.ok ? { token: read.token, renew: () => false } : read.message;
  }
  const first = tokenFromFile(tokenFile);
  if (!first.ok) return first.message;
  const key: Key = {
    token: first.token,
    renew: () => {
      const now = tokenFromFile(tokenFile);
      if (!now.ok || now.token === key.token) return false;
      key.token = now.token;
      return true;
    },
  };
  return key;
}
