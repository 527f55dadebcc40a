import { isJsonObject, type JsonObject } from '../policy/json.ts';

/** The caller's own token belongs to another hop and would collide with ours: it is replaced or, where no progress is asked for, removed. */
export function withProgressToken(params: JsonObject, token: number | undefined): JsonObject {
  const meta = params._meta;
  if (token !== undefined) return { ...params, _meta: { ...(isJsonObject(meta) ? meta : {}), progressToken: token } };
  if (!isJsonObject(meta) || meta.progressToken === undefined) return params;
  const { progressToken: _, ...rest } = meta;
  return { ...params, _meta: rest };
}
