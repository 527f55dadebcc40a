/** The part of undici that is used, without the fetch, WebSocket and cache that its entry loads beside it: 15 MB and 50 ms. */
declare module 'undici/lib/dispatcher/pool.js' {
  import type { Pool } from 'undici';

  const PoolOfOneOrigin: typeof Pool;
  export = PoolOfOneOrigin;
}
