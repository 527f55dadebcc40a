import type { CSSProperties } from 'react';
import './app-mark.css';

/** Hues away from the risk colours, in degrees of OKLCH. */
const hues = [110, 140, 170, 200, 225, 250, 275, 300, 325, 350];

/** The first letter of an app's or a tool's name on a stone. Decoration: the name stands beside it. */
export function AppMark({
  name,
  size = 'middle',
  quiet = false,
}: {
  name: string;
  size?: 'small' | 'middle' | 'large';
  quiet?: boolean;
}) {
  const letter = /[\p{L}\p{N}]/u.exec(name)?.[0]?.toLocaleUpperCase() ?? '·';
  return (
    <span
      className={`app-mark ${size}${quiet ? ' quiet' : ''}`}
      style={{ '--hue': hueOf(name) } as CSSProperties}
      aria-hidden="true"
    >
      {letter}
    </span>
  );
}

/** The same name has the same tint everywhere and for ever (FNV-1a). */
function hueOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const char of name) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hues[((hash ^ (hash >>> 16)) >>> 0) % hues.length] ?? 200;
}
