/** What each operator of RFC 6570 (section 3.2) can expand to: reserved characters, or all but the separators it stays between. */
const expansions: ReadonlyMap<string, RegExp> = new Map([
  ['', /[^/?#]/],
  ['+', /./s],
  ['#', /./s],
  ['.', /[^/?#]/],
  ['/', /[^?#]/],
  [';', /[^/?#]/],
  ['?', /[^#]/],
  ['&', /[^#]/],
]);

/** A longer address is taken to match nothing. */
const maxLength = 8_192;

/** One character of a literal, or any number of characters of a class. */
type Step = { readonly char: string } | { readonly many: RegExp };

/**
 * True when a URI template could have been expanded to this address, whatever the values. Bounded by the product of the
 * two lengths. A template that is none (RFC 6570 section 3) matches nothing.
 */
export function matchesTemplate(template: string, uri: string): boolean {
  const steps = stepsOf(template);
  if (steps === undefined || uri.length > maxLength) return false;
  // The steps that the rest of the address may begin with; an expansion may be empty.
  let open = new Set<number>();
  const enter = (into: Set<number>, at: number): void => {
    into.add(at);
    const step = steps[at];
    if (step !== undefined && 'many' in step && !into.has(at + 1)) enter(into, at + 1);
  };
  enter(open, 0);
  for (const char of uri) {
    const next = new Set<number>();
    for (const at of open) {
      const step = steps[at];
      if (step === undefined) continue;
      if ('many' in step) {
        if (step.many.test(char)) enter(next, at);
      } else if (step.char === char) enter(next, at + 1);
    }
    if (next.size === 0) return false;
    open = next;
  }
  return open.has(steps.length);
}

function stepsOf(template: string): readonly Step[] | undefined {
  const steps: Step[] = [];
  for (const part of template.split(/(\{[^{}]*\})/)) {
    if (part.startsWith('{')) {
      const [, operator = '', names = ''] = /^\{([+#./;?&]?)(.*)\}$/s.exec(part) ?? [];
      const many = expansions.get(operator);
      if (many === undefined || !/^[\w.%:*,-]+$/.test(names)) return undefined;
      steps.push({ many });
    } else {
      if (/[{}]/.test(part)) return undefined;
      // What is not allowed in an address is percent-encoded when expanded (section 3.1).
      const literal = part.replaceAll(/[^\x21-\x7e]|["<>\\^`|]/gu, encodeURIComponent);
      for (const char of literal) steps.push({ char });
    }
  }
  return steps;
}
