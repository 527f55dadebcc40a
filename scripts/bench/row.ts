/** One line of the table. Where there is nothing to compare with, only the figure itself is held to the bar. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  /** What it is compared with, by name. */
  readonly beside: Readonly<Record<string, number>>;
  readonly gatehouse: number;
  readonly ratio?: number;
  readonly bar?: { readonly atLeast: number } | { readonly atMost: number };
  /** Whether the bar is for the ratio, or for the figure. */
  readonly of?: 'ratio' | 'figure';
}

/** Whether a row meets its bar; undefined where it has none, or no figure. */
export function meets({ gatehouse, ratio, bar, of = 'figure' }: Row): boolean | undefined {
  const value = of === 'ratio' ? ratio : gatehouse;
  if (bar === undefined || value === undefined || Number.isNaN(value)) return undefined;
  return 'atLeast' in bar ? value >= bar.atLeast : value <= bar.atMost;
}

const number = (value: number | undefined) =>
  value === undefined || Number.isNaN(value) ? '—' : value.toFixed(Math.abs(value) < 10 ? 2 : 0);

export function table(rows: readonly Row[]): string {
  const head = ['', 'beside it', 'Gatehouse', 'ratio', 'bar', ''];
  const lines = rows.map((row) => {
    const { bar, of = 'figure', what, unit, beside, gatehouse, ratio } = row;
    const sign = bar === undefined ? '' : 'atLeast' in bar ? `≥ ${bar.atLeast}` : `≤ ${bar.atMost}`;
    const verdict = meets(row);
    return [
      `${what}, ${unit}`,
      Object.entries(beside)
        .map(([name, value]) => `${name} ${number(value)}`)
        .join(', '),
      number(gatehouse),
      number(ratio),
      sign === '' ? '' : `${sign}${of === 'ratio' ? ' ×' : ''}`,
      verdict === undefined ? '' : verdict ? 'met' : 'NOT MET',
    ];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => (line[column] ?? '').length)));
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
