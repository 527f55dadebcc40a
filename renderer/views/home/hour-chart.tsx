import { useEffect, useId, useRef, useState } from 'react';
import { words } from '../../words/current.ts';
import { formatHour, formatNumber } from '../../words/format.ts';
import { dayHours, type Hour, hourMs } from './day-hours.ts';
import './hour-chart.css';

const height = 168;
const top = 14;
const bottom = 24;
const start = 34;

/** Today's calls by hour: allowed below, refused on top. The same numbers stand in a table for those who do not see it. */
export function HourChart({ hours }: { hours: readonly Hour[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(560);
  const [pointed, setPointed] = useState<number>();
  const titleId = useId();

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(240, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const columns = dayHours(hours, Date.now());
  const ceiling = niceTop(Math.max(...columns.map((column) => column.allowed + column.refused)));
  const slot = (width - start) / columns.length;
  const bar = Math.min(30, Math.max(5, slot * 0.62));
  const base = height - bottom;
  const y = (value: number): number => base - (value / ceiling) * (base - top);
  const every = [1, 2, 3, 4, 6].find((step) => slot * step >= 44) ?? 6;
  const shown = pointed === undefined ? undefined : columns[pointed];

  return (
    <div className="hour-chart" ref={box}>
      <p className="hour-chart-read tiny numbers" aria-hidden="true">
        {shown ? words.chart.reading(hourSpan(shown.hour), shown.allowed, shown.refused) : words.chart.hint}
      </p>
      <svg
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-labelledby={titleId}
        onPointerLeave={() => setPointed(undefined)}
      >
        <title id={titleId}>{words.chart.title}</title>
        {[0, ceiling / 2, ceiling].map((value) => (
          <g key={value}>
            <line
              className={value === 0 ? 'hour-base' : 'hour-grid'}
              x1={start}
              x2={width}
              y1={y(value) + 0.5}
              y2={y(value) + 0.5}
            />
            <text className="hour-scale" x={start - 8} y={y(value) + 4} textAnchor="end">
              {formatNumber(value)}
            </text>
          </g>
        ))}
        {columns.map((column, index) => {
          const x = start + slot * (index + 0.5) - bar / 2;
          const allowed = barHeight(base - y(column.allowed), column.allowed);
          const refused = barHeight(base - y(column.refused), column.refused);
          const gap = allowed > 0 && refused > 0 ? 2 : 0;
          return (
            <g key={column.hour} className={pointed === undefined || pointed === index ? '' : 'hour-dim'}>
              {allowed > 0 && (
                <rect
                  className="hour-allowed"
                  x={x}
                  y={base - allowed}
                  width={bar}
                  height={allowed}
                  rx={Math.min(4, bar / 3)}
                />
              )}
              {refused > 0 && (
                <rect
                  className="hour-refused"
                  x={x}
                  y={base - allowed - gap - refused}
                  width={bar}
                  height={refused}
                  rx={Math.min(3, refused / 2)}
                />
              )}
              {index % every === 0 && (
                <text
                  className={column.now ? 'hour-label now' : 'hour-label'}
                  x={start + slot * (index + 0.5)}
                  y={height - 6}
                  textAnchor="middle"
                >
                  {formatHour(column.hour)}
                </text>
              )}
              <rect
                className="hour-touch"
                x={start + slot * index}
                y={0}
                width={slot}
                height={base}
                onPointerEnter={() => setPointed(index)}
              />
            </g>
          );
        })}
      </svg>
      <table className="unseen">
        <caption>{words.chart.title}</caption>
        <thead>
          <tr>
            <th scope="col">{words.chart.hour}</th>
            <th scope="col">{words.chart.allowed}</th>
            <th scope="col">{words.chart.refused}</th>
          </tr>
        </thead>
        <tbody>
          {columns
            .filter((column) => column.allowed + column.refused > 0)
            .map((column) => (
              <tr key={column.hour}>
                <th scope="row">{hourSpan(column.hour)}</th>
                <td>{formatNumber(column.allowed)}</td>
                <td>{formatNumber(column.refused)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  );
}

/** The smallest even round number that holds `most`, so that the middle line is a whole number. */
function niceTop(most: number): number {
  const size = 10 ** Math.floor(Math.log10(Math.max(4, most)));
  return [1, 2, 4, 6, 8, 10].map((step) => step * size).find((value) => value >= most && value % 2 === 0) ?? 10 * size;
}

/** One call is still seen. */
function barHeight(pixels: number, value: number): number {
  return value === 0 ? 0 : Math.max(4, pixels);
}

function hourSpan(hour: number): string {
  return `${formatHour(hour)}–${formatHour(hour + hourMs)}`;
}
