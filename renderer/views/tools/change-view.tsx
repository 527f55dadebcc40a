import { diffWordsWithSpace } from 'diff';
import { useMemo } from 'react';
import type { ChangeView as Change } from '../../../preload/contract.ts';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';

/** Longer texts are shown whole on both sides instead of word by word: comparing them would stop the window. */
const maxCompared = 20_000;

/** One changed field of an action, before and now, the difference marked word by word. */
export function ChangeView({ change }: { change: Change }) {
  const before = asText(change.before);
  const after = asText(change.after);
  const pieces = useMemo(
    () =>
      before !== undefined && after !== undefined && before.length + after.length <= maxCompared
        ? diffWordsWithSpace(before, after)
        : undefined,
    [before, after],
  );
  return (
    <section className="change">
      <h4>
        <VisibleText text={fieldName(change.path)} />
      </h4>
      <div className="change-sides">
        <div className="change-side before">
          <p className="tiny">{words.changes.before}</p>
          {before === undefined ? (
            <p className="faint">{words.changes.absent}</p>
          ) : (
            <p className="change-text">
              {pieces
                ? pieces
                    .filter((piece) => !piece.added)
                    .map((piece, at) => keyed(piece.value, at, piece.removed ? 'del' : undefined))
                : keyed(before, 0, 'del')}
            </p>
          )}
        </div>
        <div className="change-side after">
          <p className="tiny">{words.changes.now}</p>
          {after === undefined ? (
            <p className="faint">{words.changes.removed}</p>
          ) : (
            <p className="change-text">
              {pieces
                ? pieces
                    .filter((piece) => !piece.removed)
                    .map((piece, at) => keyed(piece.value, at, piece.added ? 'ins' : undefined))
                : keyed(after, 0, 'ins')}
            </p>
          )}
        </div>
      </div>
    </section>
  );
}

function keyed(text: string, at: number, mark: 'del' | 'ins' | undefined) {
  const Tag = mark ?? 'span';
  return (
    <Tag key={at}>
      <VisibleText text={text} />
    </Tag>
  );
}

function asText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'boolean') return value ? words.values.yes : words.values.no;
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

/** An RFC 6901 pointer in a person's words: "/inputSchema/properties/path/description" → "Field “path”: description". */
function fieldName(path: string): string {
  const steps = path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const { fields, field } = words.changes;
  const [first = '', second, name, ...rest] = steps;
  if (first === 'inputSchema' && second === 'properties' && name !== undefined) {
    return field(name, rest.length > 0 ? rest.join(' · ') : undefined);
  }
  const known = Object.hasOwn(fields, steps.join('.')) ? fields[steps.join('.') as keyof typeof fields] : undefined;
  return (
    known ??
    (Object.hasOwn(fields, first)
      ? [fields[first as keyof typeof fields], ...steps.slice(1)].join(' · ')
      : steps.join(' · '))
  );
}
