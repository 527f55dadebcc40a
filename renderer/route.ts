import { useSyncExternalStore } from 'react';

const pages = ['home', 'tools', 'apps', 'activity', 'approval', 'welcome'] as const;

export type Page = (typeof pages)[number];
export interface Route {
  readonly page: Page;
  readonly target?: string;
}

/** "#/activity/<callId>" → page and target. Anything unknown is Home. */
export function parseRoute(hash: string): Route {
  const [name, ...rest] = hash.replace(/^#\/?/u, '').split('/');
  const page = pages.find((known) => known === name) ?? 'home';
  const target = decode(rest.join('/'));
  return target ? { page, target } : { page };
}

export function href(page: Page, target?: string): string {
  return target === undefined ? `#/${page}` : `#/${page}/${encodeURIComponent(target)}`;
}

export function go(page: Page, target?: string): void {
  location.hash = href(page, target);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(watchHash, () => location.hash);
  return parseRoute(hash);
}

function watchHash(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A half-written escape in a pasted address names nothing.
    return '';
  }
}
