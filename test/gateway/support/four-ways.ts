import type { Json, JsonObject } from '../../../main/policy/json.ts';
import { type Era, Puppet, type PuppetPlan } from '../../fixtures/servers/puppet.ts';
import { type House, type HouseOptions, openHouse } from './house.ts';
import { type App, openApp } from './raw-apps.ts';

/** Apps of both eras over servers of both eras on both transports, on the endpoint of the server and on the one that merges all. */

export interface Way {
  readonly app: App;
  readonly server: Era;
  readonly puppet: Puppet;
  readonly merged: boolean;
  /** The server's own name or address as it is written on this endpoint. */
  wire(name: string): string;
  wireUri(uri: string): string;
}

export interface Ways {
  readonly house: House;
  readonly puppets: readonly Puppet[];
  /** Every pairing: what a test is told of it and how to get there. */
  each(work: (way: Way) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export const everyAbility: JsonObject = {
  elicitation: { form: {}, url: {} },
  sampling: {},
  roots: { listChanged: true },
  extensions: { 'io.modelcontextprotocol/tasks': {} },
};

export async function openWays(
  plan: Omit<PuppetPlan, 'era' | 'transport'>,
  options: Omit<HouseOptions, 'servers'> & { readonly streams?: boolean } = {},
): Promise<Ways> {
  const kinds = (['legacy', 'modern'] as const).flatMap((era) =>
    (['stdio', 'http'] as const).map((transport) => ({ ...plan, era, transport })),
  );
  const puppets = await Promise.all(kinds.map((kind) => Puppet.start(kind)));
  const aliasOf = ({ plan: { era, transport } }: Puppet) => `${era}-${transport}`;
  const servers = Object.fromEntries(puppets.map((puppet) => [aliasOf(puppet), puppet.approved]));
  const house = await openHouse({ ...options, servers });
  const apps = new Map<string, Promise<App>>();
  const appOf = (era: Era, suffix: string) => {
    const key = `${era} ${suffix}`;
    const app = apps.get(key) ?? openApp(era, house, { capabilities: everyAbility, suffix });
    apps.set(key, app);
    return app;
  };
  return {
    house,
    puppets,
    async each(work) {
      for (const puppet of puppets) {
        const alias = aliasOf(puppet);
        for (const era of ['legacy', 'modern'] as const) {
          for (const suffix of [`/~${alias}`, '']) {
            const merged = suffix === '';
            const app = await appOf(era, suffix);
            const way: Way = {
              app,
              server: puppet.plan.era,
              puppet,
              merged,
              wire: (name) => (merged ? `${alias}__${name}` : name),
              wireUri: (uri) => (merged ? `${alias}+${uri}` : uri),
            };
            try {
              await work(way);
            } catch (error) {
              throw new Error(`${era} app, ${alias} server, ${merged ? '/mcp' : suffix}: ${String(error)}`, {
                cause: error,
              });
            }
          }
        }
      }
    },
    async close() {
      await house.close();
      await Promise.all(puppets.map((puppet) => puppet.close()));
    },
  };
}

/** What each hop says for itself in `_meta`. */
const hop: ReadonlySet<string> = new Set([
  'io.modelcontextprotocol/protocolVersion',
  'io.modelcontextprotocol/clientInfo',
  'io.modelcontextprotocol/clientCapabilities',
  'io.modelcontextprotocol/logLevel',
  'progressToken',
]);

/** Params without what belongs to one hop, and without a `_meta` that held nothing else. */
export function withoutHop(params: JsonObject): JsonObject {
  const { _meta: meta } = params;
  if (typeof meta !== 'object' || meta === null) return params;
  const kept = Object.entries(meta as Record<string, Json>).filter(([key]) => !hop.has(key));
  const { _meta, ...rest } = params;
  return kept.length === 0 ? rest : { ...params, _meta: Object.fromEntries(kept) };
}
