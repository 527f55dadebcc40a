import { isJsonObject, type JsonObject } from '../policy/json.ts';
import { SUBSCRIPTION_ID_META_KEY } from './revision-names.ts';

/** Which `subscriptions/listen` request a notification belongs to (2026-07-28, Subscriptions, §Receiving notifications); our ids are numbers. */
export function subscriptionOf(params: JsonObject): number | undefined {
  const id = isJsonObject(params._meta) ? params._meta[SUBSCRIPTION_ID_META_KEY] : undefined;
  if (id === undefined) return undefined;
  // An id that no request of ours has belongs to none.
  return typeof id === 'number' ? id : -1;
}

/** The id is this hop's own, like the ids of requests. */
export function withoutSubscription(params: JsonObject): JsonObject {
  if (!isJsonObject(params._meta) || params._meta[SUBSCRIPTION_ID_META_KEY] === undefined) return params;
  const { [SUBSCRIPTION_ID_META_KEY]: _, ...meta } = params._meta;
  if (Object.keys(meta).length > 0) return { ...params, _meta: meta };
  const { _meta, ...rest } = params;
  return rest;
}
