import type { PolicySnapshot } from '../policy/decide.ts';
import type { Switches } from './switches.ts';

/** What the person switched off is not offered: a smaller manifest under the same signed rules, never a larger one. */
export function offeredSnapshots(switches: Switches): (snapshot: PolicySnapshot) => PolicySnapshot {
  let last: { source: PolicySnapshot; off: string; offered: PolicySnapshot } | undefined;
  return (source) => {
    const off = switches.off().join('\n');
    if (last?.source === source && last.off === off) return last.offered;
    const servers = source.manifest.servers.filter((server) => !switches.isOff(server.alias));
    const offered =
      servers.length === source.manifest.servers.length
        ? source
        : { ...source, manifest: { ...source.manifest, servers, named: source.manifest.servers } };
    last = { source, off, offered };
    return offered;
  };
}
