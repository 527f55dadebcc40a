import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { CallView } from '../../../preload/contract.ts';
import { useNow } from '../../live.ts';
import { CallSentence } from '../../parts/call-sentence.tsx';
import { OutcomeChip } from '../../parts/chips.tsx';
import { Icon } from '../../parts/icon.tsx';
import { href } from '../../route.ts';
import { words } from '../../words/current.ts';
import { formatDuration, formatMoment, formatWhen } from '../../words/format.ts';
import type { Calls } from './use-calls.ts';

const rowHeight = 45;
/** Beside an open story a row has its sentence above its time, length and outcome; this is one with one line of sentence. */
const tallRowHeight = 65;
/** The next page is asked for this many rows before the end. */
const ahead = 60;
const keySteps: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -Infinity,
  End: Infinity,
};

interface Props {
  readonly rows: readonly CallView[];
  readonly calls: Calls;
  readonly selected: string | undefined;
  readonly onHeld: (held: boolean) => void;
}

/** Draws only the rows in sight. One row takes part in the tab order; arrows move within. */
export function CallList({ rows, calls, selected, onHeld }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const now = useNow(60_000);
  const [active, setActive] = useState<string>();
  const tall = selected !== undefined;
  const height = tall ? tallRowHeight : rowHeight;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    // Hidden behind a story on a narrow window, a row measures nothing.
    measureElement: (row) => row.getBoundingClientRect().height || height,
    getItemKey: (index) => rows[index]?.callId ?? index,
    overscan: 8,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const { more, takeFresh } = calls;
  useEffect(() => {
    if (last >= rows.length - ahead) more();
  }, [last, rows.length, more]);

  const at = rows.findIndex((call) => call.callId === (active ?? selected));
  const inTabOrder = items.some((item) => item.index === at) ? at : (items[0]?.index ?? 0);

  // As a story opens or closes the rows change their height: the one it is about stays where it was seen.
  const shown = useRef(height);
  useLayoutEffect(() => {
    const grown = height - shown.current;
    if (grown === 0) return;
    shown.current = height;
    virtual.measure();
    const top = (virtual.scrollOffset ?? 0) + Math.max(0, at) * grown;
    const frame = requestAnimationFrame(() => virtual.scrollToOffset(top));
    return () => cancelAnimationFrame(frame);
  }, [height, at, virtual]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const step = keySteps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.min(rows.length - 1, Math.max(0, Math.max(0, at) + step));
    const id = rows[next]?.callId;
    if (id === undefined) return;
    setActive(id);
    virtual.scrollToIndex(next);
    requestAnimationFrame(() =>
      box.current?.querySelector<HTMLElement>(`[data-index="${next}"] a`)?.focus({ preventScroll: true }),
    );
  };

  return (
    <div className={tall ? 'call-list tall' : 'call-list'}>
      {calls.fresh > 0 && (
        <button
          type="button"
          className="call-fresh"
          onClick={() => {
            takeFresh();
            virtual.scrollToOffset(0);
          }}
        >
          <Icon name="up" />
          {words.activity.fresh(calls.fresh)}
        </button>
      )}
      <div ref={box} className="call-scroll" onScroll={(event) => onHeld(event.currentTarget.scrollTop > rowHeight)}>
        <ul style={{ blockSize: `${virtual.getTotalSize()}px` }}>
          {items.map((item) => {
            const call = rows[item.index];
            if (!call) return null;
            return (
              <li
                key={item.key}
                ref={virtual.measureElement}
                data-index={item.index}
                aria-setsize={calls.complete ? rows.length : -1}
                aria-posinset={item.index + 1}
                style={{ translate: `0 ${item.start}px` }}
              >
                <a
                  href={href('activity', call.callId)}
                  aria-current={call.callId === selected ? 'true' : undefined}
                  tabIndex={item.index === inTabOrder ? 0 : -1}
                  onFocus={() => setActive(call.callId)}
                  onKeyDown={onKeyDown}
                >
                  <time className="numbers" dateTime={new Date(call.at).toISOString()} title={formatMoment(call.at)}>
                    {formatWhen(call.at, now)}
                  </time>
                  <span className="call-sentence">
                    <CallSentence call={call} />
                  </span>
                  <span className="call-duration numbers">
                    {call.durationMs !== undefined && formatDuration(call.durationMs)}
                  </span>
                  <span className="call-outcome">
                    <OutcomeChip call={call} />
                  </span>
                </a>
              </li>
            );
          })}
        </ul>
      </div>
    </div>
  );
}
