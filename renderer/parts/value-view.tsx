import { words } from '../words/current.ts';
import { formatNumber } from '../words/format.ts';
import { LongText } from './long-text.tsx';
import { VisibleText } from './visible-text.tsx';
import './value-view.css';

/** Deeper than this, or in longer lists, a value is shown as JSON text: complete, only plainer. */
const maxDepth = 6;
const maxItems = 200;

/** Any JSON value, readable: text as text, lists as lists, objects as labelled fields. Nothing is left out. */
export function ValueView({ value, label, depth = 0 }: { value: unknown; label: string; depth?: number }) {
  if (typeof value === 'string') return <TextValue text={value} label={label} />;
  if (value === null || value === undefined) return <span className="faint">{words.values.nothing}</span>;
  if (typeof value === 'boolean') return <span>{value ? words.values.yes : words.values.no}</span>;
  if (typeof value !== 'object') return <span className="numbers">{String(value)}</span>;
  const entries = Array.isArray(value)
    ? value.map((item, index) => [`${index + 1}`, item] as const)
    : Object.entries(value);
  if (entries.length === 0) {
    return <span className="faint">{Array.isArray(value) ? words.values.emptyList : words.values.emptyObject}</span>;
  }
  if (depth >= maxDepth || entries.length > maxItems) {
    return <LongText text={JSON.stringify(value, null, 2)} label={label} mono />;
  }
  if (Array.isArray(value) && value.every(isShort)) {
    return (
      <ul className="value-chips">
        {entries.map(([key, item]) => (
          <li key={key} className="chip">
            <ValueView value={item} label={label} depth={depth + 1} />
          </li>
        ))}
      </ul>
    );
  }
  return (
    <dl className={Array.isArray(value) ? 'value-fields listed' : 'value-fields'}>
      {entries.map(([key, item]) => (
        <div key={key}>
          <dt>{Array.isArray(value) ? formatNumber(Number(key)) : <VisibleText text={key} />}</dt>
          <dd>
            <ValueView value={item} label={`${label} ${key}`} depth={depth + 1} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function TextValue({ text, label }: { text: string; label: string }) {
  if (text === '') return <span className="faint">{words.values.emptyText}</span>;
  return text.length > 160 || text.includes('\n') ? (
    <LongText text={text} label={label} />
  ) : (
    <VisibleText text={text} />
  );
}

function isShort(item: unknown): boolean {
  return typeof item === 'string'
    ? item.length > 0 && item.length < 40 && !item.includes('\n')
    : typeof item === 'number';
}
