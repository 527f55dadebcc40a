import { useEffect, useRef, useState } from 'react';
import { words } from '../words/current.ts';
import { formatNumber } from '../words/format.ts';
import { VisibleText } from './visible-text.tsx';
import './value-view.css';

/** Text of any length in a box that scrolls, fades where there is more, says how much there is, and opens entirely. */
export function LongText({ text, label, mono = false }: { text: string; label: string; mono?: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const [overflows, setOverflows] = useState(false);
  const [atEnd, setAtEnd] = useState(false);
  const [open, setOpen] = useState(false);

  useEffect(() => {
    const element = box.current;
    if (!element || open || text === '') return;
    const crop = (): void => {
      element.style.maxBlockSize = '';
      const end = endOfText(element);
      if (end !== undefined) element.style.maxBlockSize = `${end}px`;
    };
    const measure = (): void => {
      setOverflows(element.scrollHeight > element.clientHeight + 1);
      setAtEnd(element.scrollTop + element.clientHeight >= element.scrollHeight - 2);
    };
    let width = 0;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth !== width) crop();
      width = element.clientWidth;
      measure();
    });
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    measure();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
      element.style.maxBlockSize = '';
    };
  }, [open, text]);

  const lines = text.split('\n').length;
  const size =
    lines > 1 ? words.values.lines(lines, formatNumber(lines)) : words.values.characters(formatNumber(text.length));
  return (
    <div className={overflows ? 'long-text overflows' : 'long-text'}>
      <section
        ref={box}
        className={`long-text-box${mono ? ' mono' : ''}${open ? ' open' : ''}${atEnd ? ' at-end' : ''}`}
        aria-label={label}
        {...(overflows ? { tabIndex: 0 } : {})}
      >
        <VisibleText text={text} />
      </section>
      {overflows && (
        <button type="button" className="long-text-more" onClick={() => setOpen(!open)}>
          {open ? words.values.less : words.values.all(size)}
        </button>
      )}
    </div>
  );
}

/** Only the beginning is looked at: the box shows a few lines of it. */
const maxLooked = 200;

/** Where the last line with anything on it ends that the closed box shows whole, so that it does not end in a gap. */
function endOfText(box: HTMLElement): number | undefined {
  if (box.scrollTop > 0 || box.scrollHeight <= box.clientHeight + 1) return undefined;
  const edge = box.getBoundingClientRect();
  let end: number | undefined;
  const range = document.createRange();
  range.selectNodeContents(box);
  for (const line of Array.from(range.getClientRects()).slice(0, maxLooked)) {
    if (line.width > 1 && line.height < edge.height && line.bottom <= edge.bottom) {
      end = Math.max(end ?? 0, Math.ceil(line.bottom - edge.top) + 2);
    }
  }
  return end;
}
