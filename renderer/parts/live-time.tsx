import { useNow } from '../live.ts';
import { formatAgo, formatMoment } from '../words/format.ts';

/** "2 min ago", kept true; the exact moment on hover. */
export function Ago({ at }: { at: number }) {
  const now = useNow(20_000);
  return (
    <time dateTime={new Date(at).toISOString()} title={formatMoment(at)}>
      {formatAgo(at, now)}
    </time>
  );
}
