/** What backtracking through a part may take: ways × length ^ degree. */
export interface Effort {
  degree: number;
  ways: number;
  /** What is looked at around it, each once wherever the part itself may be. */
  readonly around: { degree: number; ways: number }[];
}

/** An upper bound, for a pattern without its classes and escapes. */
export function effortOf(outside: string): Effort {
  // A match that is not tied to the beginning is tried at every place.
  let open: Effort & { readonly looks: boolean; choices: number } = {
    degree: outside.startsWith('^') ? 0 : 1,
    ways: 1,
    around: [],
    looks: false,
    choices: 1,
  };
  const outer: (typeof open)[] = [];
  const tokens = /\((?:\?(?:<?[=!]|:|<[^>]*>))?|\)(?:\{\d+\}|\?)?|[*+]\??|\{\d+,\d*\}\??|\?|\|/g;
  for (const [token] of outside.matchAll(tokens)) {
    if (token.startsWith('(')) {
      outer.push(open);
      open = { degree: 0, ways: 1, around: [], looks: /^\(\?<?[=!]$/.test(token), choices: 1 };
    } else if (token.startsWith(')')) {
      const closed = open;
      open = outer.pop() ?? open;
      const ways = closed.ways * closed.choices;
      const times = Number(/\d+/.exec(token)?.[0] ?? 1);
      if (closed.looks) {
        const deepest = Math.max(0, ...closed.around.map((part) => part.degree));
        const more = closed.around.reduce((sum, part) => sum + part.ways, 1);
        open.around.push({ degree: closed.degree + deepest, ways: ways * more });
      } else {
        open.degree += closed.degree * times;
        open.ways *= ways ** times * (token === ')?' ? 2 : 1);
        open.around.push(...closed.around);
      }
    } else if (token === '|') open.choices++;
    else if (token === '?') open.ways *= 2;
    else open.degree++;
  }
  return { degree: open.degree, ways: open.ways * open.choices, around: open.around };
}
