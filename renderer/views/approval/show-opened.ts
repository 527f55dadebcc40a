import type { SyntheticEvent } from 'react';

/** What was just opened comes into sight: it lies below the fold, under the buttons. */
export function showOpened({ currentTarget }: SyntheticEvent<HTMLDetailsElement>): void {
  if (!currentTarget.open) return;
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  currentTarget.scrollIntoView({ block: 'nearest', behavior: still ? 'auto' : 'smooth' });
}
