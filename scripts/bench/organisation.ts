import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const env = { ...process.env, GATEHOUSE_PASSPHRASE: 'bench only' };

export interface Server {
  readonly alias: string;
  readonly url?: string;
  readonly command?: readonly string[];
}

const admin = (...args: string[]) =>
  execFileSync(process.execPath, [join(root, 'out/main/admin.js'), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 256 << 20,
  });

/** Publishes an organisation with these servers, the starter policy and as many rules more; answers its folder. */
export function publish(org: string, servers: readonly Server[], rules: number, more = ''): string {
  admin('init', org, '--name', 'Bench');
  for (const { alias, url, command } of servers) {
    const source =
      url === undefined ? ['--stdio', (command ?? []).map((word) => `"${word}"`).join(' ')] : ['--http', url];
    admin('server', 'add', org, ...source, '--alias', alias);
  }
  admin('pin', org);
  const cedar = join(org, 'policy.cedar');
  const extra = Array.from(
    { length: rules },
    (_, index) =>
      `@id("extra-${index}")\n@reason("Rule ${index}.")\nforbid (principal in Group::"nobody-${index}", action in Action::"call", resource);\n`,
  );
  writeFileSync(cedar, `${readFileSync(cedar, 'utf8')}\n${extra.join('\n')}\n${more}`);
  admin('publish', org);
  return org;
}
