import { useMemo } from 'react';
import { words } from '../words/current.ts';
import { formatNumber } from '../words/format.ts';
import { codeName, type Hidden, splitVisible } from './visible-characters.ts';
import './visible-text.css';

/** More marks than this become plain text, so that a hostile text cannot freeze the window. */
const maxMarks = 400;

/**
 * Text that someone else wrote, shown as it is: what hides is made visible, and its writing direction cannot reach
 * beyond it (<bdi>). Never parsed as markup.
 */
export function VisibleText({ text }: { text: string }) {
  const pieces = useMemo(() => splitVisible(text), [text]);
  if (pieces.filter((piece) => piece.kind !== 'text').length > maxMarks) {
    return (
      <bdi className="visible-text">
        {pieces.map((piece) => (piece.kind === 'text' ? piece.text : ` «${describe(piece)}» `)).join('')}
      </bdi>
    );
  }
  let at = 0;
  return (
    <bdi className="visible-text">
      {pieces.map((piece) => {
        const key = at;
        at += piece.text.length;
        return piece.kind === 'text' ? piece.text : <Mark key={key} piece={piece} />;
      })}
    </bdi>
  );
}

function Mark({ piece }: { piece: Hidden }) {
  if (piece.kind === 'space' && piece.codes.length === 1) {
    return (
      <span className="mark-space" title={describe(piece)}>
        {piece.text}
      </span>
    );
  }
  const label = (
    <span className={piece.kind === 'space' || piece.kind === 'gap' ? 'mark calm' : 'mark'}>{describe(piece)}</span>
  );
  if (piece.kind === 'mixed') {
    return (
      <>
        <span className="mark-word">{piece.text}</span>
        {label}
      </>
    );
  }
  if (piece.kind === 'gap' && piece.text.includes('\n'))
    return (
      <>
        {'\n'}
        {label}
        {'\n'}
      </>
    );
  return label;
}

function describe(piece: Hidden): string {
  const { hidden } = words;
  const [code = 0] = piece.codes;
  const count = piece.codes.length;
  const same = piece.codes.every((other) => other === code);
  const name = same ? (count > 1 ? `${codeName(code)} × ${formatNumber(count)}` : codeName(code)) : formatNumber(count);
  switch (piece.kind) {
    case 'invisible':
    case 'unknown':
    case 'control':
    case 'direction':
    case 'space':
      return same ? hidden.one(name, hidden.kinds[piece.kind]) : hidden.many(name, hidden.kinds[piece.kind]);
    case 'tags':
    case 'bytes':
      return piece.spelled ? hidden.spells(piece.spelled) : hidden.many(formatNumber(count), hidden.kinds.invisible);
    case 'gap':
      return piece.text.includes('\n')
        ? hidden.lines(formatNumber(piece.text.split('\n').length - 2))
        : hidden.spaces(formatNumber(count));
    case 'stack':
      return hidden.stack(Array.from(piece.text.replace(/\p{M}/gu, '')).join(''));
    case 'mixed':
      return hidden.mixed;
    default:
      return piece.kind satisfies never;
  }
}
