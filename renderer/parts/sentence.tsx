import { createElement, Fragment, type ReactNode } from 'react';

/** Fills "{name}" places of a sentence from the words file with elements. The parts' own text is never searched for places. */
export function Sentence({ text, parts }: { text: string; parts: Readonly<Record<string, ReactNode>> }) {
  const pieces = text.split(/\{([a-z]+)\}/u).map((piece, index) => (index % 2 === 1 ? (parts[piece] ?? '') : piece));
  return createElement(Fragment, null, ...pieces);
}
